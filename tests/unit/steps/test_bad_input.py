"""Everything that people and disks hand to the pipeline: what is taken in, what is left out by name, what stops it."""

import io
import json
import os
import re
import struct
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from PIL import Image

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table
from leukoflow.images.io import ImageError, read_bytes_image
from leukoflow.steps import list_images, manifest, measure

MAX_PIXELS = 50_000_000
PIXELS = np.random.default_rng(3).integers(40, 220, (48, 64, 3), np.uint8)


def encoded(kind: str, image: Image.Image | None = None, **options) -> bytes:
    stream = io.BytesIO()
    (image or Image.fromarray(PIXELS)).save(stream, kind, **options)
    return stream.getvalue()


def png(width: int, height: int, *chunks: tuple[bytes, bytes], depth: int = 8, colour: int = 2) -> bytes:
    """A PNG whose header says what it likes."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *chunks, (b"IEND", b"")]
    body = b""
    for name, data in parts:
        body += struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))
    return b"\x89PNG\r\n\x1a\n" + body


def tiff(pixels: np.ndarray) -> bytes:
    _, data = cv2.imencode(".tiff", pixels)
    return data.tobytes()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[274] = orientation
    return encoded("JPEG", exif=exif)


def frames(kind: str) -> bytes:
    others = [Image.fromarray(255 - PIXELS)]
    return encoded(kind, save_all=True, append_images=others)


def flipped(data: bytes, share: float) -> bytes:
    at = int(share * len(data))
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


NAN = np.full((48, 64, 3), np.nan, np.float32)
GREY = Image.fromarray(PIXELS).convert("L")
# Name of the file: its bytes, and the reason that it is left out for, or None if it is an image like any other.
FILES: dict[str, tuple[bytes, str | None]] = {
    "plain.jpg": (encoded("JPEG"), None),
    "plain.png": (encoded("PNG"), None),
    "plain.bmp": (encoded("BMP"), None),
    "plain.tif": (encoded("TIFF"), None),
    "progressive.jpg": (encoded("JPEG", progressive=True), None),
    "UPPER.JPG": (encoded("JPEG"), None),
    "wrong extension.jpg": (encoded("PNG"), None),
    "wrong extension.png": (encoded("JPEG"), None),
    "a tiff.bmp": (encoded("TIFF"), None),
    "lzw.tif": (encoded("TIFF", compression="tiff_lzw"), None),
    "deflated.tif": (encoded("TIFF", compression="tiff_adobe_deflate"), None),
    "grey.jpg": (encoded("JPEG", GREY), None),
    "grey.png": (encoded("PNG", GREY), None),
    "one bit.png": (encoded("PNG", GREY.convert("1")), None),
    "palette.png": (encoded("PNG", Image.fromarray(PIXELS).convert("P")), None),
    "alpha.png": (encoded("PNG", Image.fromarray(PIXELS).convert("RGBA")), None),
    "grey and alpha.png": (encoded("PNG", GREY.convert("LA")), None),
    "cmyk.jpg": (encoded("JPEG", Image.fromarray(PIXELS).convert("CMYK")), None),
    "16 bit.tif": (tiff(PIXELS.astype(np.uint16) * 257), None),
    "16 bit grey.png": (encoded("PNG", Image.fromarray(PIXELS[..., 0].astype(np.uint16) * 257)), None),
    **{f"turned {orientation}.jpg": (turned(orientation), None) for orientation in range(2, 9)},
    "name with spaces, (brackets) & 'quotes' $HOME.png": (encoded("PNG"), None),
    "Zürich-naïve-日本.png": (encoded("PNG"), None),
    "new\nline.png": (encoded("PNG"), None),
    f"{'long' * 60}.png": (encoded("PNG"), None),
    "one pixel.png": (encoded("PNG", Image.new("RGB", (1, 1))), None),
    "one row.png": (encoded("PNG", Image.new("RGB", (64, 1), "white")), None),
    "all white.png": (encoded("PNG", Image.new("RGB", (64, 48), "white")), None),
    "all black.png": (encoded("PNG", Image.new("RGB", (64, 48))), None),
    "trailing bytes.jpg": (encoded("JPEG") + b"\0" * 100, None),
    "empty.jpg": (b"", "empty"),
    "one byte.png": (b"\x89", ""),
    "half.jpg": (encoded("JPEG")[:-400], ""),
    "half.png": (encoded("PNG")[: len(encoded("PNG")) // 2], ""),
    "half.bmp": (encoded("BMP")[:2000], ""),
    "half.tif": (encoded("TIFF")[:2000], ""),
    "header alone.jpg": (encoded("JPEG")[:20], ""),
    "zeros after half.jpg": (encoded("JPEG")[:900] + b"\0" * 2000, ""),
    "a byte wrong.png": (flipped(encoded("PNG"), 0.5), ""),
    "no end.png": (encoded("PNG")[:-12], ""),
    "zeros.png": (b"\0" * 5000, ""),
    "text.jpg": (b"not an image at all, but long enough to be one\n" * 20, ""),
    "page.jpg": (b"<!doctype html><html><body>404 Not Found</body></html>", ""),
    "drawing.png": (b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>', ""),
    "document.jpg": (b"%PDF-1.7\n" + b"0" * 500, ""),
    "archive.png": (b"PK\x03\x04" + b"0" * 500, ""),
    "pickled.png": (b"\x80\x04\x95" + b"0" * 100, ""),
    "animated.png": (frames("PNG"), "frames"),
    "pages.tif": (frames("TIFF"), "frames|pages"),
    "moving.jpg": (frames("GIF"), ""),
    "webp.jpg": (encoded("WEBP"), ""),
    "nan.tif": (tiff(NAN), ""),
    "float.tif": (tiff(np.zeros((48, 64, 3), np.float32)), ""),
    "bomb.png": (png(20_000, 20_000, (b"IDAT", zlib.compress(b"\0" * 1000))), r"20000 x 20000 pixels are more"),
    "wide bomb.png": (png(2**31 - 1, 1, (b"IDAT", zlib.compress(b"\0" * 1000))), ""),
    "no width.png": (png(0, 5, (b"IDAT", zlib.compress(b"\0" * 100))), ""),
    "odd depth.png": (png(8, 8, (b"IDAT", zlib.compress(b"\0" * 400)), depth=3), ""),
    "no pixels.png": (png(8, 8), ""),
}


def list_outputs(folder: Path) -> list[str]:
    """Where the step of listing writes."""
    names = {"output": "listing.parquet", "names": "names.csv"}
    names |= {"left-out": "left_out.parquet", "warnings": "warnings.csv"}
    return [part for name, file in names.items() for part in (f"--{name}", str(folder / file))]


@pytest.fixture(scope="module")
def taken(tmp_path_factory: pytest.TempPathFactory) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Manifest and rejects of a folder that holds all these files, a file of no name in UTF-8, links and a pipe."""
    root, out = tmp_path_factory.mktemp("root"), tmp_path_factory.mktemp("out")
    (root / "Benign").mkdir()
    for name, (data, _) in FILES.items():
        (root / "Benign" / name).write_bytes(data)
    (root / "Benign/gone.png").symlink_to(root / "nowhere.png")
    (root / "Benign/loop").symlink_to(root / "Benign")
    (root / "Benign/itself.png").symlink_to("itself.png")
    (root / "Benign/folder.png").mkdir()
    os.mkfifo(root / "Benign/pipe.png")
    with open(os.fsencode(root / "Benign") + b"/caf\xe9.png", "wb") as stream:
        stream.write(encoded("PNG"))
    settings = json.dumps({"kind": "folder", "root": str(root), "images": 100, "labels": {"Benign": "Benign"}})
    list_images.main(["--settings", settings, "--root", str(root), *list_outputs(out)])
    measure.main(
        [
            *("--root", str(root), "--listing", str(out / "listing.parquet"), "--shard", "0", "--shards", "1"),
            *("--max-pixels", str(MAX_PIXELS), "--output", str(out / "000.parquet")),
            *("--thumbnails", str(out / "000.npy"), "--record", str(out / "record.parquet")),
        ]
    )
    names = ("manifest.parquet", "quality.parquet", "files.parquet", "rejects.csv")
    outputs = [part for name in names for part in (f"--{name.split('.')[0]}", str(out / name))]
    manifest.main(["--measured", str(out / "000.parquet"), "--left-out", str(out / "left_out.parquet"), *outputs])
    return read_table(out / "manifest.parquet"), read_table(out / "rejects.csv")


@pytest.mark.parametrize("name", FILES)
def test_each_file_is_taken_or_left_out_by_name(taken: tuple[pd.DataFrame, pd.DataFrame], name: str) -> None:
    accepted, rejects = taken
    reason = FILES[name][1]
    reasons = rejects.set_index("path")["reason"].to_dict()
    path = f"Benign/{name}"
    if reason is None:
        assert path in set(accepted["path"]), reasons.get(path)
        assert path not in reasons
    else:
        assert path not in set(accepted["path"])
        assert re.search(reason, reasons[path]) and len(reasons[path]) > 5 and "\n" not in reasons[path]
        assert "Traceback" not in reasons[path] and "/tmp" not in reasons[path]


def test_links_pipes_and_odd_names(taken: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    accepted, rejects = taken
    reasons = rejects.set_index("path")["reason"]
    assert {"Benign/gone.png", "Benign/itself.png"} <= set(reasons.index)
    assert any("caf" in path for path in reasons.index)  # its bytes are no text, and no table can hold its name
    every = [*accepted["path"], *reasons.index]
    assert "pipe" in reasons["Benign/pipe.png"]
    assert not any("loop" in path or "folder.png" in path for path in every)
    assert len(every) == len(set(every)) == len(FILES) + 4


def test_turned_images_come_upright(taken: tuple[pd.DataFrame, pd.DataFrame]) -> None:
    sizes = taken[0].set_index("path")[["width", "height"]]
    for orientation in range(2, 9):
        expected = (48, 64) if orientation >= 5 else (64, 48)
        assert tuple(sizes.loc[f"Benign/turned {orientation}.jpg"]) == expected


def test_a_bomb_costs_nothing() -> None:
    """The header is enough: nothing of the size that it claims is ever made."""
    tracemalloc.start()
    with pytest.raises(ImageError, match="more than"):
        read_bytes_image(FILES["bomb.png"][0], MAX_PIXELS)
    assert tracemalloc.get_traced_memory()[1] < 5_000_000
    tracemalloc.stop()


def listed(root: Path, **settings) -> pd.DataFrame:
    text = json.dumps({"kind": "folder", "root": str(root), "images": 10, **settings})
    list_images.main(["--settings", text, "--root", str(root), *list_outputs(root)])
    return read_table(root / "listing.parquet")


def csv(text: str | bytes) -> Callable[[Path], None]:
    def write(root: Path) -> None:
        (root / "list.csv").write_bytes(text if isinstance(text, bytes) else text.encode())

    return write


TABLE = {"table": "list.csv", "columns": {"path": "file", "label": "class"}}
COHORTS: dict[str, tuple[Callable[[Path], object], dict, str]] = {
    "an empty folder": (lambda root: None, {}, "holds no image"),
    "a folder of other files": (lambda root: (root / "notes.txt").write_text("x"), {}, "holds no image"),
    "a missing folder": (lambda root: (root / "images").mkdir(), {"folder": "image"}, "did you mean 'images'"),
    "labels that nothing has": (
        lambda root: ((root / "Benign").mkdir(), (root / "Benign/a.png").write_bytes(b"")),
        {"labels": {"Benig": "Benign"}},
        "did you mean 'Benign'",
    ),
    "a missing table": (lambda root: None, TABLE, "cannot be read as a CSV table"),
    "an empty table": (csv(""), TABLE, "cannot be read as a CSV table"),
    "a table of bytes": (csv(b"\xff\xd8\xff\xe0"), TABLE, "cannot be read as a CSV table"),
    "a table without the column": (csv("files,class\na.png,x\n"), TABLE, "no column 'file'.*did you mean 'files'"),
    "a table of headings": (csv("file,class\n"), TABLE, "holds no image"),
    "a row without a path": (csv("file,class\na.png,x\n,y\n"), TABLE, "row 3 has no path"),
    "a row of more fields": (csv("file,class\na.png,x\nb.png,y,z\n"), TABLE, "cannot be read as a CSV table"),
    "a path that leaves the root": (csv("file,class\n../a.png,x\n"), TABLE, "row 2: path is not below the root"),
    "an absolute path": (csv("file,class\n/etc/passwd,x\n"), TABLE, "row 2: path is not below the root"),
    "a path of another system": (csv("file,class\nC:\\a.png,x\n"), TABLE, "row 2: path is not below the root"),
    "an image with two labels": (csv("file,class\na.png,x\na.png,y\n"), TABLE, "a.png is listed twice"),
    "labels unknown": (csv("file,class\na.png,x\n"), TABLE | {"labels": {"y": "Y"}}, "no label is named as in labels"),
    "no mask at all": (
        lambda root: (root / "a.png").write_bytes(b""),
        {"masks": {"path": "{folder}/{stem}_mask.png", "expert": True, "kind": "cells"}},
        "mask",
    ),
}


@pytest.mark.parametrize("name", COHORTS)
def test_each_faulty_cohort_stops_with_one_line(tmp_path: Path, name: str) -> None:
    make, settings, message = COHORTS[name]
    make(tmp_path)
    with pytest.raises((LeukoFlowError, SystemExit)) as caught:
        listed(tmp_path, **settings)
    if isinstance(caught.value, LeukoFlowError):
        assert re.search(message, str(caught.value))
    assert not (tmp_path / "listing.parquet").exists()


def test_repeated_rows_missing_files_and_labels_go_on(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(encoded("PNG"))
    csv("\ufefffile,class\na.png,x\na.png,x\nb.png,\n")(tmp_path)
    table = listed(tmp_path, **TABLE)
    assert table["path"].tolist() == ["a.png", "b.png"] and table["label"].isna().tolist() == [False, True]
