"""Unpacking archives that nobody has vouched for.

Everything is unpacked next to the target folder and moved into place when the last member is whole, so an interrupted
run leaves nothing that could be taken for done. Sizes are counted while unpacking; what headers say is not trusted.
"""

import bz2
import gzip
import hashlib
import lzma
import os
import re
import shutil
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.names import composed
from leukoflow.core.step import progress

MARK = ".unpacked"
"""Empty file in an unpacked folder: only such a folder is ever replaced."""
_CHUNK = 2**20
_FREE = 16 * 2**20  # bytes that need no ratio: a blank image may well be packed a thousand times smaller
_LARGEST_HEADER = 64 * 2**20
_OPENERS: dict[str, Any] = {"gzip": gzip.open, "bzip2": bz2.open, "xz": lzma.open, "tar": open}
_DAMAGE = (
    zipfile.BadZipFile,
    tarfile.TarError,
    gzip.BadGzipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    ValueError,
)


class Unsafe(LeukoFlowError):
    """An archive that is refused."""


@dataclass(frozen=True)
class Limits:
    """Most members, most bytes unpacked in all, and most times that anything may be larger unpacked than packed."""

    members: int
    bytes: int
    ratio: float


def archive_kind(path: Path) -> str | None:
    """ "zip", "gzip", "bzip2", "xz" or "tar" by the file's first bytes; None for anything else."""
    with open(path, "rb") as stream:
        start = stream.read(512)
    for magic, kind in ((b"PK\x03\x04", "zip"), (b"\x1f\x8b", "gzip"), (b"BZh", "bzip2"), (b"\xfd7zXZ\0", "xz")):
        if start.startswith(magic):
            return kind
    return "tar" if start[257:262] == b"ustar" else None


def safe_extract(
    archive: Path, folder: Path, max_members: int, max_bytes: int, max_ratio: float
) -> list[tuple[str, int, str]]:
    """Unpack a zip or tar archive (plain, gzip, bzip2, xz) as `folder`; give each file's path (posix), bytes, sha256.

    The list is sorted. A folder that an earlier call made is replaced. Raises LeukoFlowError and leaves nothing behind
    for: an absolute path, a drive letter, `..`, a backslash or control character in a name; a link, device or pipe;
    encryption; two names that differ in case alone; more than `max_members` members or `max_bytes` bytes; more than
    `max_ratio` times its packed size (a member of a zip, and the whole of any archive; the first 16 MiB are free);
    damage or a missing end; a target that is a link, or a folder made by anything else.
    """
    kind = archive_kind(archive)
    if kind is None:
        raise LeukoFlowError(f"{archive}: neither a zip nor a tar archive (plain, gzip, bzip2, xz); unpack it by hand")
    _require_replaceable(folder)
    work = folder.with_name(f".{folder.name}.unpacking")
    _remove(work)
    work.mkdir(parents=True)
    try:
        unpacking = _Unpacking(work, Limits(max_members, max_bytes, max_ratio), archive.stat().st_size)
        try:
            (_unzip if kind == "zip" else _untar)(archive, kind, unpacking)
        except Unsafe as error:
            raise LeukoFlowError(f"{archive}: {error}; refused") from error
        except _DAMAGE as error:
            raise LeukoFlowError(f"{archive}: damaged or truncated ({error}); delete it and run again") from error
        except NotImplementedError as error:
            raise LeukoFlowError(f"{archive}: cannot be unpacked here ({error}); unpack it by hand") from error
        except OSError as error:
            if error.errno is None:  # bz2 says so of damaged data
                raise LeukoFlowError(f"{archive}: damaged or truncated ({error}); delete it and run again") from error
            raise LeukoFlowError(
                f"{folder}: cannot be written ({error.strerror}); free space or choose another"
            ) from error
        (work / MARK).touch()
        old = folder.with_name(f".{folder.name}.replaced")
        _remove(old)
        if folder.exists():
            folder.rename(old)
        work.rename(folder)
        _remove(old)
    finally:
        _remove(work)
    return sorted(unpacking.written)


def _require_replaceable(folder: Path) -> None:
    if folder.is_symlink():
        raise LeukoFlowError(f"{folder}: is a link; remove it, or choose another folder")
    if folder.exists() and not (folder / MARK).exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise LeukoFlowError(f"{folder}: holds something that was not unpacked here; move it away")


def _remove(folder: Path) -> None:
    if folder.is_symlink():
        folder.unlink()
    elif folder.exists():
        shutil.rmtree(folder)


@dataclass
class _Unpacking:
    """What has been unpacked so far, held against the limits."""

    folder: Path
    limits: Limits
    packed: int
    written: list[tuple[str, int, str]] = field(default_factory=list)
    members: int = 0
    total: int = 0
    names: dict[str, str] = field(default_factory=dict)

    def admit(self, name: str) -> str:
        """The member's path, checked; "" for the archive's own root folder."""
        self.members += 1
        if self.members > self.limits.members:
            raise Unsafe(f"more than {self.limits.members:,} members (max_members)")
        path = safe_name(name)
        for end in [*(at for at, letter in enumerate(path) if letter == "/"), len(path)]:
            part = path[:end]
            known = self.names.setdefault(composed(part).casefold(), part)
            if known != part:
                raise Unsafe(f"{part!r} and {known!r} are one name where case does not count")
        return path

    def write(self, path: str, source: IO[bytes], packed: int | None) -> None:
        """Copy one member to a new file, counting; `packed` is its size in the archive, if that is known."""
        target = self.folder / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o666)
        except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
            raise Unsafe(f"{path!r} is there twice, or both a file and a folder") from error
        size, digest = 0, hashlib.sha256()
        with os.fdopen(descriptor, "wb") as stream:
            while chunk := source.read(_CHUNK):
                size += len(chunk)
                self.total += len(chunk)
                self._check(path, size, packed)
                stream.write(chunk)
                digest.update(chunk)
        self.written.append((path, size, digest.hexdigest()))

    def _check(self, path: str, size: int, packed: int | None) -> None:
        ratio = self.limits.ratio
        if self.total > self.limits.bytes:
            raise Unsafe(f"unpacks to more than {self.limits.bytes:,} bytes (max_bytes)")
        if packed is not None and size > max(_FREE, ratio * packed):
            raise Unsafe(f"{path!r} unpacks to more than {ratio:g} times its packed size (max_ratio)")
        if self.total > max(_FREE, ratio * self.packed):
            raise Unsafe(f"unpacks to more than {ratio:g} times its size (max_ratio)")


def safe_name(name: str) -> str:
    """A member's name as a posix path below the folder, without `.` parts. Raises Unsafe for one that leads out."""
    if "\\" in name or any(ord(letter) < 32 or ord(letter) == 127 for letter in name):
        raise Unsafe(f"the name {name!r} holds a backslash or a control character")
    if name.startswith("/") or re.match(r"[A-Za-z]:", name):
        raise Unsafe(f"the name {name!r} is absolute")
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Unsafe(f"the name {name!r} leads out of the folder")
    if any(len(os.fsencode(part)) > 255 for part in parts) or len(os.fsencode(name)) > 2000:
        raise Unsafe(f"the name {name[:80]!r}... is too long")
    return "/".join(parts)


def _unzip(archive: Path, kind: str, unpacking: _Unpacking) -> None:
    with zipfile.ZipFile(archive) as opened:
        infos = opened.infolist()
        for info in progress(infos, len(infos), "file"):
            path = unpacking.admit(info.orig_filename)
            form = stat.S_IFMT(info.external_attr >> 16)
            if form not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise Unsafe(f"{path!r} is a link, device or pipe")
            if info.flag_bits & 0x1:
                raise Unsafe(f"{path!r} is encrypted")
            if not info.is_dir():
                with opened.open(info) as source:
                    unpacking.write(path, source, info.compress_size)


def _untar(archive: Path, kind: str, unpacking: _Unpacking) -> None:
    with _OPENERS[kind](archive, "rb") as unpacked:
        stream = _Forward(unpacked, max(_FREE, unpacking.limits.ratio * unpacking.packed) + unpacking.packed)
        with tarfile.open(fileobj=stream, mode="r:") as opened:  # type: ignore[call-overload]
            for member in progress(_members(opened), None, "file"):
                path = unpacking.admit(_decoded(member.name))
                if member.isdir():
                    continue
                if not member.isreg() or member.issparse():
                    raise Unsafe(f"{path!r} is a link, device, pipe or sparse file")
                source = opened.extractfile(member)
                assert source is not None
                unpacking.write(path, source, None)
            if stream.last != bytes(tarfile.BLOCKSIZE):
                raise tarfile.ReadError("no end mark after the last whole member")
        while stream.read(_CHUNK):  # to the end, where gzip and xz keep their checksums
            pass


def _members(opened: tarfile.TarFile) -> Iterator[tarfile.TarInfo]:
    while (member := opened.next()) is not None:
        opened.members = []  # type: ignore[attr-defined]  # a million of them would be kept otherwise
        yield member


def _decoded(name: str) -> str:
    """A tar's name; one that is not UTF-8 is read as Latin-1, so that a table can hold it."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return os.fsencode(name).decode("latin-1")
    return name


class _Forward:
    """A stream read forwards alone, with a limit on its length and on one read (a header that claims gigabytes)."""

    def __init__(self, source: IO[bytes], limit: float) -> None:
        self.source, self.limit, self.position, self.last = source, limit, 0, b""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or not 0 <= size <= _LARGEST_HEADER:
            raise Unsafe("a header is larger than 64 MiB")
        self.last = self.source.read(size)
        self.position += len(self.last)
        if self.position > self.limit:
            raise Unsafe("unpacks to more than the allowed multiple of its size (max_ratio)")
        return self.last

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        if whence != os.SEEK_SET or offset < self.position:
            raise tarfile.ReadError("members out of order")
        while self.position < offset and self.read(min(_CHUNK, offset - self.position)):
            pass
        return self.position

    def tell(self) -> int:
        return self.position
