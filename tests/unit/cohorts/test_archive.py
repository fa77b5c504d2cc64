"""Unpacking: good archives whole, bad ones not at all."""

import bz2
import gzip
import hashlib
import io
import lzma
import os
import stat
import struct
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from leukoflow.cohorts import archive as module
from leukoflow.cohorts.archive import MARK, archive_kind, safe_extract, safe_name
from leukoflow.core.errors import LeukoFlowError

FILES = {"Original/[Malignant] Pre-B/a b.jpg": b"first" * 100, "Original/Benign/2.jpg": b"", "top.txt": b"x"}
LISTED = sorted((name, len(data)) for name, data in FILES.items())
TARS: dict[str, Callable[[bytes], bytes]] = {
    "tar": bytes,
    "tar.gz": gzip.compress,
    "tar.bz2": bz2.compress,
    "tar.xz": lambda data: lzma.compress(data, preset=0),
}
ZEROS = bytes(18 * 2**20)


def zipped(path: Path, files: dict[str, bytes], compression: int = zipfile.ZIP_DEFLATED) -> Path:
    with zipfile.ZipFile(path, "w", compression) as opened:
        for name, data in files.items():
            opened.writestr(name, data)
    return path


def tarred(files: dict[str, bytes], *others: tarfile.TarInfo) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as opened:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            opened.addfile(info, io.BytesIO(data))
        for info in others:
            opened.addfile(info)
    return stream.getvalue()


def save(path: Path, data: bytes) -> Path:
    path.write_bytes(data)
    return path


def extract(archive: Path, members: int = 100, size: int = 10**8, ratio: float = 200.0) -> list[tuple[str, int]]:
    """Paths and bytes; the digests are held against what was written."""
    members_written = safe_extract(archive, archive.parent / "out", members, size, ratio)
    for path, _, sha256 in members_written:
        assert sha256 == hashlib.sha256((archive.parent / "out" / path).read_bytes()).hexdigest()
    return [(path, count) for path, count, _ in members_written]


def refused(archive: Path, words: str, **limits: float) -> None:
    """The archive is refused with these words, and nothing is left next to it."""
    before = sorted(archive.parent.parent.rglob("*"))
    with pytest.raises(LeukoFlowError, match=words) as caught:
        extract(archive, **limits)  # type: ignore[arg-type]
    assert str(caught.value).startswith(str(archive))
    assert sorted(archive.parent.parent.rglob("*")) == before


def contents(folder: Path) -> dict[str, bytes]:
    paths = {path.relative_to(folder).as_posix(): path for path in folder.rglob("*") if path.is_file()}
    return {name: path.read_bytes() for name, path in paths.items() if name != MARK}


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_zip(tmp_path: Path, compression: int) -> None:
    archive = zipped(tmp_path / "a.zip", FILES | {"Original/empty/": b""}, compression)
    assert archive_kind(archive) == "zip"
    assert extract(archive) == LISTED
    assert contents(tmp_path / "out") == FILES
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.zip", "out"]


@pytest.mark.parametrize("suffix", TARS)
def test_tar(tmp_path: Path, suffix: str) -> None:
    folder = tarfile.TarInfo("./Original")
    folder.type = tarfile.DIRTYPE
    data = TARS[suffix](tarred({f"./{name}": body for name, body in FILES.items()}, folder))
    archive = save(tmp_path / "no suffix", data)
    assert extract(archive) == LISTED
    assert contents(tmp_path / "out") == FILES


def test_sizes_around_a_tar_block(tmp_path: Path) -> None:
    files = {f"{size}.bin": os.urandom(size) for size in (0, 1, 511, 512, 513, 1024, 2**20, 2**20 + 1)}
    extract(save(tmp_path / "a.tar.gz", gzip.compress(tarred(files))))
    assert contents(tmp_path / "out") == files


def test_modes_are_plain(tmp_path: Path) -> None:
    info = zipfile.ZipInfo("run.jpg")
    info.external_attr = (stat.S_IFREG | 0o4777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr(info, b"x")
    extract(tmp_path / "a.zip")
    assert (tmp_path / "out" / "run.jpg").stat().st_mode & 0o7111 == 0


BAD_NAMES = [
    ("../evil.jpg", "leads out"),
    ("a/../../evil.jpg", "leads out"),
    ("..", "leads out"),
    ("/etc/evil.jpg", "absolute"),
    ("//server/evil.jpg", "absolute"),
    ("C:/evil.jpg", "absolute"),
    ("c:evil.jpg", "absolute"),
    ("..\\evil.jpg", "backslash"),
    ("a\\b.jpg", "backslash"),
    ("a\nb.jpg", "control"),
    ("a" * 300, "too long"),
]


@pytest.mark.parametrize(("name", "words"), BAD_NAMES)
def test_bad_names(tmp_path: Path, name: str, words: str) -> None:
    inner = tmp_path / "inner"
    inner.mkdir()
    refused(zipped(inner / "a.zip", {"good.jpg": b"x", name: b"evil"}), words)
    refused(save(inner / "a.tar", tarred({"good.jpg": b"x", name: b"evil"})), words)


def test_a_name_cut_by_a_nul_is_refused(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"good.jpgX../../evil": b"x"})
    save(archive, archive.read_bytes().replace(b"good.jpgX", b"good.jpg\0"))
    refused(archive, "control character")


def test_names_that_only_look_bad() -> None:
    assert safe_name("./a//b/./c..d/...jpg") == "a/b/c..d/...jpg"
    assert safe_name("Blood cell Cancer [ALL]/~x/$HOME *?.jpg") == "Blood cell Cancer [ALL]/~x/$HOME *?.jpg"


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.CONTTYPE]
)
def test_tar_links_and_devices(tmp_path: Path, kind: bytes) -> None:
    info = tarfile.TarInfo("Original/link.jpg")
    info.type, info.linkname = kind, "good.jpg"
    archive = save(tmp_path / "a.tar", tarred({"good.jpg": b"x"}, info))
    if kind == tarfile.CONTTYPE:
        assert extract(archive) == [("Original/link.jpg", 0), ("good.jpg", 1)]
    else:
        refused(archive, "link, device, pipe")


@pytest.mark.parametrize("form", [stat.S_IFLNK, stat.S_IFIFO, stat.S_IFCHR, stat.S_IFSOCK])
def test_zip_links_and_devices(tmp_path: Path, form: int) -> None:
    info = zipfile.ZipInfo("link.jpg")
    info.external_attr = (form | 0o777) << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr(info, "/etc/passwd")
    refused(tmp_path / "a.zip", "link, device or pipe")


def test_a_link_to_a_folder_and_a_file_through_it(tmp_path: Path) -> None:
    link = tarfile.TarInfo("images")
    link.type, link.linkname = tarfile.SYMTYPE, str(tmp_path)
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as opened:
        opened.addfile(link)
        through = tarfile.TarInfo("images/evil.jpg")
        through.size = 4
        opened.addfile(through, io.BytesIO(b"evil"))
    refused(save(tmp_path / "a.tar", stream.getvalue()), "link")


@pytest.mark.parametrize(
    "names", [("a/Pro.jpg", "a/pro.jpg"), ("Benign/1.jpg", "benign/2.jpg"), ("\u00e9.jpg", "e\u0301.jpg")]
)
def test_names_that_differ_in_case_alone(tmp_path: Path, names: tuple[str, str]) -> None:
    refused(zipped(tmp_path / "a.zip", {names[0]: b"1", names[1]: b"2"}), "where case does not count")
    refused(save(tmp_path / "a.tar", tarred({names[0]: b"1", names[1]: b"2"})), "where case does not count")


def test_one_name_twice_or_as_file_and_folder(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        opened.writestr("a.jpg", b"1")
        opened.writestr("a.jpg", b"2")
    refused(tmp_path / "a.zip", "there twice")
    refused(save(tmp_path / "a.tar", tarred({"a": b"1", "a/b": b"2"})), "both a file and a folder")
    refused(save(tmp_path / "a.tar", tarred({"a/b": b"1", "a": b"2"})), "both a file and a folder")


def test_encrypted(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a.jpg": b"x"}, zipfile.ZIP_STORED)
    data = bytearray(archive.read_bytes())
    data[6] |= 1
    data[data.index(b"PK\x01\x02") + 8] |= 1
    refused(save(archive, bytes(data)), "encrypted")


@pytest.mark.parametrize("suffix", ["zip", "tar", "tar.gz"])
def test_limits_on_members_and_bytes(tmp_path: Path, suffix: str) -> None:
    files = {f"{number}.jpg": os.urandom(1000) for number in range(5)}
    archive = tmp_path / "a"
    if suffix == "zip":
        zipped(archive, files)
    else:
        save(archive, TARS[suffix](tarred(files)))
    refused(archive, r"more than 4 members \(max_members\)", members=4)
    refused(archive, r"more than 4,999 bytes \(max_bytes\)", size=4999)
    assert len(extract(archive, members=5, size=5000)) == 5


@pytest.mark.parametrize("suffix", ["zip", "tar.gz", "tar.xz"])
def test_bombs(tmp_path: Path, suffix: str) -> None:
    archive = tmp_path / "a"
    if suffix == "zip":
        zipped(archive, {"zeros.bmp": ZEROS})
    else:
        save(archive, TARS[suffix](tarred({"zeros.bmp": ZEROS})))
    refused(archive, r"50 times|allowed multiple", ratio=50)
    assert extract(archive, ratio=10_000) == [("zeros.bmp", len(ZEROS))]


def test_a_bomb_among_other_files(tmp_path: Path) -> None:
    """The ratio holds for each member of a zip, and for all together."""
    noise = {"noise.bin": os.urandom(2**20)}
    refused(zipped(tmp_path / "a.zip", noise | {"zeros.bmp": ZEROS}), "'zeros.bmp' unpacks to more than 50", ratio=50)
    halves = {f"{number}.bmp": ZEROS[::2] for number in range(2)}
    refused(zipped(tmp_path / "a.zip", halves), "more than 50 times its size", ratio=50)


def test_a_small_blank_image_is_no_bomb(tmp_path: Path) -> None:
    assert extract(zipped(tmp_path / "a.zip", {"blank.bmp": bytes(2**20)}), ratio=2) == [("blank.bmp", 2**20)]


def test_a_zip_that_lies_about_its_sizes(tmp_path: Path) -> None:
    """Members that claim to be small, or to be packed in more than the archive holds."""
    archive = zipped(tmp_path / "a.zip", {"zeros.bmp": ZEROS})
    whole = archive.read_bytes()
    central = whole.index(b"PK\x01\x02")
    small = bytearray(whole)
    small[central + 24 : central + 28] = small[22:26] = struct.pack("<I", 100)
    refused(save(archive, bytes(small)), "damaged")
    large = bytearray(whole)
    large[central + 20 : central + 24] = large[18:22] = struct.pack("<I", 2**31)
    refused(save(archive, bytes(large)), "times its size|damaged")


def test_entries_that_share_their_packed_bytes(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"zeros.bmp": bytes(15 * 2**20)})
    whole = archive.read_bytes()
    start, end = whole.index(b"PK\x01\x02"), whole.index(b"PK\x05\x06")
    entry, tail = whole[start:end], bytearray(whole[end:])
    tail[8:12] = struct.pack("<HH", 3, 3)
    tail[12:16] = struct.pack("<I", 3 * len(entry))
    refused(save(archive, whole[:start] + 3 * entry + bytes(tail)), "there twice|damaged")


def test_a_header_that_claims_gigabytes(tmp_path: Path) -> None:
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, 2**32
    refused(save(tmp_path / "a.tar.gz", gzip.compress(info.tobuf() + bytes(10_000))), "header is larger")


@pytest.mark.parametrize("suffix", TARS)
def test_truncated_and_damaged_tars(tmp_path: Path, suffix: str) -> None:
    files = {f"{number}.jpg": os.urandom(3000) for number in range(4)}
    plain = tarred(files)
    data = TARS[suffix](plain)
    archive = tmp_path / "a"
    # The padding of a plain tar may be missing; its end mark, after the last member's 4 * 3,584 bytes, may not.
    last = 4 * 3584 if suffix == "tar" else len(data) - 1
    for length in (600, len(data) // 3, len(data) // 2, last):
        refused(save(archive, data[:length]), "damaged or truncated")
    broken = bytearray(plain)
    broken[3584:3684] = os.urandom(100)  # the second member's header
    refused(save(archive, TARS[suffix](bytes(broken))), "damaged or truncated|control|backslash")


def test_damaged_zips(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"a.jpg": os.urandom(5000), "b.jpg": os.urandom(5000)}, zipfile.ZIP_STORED)
    whole = archive.read_bytes()
    flipped = bytearray(whole)
    flipped[7000] ^= 1
    for data in (whole[:-30], whole[:6000], bytes(flipped)):
        refused(save(archive, data), "damaged or truncated")


@pytest.mark.parametrize("data", [b"", b"<html>", b"Rar!\x1a\x07", b"7z\xbc\xaf\x27\x1c"])
def test_no_archive(tmp_path: Path, data: bytes) -> None:
    refused(save(tmp_path / "a", data), "neither a zip nor a tar")


def test_gzip_that_is_no_tar(tmp_path: Path) -> None:
    refused(save(tmp_path / "a.gz", gzip.compress(b"only text" * 200)), "damaged")


def test_interrupted_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = zipped(tmp_path / "a.zip", FILES)
    with monkeypatch.context() as patch:

        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        patch.setattr(module._Unpacking, "_check", interrupt)
        with pytest.raises(KeyboardInterrupt):
            extract(archive)
    assert [path.name for path in tmp_path.iterdir()] == ["a.zip"]
    killed = tmp_path / ".out.unpacking"
    killed.mkdir()
    (killed / "half.jpg").touch()
    assert extract(archive) == LISTED
    assert contents(tmp_path / "out") == FILES
    assert not killed.exists()


def test_only_its_own_folder_is_replaced(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"old.jpg": b"1"})
    extract(archive)
    zipped(archive, {"new.jpg": b"2"})
    extract(archive)
    assert contents(tmp_path / "out") == {"new.jpg": b"2"}
    (tmp_path / "out" / MARK).unlink()
    with pytest.raises(LeukoFlowError, match="not unpacked here"):
        extract(archive)
    assert contents(tmp_path / "out") == {"new.jpg": b"2"}


def test_existing_links_are_not_followed(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", FILES)
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / ".out.unpacking").symlink_to(elsewhere)
    extract(archive)
    assert not list(elsewhere.iterdir())
    safe = tmp_path / "link"
    safe.symlink_to(elsewhere)
    with pytest.raises(LeukoFlowError, match="is a link"):
        safe_extract(archive, safe, 100, 10**8, 200)
    assert not list(elsewhere.iterdir())


def test_a_failed_replacement_keeps_the_old_folder(tmp_path: Path) -> None:
    archive = zipped(tmp_path / "a.zip", {"old.jpg": b"1"})
    extract(archive)
    zipped(archive, {"new.jpg": b"2", "../evil.jpg": b"3"})
    with pytest.raises(LeukoFlowError):
        extract(archive)
    assert contents(tmp_path / "out") == {"old.jpg": b"1"}


def test_names_of_a_tar_that_are_not_utf8(tmp_path: Path) -> None:
    data = tarred({"caf?.jpg": b"x"}).replace(b"caf?", b"caf\xe9")
    header = bytearray(data[:512])
    header[148:156] = b" " * 8
    header[148:156] = b"%06o\0 " % sum(header)
    assert extract(save(tmp_path / "a.tar", bytes(header) + data[512:])) == [("caf\u00e9.jpg", 1)]
