"""Reading images: every format against an independent decoding, every fault against its reason."""

import io
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageCms, ImageOps

from leukoflow.images.io import ImageError, read_bytes_image, read_file, read_image

LIMIT = 1_000_000
DATA = os.environ.get("LEUKOFLOW_DATA")


def smooth(height: int = 40, width: int = 60) -> np.ndarray:
    """uint8 [H, W, 3] without symmetry."""
    y, x = np.mgrid[0:height, 0:width]
    return np.stack([(4 * x) % 251, (5 * y) % 253, (3 * x + 2 * y) % 255], axis=2).astype(np.uint8)


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def tiff(array: np.ndarray, **options: Any) -> bytes:
    stream = io.BytesIO()
    tifffile.imwrite(stream, array, **options)
    return stream.getvalue()


def reason(data: bytes, limit: int = LIMIT) -> str:
    with pytest.raises(ImageError) as caught:
        read_bytes_image(data, limit)
    text = str(caught.value)
    assert text
    assert "\n" not in text
    return text


def exif(orientation: int) -> bytes:
    block = Image.Exif()
    block[274] = orientation
    return block.tobytes()


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF"])
def test_lossless_formats_keep_every_value(kind: str) -> None:
    image = smooth()
    read = read_bytes_image(encoded(Image.fromarray(image), kind), LIMIT)
    assert read.dtype == np.uint8
    assert read.flags["C_CONTIGUOUS"]
    np.testing.assert_array_equal(read, image)


@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"subsampling": 0}, {"restart_marker_blocks": 2}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_jpeg_equals_pillow(mode: str, options: dict) -> None:
    data = encoded(Image.fromarray(smooth()).convert(mode), "JPEG", quality=90, **options)
    reference = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    np.testing.assert_array_equal(read_bytes_image(data, LIMIT), reference)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(("kind", "mode"), [("JPEG", "RGB"), ("JPEG", "CMYK"), ("PNG", "RGB"), ("TIFF", "RGB")])
def test_orientation_is_the_same_in_every_path(kind: str, mode: str, orientation: int) -> None:
    data = encoded(Image.fromarray(smooth()).convert(mode), kind, exif=exif(orientation))
    reference = ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB")
    read = read_bytes_image(data, LIMIT)
    assert read.shape == ((60, 40, 3) if orientation >= 5 else (40, 60, 3))
    np.testing.assert_array_equal(read, np.asarray(reference))


def test_orientation_of_a_deep_tiff() -> None:
    deep = smooth().astype(np.uint16) * 257
    data = tiff(deep, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    np.testing.assert_array_equal(read_bytes_image(data, LIMIT), np.rot90(smooth(), -1))


def test_damaged_exif_is_as_none() -> None:
    plain = encoded(Image.fromarray(smooth()), "JPEG")
    block = b"Exif\0\0II*\0\xff\xff\xff\x7f" + b"\1" * 20
    data = plain[:2] + b"\xff\xe1" + struct.pack(">H", len(block) + 2) + block + plain[2:]
    np.testing.assert_array_equal(read_bytes_image(data, LIMIT), read_bytes_image(plain, LIMIT))


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("suffix", [".png", ".tiff"])
def test_sixteen_bits_are_divided_by_257_and_rounded(suffix: str, channels: int) -> None:
    deep = np.random.default_rng(0).integers(0, 65536, (33, 21, channels)).astype(np.uint16)
    deep[0, 0], deep[0, 1] = 0, 65535
    data = cv2.imencode(suffix, deep[:, :, ::-1])[1].tobytes()
    reference = np.rint(deep / 257).astype(np.uint8)
    np.testing.assert_array_equal(read_bytes_image(data, LIMIT), np.broadcast_to(reference, (33, 21, 3)))


def test_white_is_zero_is_turned_round() -> None:
    grey = np.arange(0, 65536, 256, dtype=np.uint16).reshape(16, 16)
    read = read_bytes_image(tiff(grey, photometric="miniswhite"), LIMIT)
    np.testing.assert_array_equal(read[:, :, 0], np.rint((65535 - grey.astype(int)) / 257))
    read = read_bytes_image(tiff((grey >> 8).astype(np.uint8), photometric="miniswhite"), LIMIT)
    np.testing.assert_array_equal(read[:, :, 0], 255 - (grey >> 8))


def test_transparent_pixels_lie_on_white() -> None:
    colours = smooth()
    alpha = np.tile(np.array([0, 128, 255], np.uint8), (40, 20))[:, :, None]
    share = alpha / 255
    reference = np.rint(colours * share + 255 * (1 - share))
    rgba = np.concatenate([colours, alpha], axis=2)
    shallow = read_bytes_image(encoded(Image.fromarray(rgba), "PNG"), LIMIT)
    assert np.abs(shallow - reference).max() <= 0.5
    deep = cv2.imencode(".png", rgba[:, :, [2, 1, 0, 3]].astype(np.uint16) * 257)[1].tobytes()
    assert np.abs(read_bytes_image(deep, LIMIT) - reference).max() <= 0.5
    assert (shallow[:, ::3] == 255).all()


def test_palette_grey_alpha_and_one_bit() -> None:
    palette = Image.fromarray(smooth()).quantize(64)
    np.testing.assert_array_equal(read_bytes_image(encoded(palette, "PNG"), LIMIT), np.asarray(palette.convert("RGB")))
    clear = read_bytes_image(encoded(palette, "PNG", transparency=palette.getpixel((0, 0))), LIMIT)
    assert (clear[0, 0] == 255).all()
    grey_alpha = Image.merge("LA", [Image.new("L", (4, 3), 100), Image.new("L", (4, 3), 0)])
    assert (read_bytes_image(encoded(grey_alpha, "PNG"), LIMIT) == 255).all()
    bits = Image.fromarray(smooth()[:, :, 0] > 100)
    read = read_bytes_image(encoded(bits, "PNG"), LIMIT)
    np.testing.assert_array_equal(read[:, :, 1], np.where(smooth()[:, :, 0] > 100, 255, 0))


def test_cmyk_without_a_profile() -> None:
    inks = np.zeros((16, 48, 4), np.uint8)
    inks[:, 16:32] = (0, 255, 255, 0)
    inks[:, 32:] = (0, 0, 0, 204)
    data = encoded(Image.fromarray(inks, "CMYK"), "JPEG", quality=100)
    row = read_bytes_image(data, LIMIT)[8]
    for x, colour in ((8, (255, 255, 255)), (24, (255, 0, 0)), (40, (51, 51, 51))):
        assert np.abs(row[x].astype(int) - colour).max() <= 3


def test_a_cmyk_profile_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    used = []

    def convert(image: Image.Image, source: bytes, target: object, outputMode: str) -> Image.Image:
        used.append((image.mode, source, outputMode))
        return Image.new("RGB", image.size, (1, 2, 3))

    monkeypatch.setattr(ImageCms, "ImageCmsProfile", lambda stream: stream.read())
    monkeypatch.setattr(ImageCms, "profileToProfile", convert)
    data = encoded(Image.fromarray(smooth()).convert("CMYK"), "JPEG", icc_profile=b"profile")
    assert (read_bytes_image(data, LIMIT) == (1, 2, 3)).all()
    assert used == [("CMYK", b"profile", "RGB")]


def test_profiles_of_rgb_are_left_alone() -> None:
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
    plain = encoded(Image.fromarray(smooth()), "PNG")
    tagged = encoded(Image.fromarray(smooth()), "PNG", icc_profile=profile)
    np.testing.assert_array_equal(read_bytes_image(tagged, LIMIT), read_bytes_image(plain, LIMIT))


def test_a_damaged_cmyk_profile_is_as_none() -> None:
    image = Image.fromarray(smooth()).convert("CMYK")
    plain, tagged = encoded(image, "JPEG"), encoded(image, "JPEG", icc_profile=b"nonsense" * 30)
    np.testing.assert_array_equal(read_bytes_image(tagged, LIMIT), read_bytes_image(plain, LIMIT))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_truncated_anywhere_is_refused(kind: str) -> None:
    options = {"compression": "tiff_lzw"} if kind == "TIFF" else {}
    noise = np.random.default_rng(1).integers(0, 256, (40, 60, 3)).astype(np.uint8)
    data = encoded(Image.fromarray(noise), kind, **options)
    for length in (*range(0, len(data), max(1, len(data) // 60)), len(data) - 1):
        reason(data[:length])


def test_jpeg_whose_tail_is_zeros_or_another_image() -> None:
    data = encoded(Image.fromarray(smooth(200, 200)), "JPEG", quality=95)
    assert "truncated" in reason(data[: len(data) // 2] + bytes(len(data) // 2))
    assert "second image" in reason(data[: len(data) // 2] + data)


def test_the_end_marker_of_a_thumbnail_is_not_the_images() -> None:
    thumbnail = encoded(Image.fromarray(smooth(8, 8)), "JPEG")
    plain = encoded(Image.fromarray(smooth()), "JPEG")
    segment = b"\xff\xe2" + struct.pack(">H", len(thumbnail) + 2) + thumbnail
    data = plain[:2] + segment + plain[2:]
    np.testing.assert_array_equal(read_bytes_image(data, LIMIT), read_bytes_image(plain, LIMIT))
    reason(data[:-2])


def test_bytes_after_the_end_are_no_fault() -> None:
    data = encoded(Image.fromarray(smooth()), "JPEG")
    np.testing.assert_array_equal(read_bytes_image(data + b"\0" * 99, LIMIT), read_bytes_image(data, LIMIT))


def bomb_png(width: int, height: int) -> bytes:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    body = zlib.compress(bytes(100_000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def test_bombs_are_refused_by_their_header(monkeypatch: pytest.MonkeyPatch) -> None:
    def decoded(*_: object, **__: object) -> None:
        raise AssertionError("decoded")

    jpeg = bytearray(encoded(Image.fromarray(smooth()), "JPEG"))
    at = jpeg.index(b"\xff\xc0")
    jpeg[at + 5 : at + 9] = struct.pack(">HH", 60_000, 60_000)
    bmp = bytearray(encoded(Image.fromarray(smooth()), "BMP"))
    bmp[18:26] = struct.pack("<ii", 200_000, 200_000)
    with monkeypatch.context() as patch:
        patch.setattr(cv2, "imdecode", decoded)
        patch.setattr("PIL.ImageFile.ImageFile.load", decoded)
        assert "60000 x 60000 pixels" in reason(bytes(jpeg), 100_000_000)
        assert "50000 x 50000 pixels" in reason(bomb_png(50_000, 50_000), 100_000_000)
        assert "200000 x 200000 pixels" in reason(bytes(bmp), 100_000_000)


def test_the_limit_itself_is_allowed() -> None:
    data = encoded(Image.fromarray(smooth()), "PNG")
    assert read_bytes_image(data, 2400).shape == (40, 60, 3)
    assert "max_pixels" in reason(data, 2399)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "BMP", "TIFF"])
def test_no_limit_but_the_given_one(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own limit, one for the whole process, does not stand in the way."""
    data = encoded(Image.fromarray(smooth()), kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 100)
    with pytest.raises(Image.DecompressionBombError):
        Image.open(io.BytesIO(data))
    assert read_bytes_image(data, LIMIT).shape == (40, 60, 3)


@pytest.mark.parametrize(
    ("data", "word"),
    [
        (b"", "empty"),
        (bytes(500), "zeros"),
        (b"  <!DOCTYPE HTML><html><body>Sign in</body></html>", "web page"),
        (b"\xef\xbb\xbf<html>404</html>", "web page"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS"),
        (b"GIF89a" + bytes(50), "not a JPEG"),
        (b"text", "not a JPEG"),
        (b"\xff\xd8\xff", "truncated"),
        (b"\x89PNG\r\n\x1a\n", "truncated"),
        (b"BM", "damaged"),
        (b"II*\0", "damaged"),
    ],
)
def test_what_is_no_image_says_so(data: bytes, word: str) -> None:
    assert word in reason(data)


def test_samples_that_are_no_pictures() -> None:
    plane = np.linspace(0, 1, 256, dtype=np.float32).reshape(16, 16)
    plane[0, 0] = np.nan
    assert "floating-point" in reason(tiff(plane))
    assert "signed" in reason(tiff(np.arange(256, dtype=np.int32).reshape(16, 16)))
    assert "32-bit" in reason(tiff(np.arange(256, dtype=np.uint32).reshape(16, 16)))
    reason(tiff(np.zeros((16, 16, 3), np.float32), photometric="rgb"))


def test_several_frames() -> None:
    first, second = Image.fromarray(smooth()), Image.fromarray(smooth()[::-1].copy())
    for kind in ("TIFF", "PNG"):
        assert "several frames" in reason(encoded(first, kind, save_all=True, append_images=[second]))
    several = encoded(first, "MPO", save_all=True, append_images=[second])
    reference = np.asarray(Image.open(io.BytesIO(several)).convert("RGB"))
    np.testing.assert_array_equal(read_bytes_image(several, LIMIT), reference)


def test_hostile_bytes_never_raise_anything_else() -> None:
    """Bytes flipped in every format end in an image or an ImageError."""
    generator = np.random.default_rng(2)
    image = Image.fromarray(smooth())
    originals = [encoded(image, kind) for kind in ("JPEG", "PNG", "BMP", "TIFF")]
    originals.append(encoded(image, "TIFF", compression="tiff_lzw"))
    originals.append(encoded(image.convert("CMYK"), "JPEG", exif=exif(6)))
    outcomes = set()
    for data in originals:
        for _ in range(60):
            damaged = np.frombuffer(data, np.uint8).copy()
            damaged[generator.integers(4, min(len(data), 600), 4)] = generator.integers(0, 256, 4)
            try:
                outcomes.add(read_bytes_image(damaged.tobytes(), LIMIT).dtype.name)
            except ImageError:
                outcomes.add("refused")
    assert outcomes == {"uint8", "refused"}


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "a [b] c.png"
    path.write_bytes(encoded(Image.fromarray(smooth()), "PNG"))
    np.testing.assert_array_equal(read_image(path, LIMIT), smooth())
    assert read_file(path, LIMIT) == path.read_bytes()
    for name, word in (("absent.png", "No such file"), ("caf\\udce9.png", "not UTF-8")):
        with pytest.raises(ImageError, match=word):
            read_image(tmp_path / name, LIMIT)
    with pytest.raises(ImageError, match="directory"):
        read_image(tmp_path, LIMIT)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.bmp"
    with open(path, "wb") as stream:
        stream.truncate(100 * 2**20)
    with pytest.raises(ImageError, match="larger than any image of 1,000 pixels"):
        read_file(path, 1000)


@pytest.mark.skipif(not DATA, reason="LEUKOFLOW_DATA is not set")
def test_real_images_equal_pillow() -> None:
    paths = sorted(path for path in Path(str(DATA)).rglob("*.*") if path.suffix in (".jpg", ".png"))[::60]
    assert paths
    for path in paths:
        read = read_image(path, 10 * LIMIT)
        np.testing.assert_array_equal(read, np.asarray(Image.open(path).convert("RGB")), err_msg=str(path))
