"""Renditions on disk: uint8 arrays [n, H, W, 3], one file a shard, memory-mapped when read.

Beside each shard `NNN.npy` lies its index `NNN.parquet`, the image_id of each row.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_json, read_table
from leukoflow.core.shards import shard_files

MOST_OPEN = 128
"""Shards mapped at a time; each holds a file descriptor."""


def write_shard(path: str | Path, images: Iterable[np.ndarray], count: int, size: int) -> str:
    """Write `count` images, uint8 [size, size, 3] each, one at a time, to an .npy file that is whole or absent.

    Returns a digest of the pixels (32 hex digits).

    Raises LeukoFlowError where an image has another shape or type, or there are more or fewer than `count`.
    """
    written = 0
    digest = hashlib.blake2b(digest_size=16)
    with atomic(path) as temporary:
        rows = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, size, size, 3)) if count else None
        for image in images:
            if image.shape != (size, size, 3) or image.dtype != np.uint8:
                found = f"{image.dtype} {list(image.shape)}"
                raise LeukoFlowError(f"{path}: row {written} is {found}, not uint8 {[size, size, 3]}; check the view")
            if rows is None or written == count:
                raise LeukoFlowError(f"{path}: more than the {count} images announced; rerun the manifest")
            rows[written] = image
            digest.update(image.tobytes())
            written += 1
        if written != count:
            raise LeukoFlowError(f"{path}: {written} images, {count} announced; rerun the manifest")
        if rows is None:
            np.save(temporary, np.empty((0, size, size, 3), np.uint8))  # an empty file cannot be mapped
        else:
            rows.flush()
    return digest.hexdigest()


@dataclass(frozen=True)
class Shards:
    """Images of one rendition, over all its shards, in the order of the paths given."""

    paths: tuple[Path, ...]
    """The .npy files."""
    starts: np.ndarray
    """First row of each shard, and the total: int64 [shards + 1]."""
    image_ids: np.ndarray
    """Image id of each row: object [n]."""
    shape: tuple[int, int, int]
    """H, W, 3."""
    many: bool = False
    """Whether an image has several rows or none, as a row is a cell (the index has a column `cell`)."""

    def __len__(self) -> int:
        return int(self.starts[-1])

    def rows_of(self, image_ids: Iterable[str]) -> np.ndarray:
        """Row of each image id: int64 [k]. Raises LeukoFlowError naming the first id that is in no shard."""
        position = {name: row for row, name in enumerate(self.image_ids)}
        try:
            return np.array([position[name] for name in image_ids], np.int64)
        except KeyError as error:
            folder = self.paths[0].parent
            raise LeukoFlowError(f"{folder}: image {error} is in no shard; delete the folder and run again") from None

    def groups_of(self, image_ids: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """All rows of each image id, and to which of the ids (by position) each row belongs: int64 [m], int64 [m].

        Where `many` is false, raises LeukoFlowError for an id that is in no shard.
        """
        if not self.many:
            rows = self.rows_of(image_ids)
            return rows, np.arange(len(rows))
        known: dict[str, list[int]] = {}
        for row, name in enumerate(self.image_ids):
            known.setdefault(name, []).append(row)
        found = [known.get(name, []) for name in image_ids]
        owner = np.repeat(np.arange(len(found)), [len(each) for each in found])
        return np.array([row for each in found for row in each], np.int64), owner

    def gather(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The images of these rows, in their order (repeats allowed): uint8 [k, H, W, 3]. Only they are read.

        Raises IndexError for a row outside 0 to n - 1.
        """
        wanted = np.asarray(rows, np.int64).ravel()
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"rows must lie in 0 to {len(self) - 1}")
        images = np.empty((wanted.size, *self.shape), np.uint8)
        shards = np.searchsorted(self.starts, wanted, side="right") - 1
        for shard in np.unique(shards):
            data = _mapped(self.paths[shard])
            for place in np.flatnonzero(shards == shard):
                images[place] = data[wanted[place] - self.starts[shard]]
        return images


def open_view(summary: str | Path) -> Shards:
    """Open all shards of a view by its summary (`view.json`), which lies beside them."""
    summary = Path(summary)
    return open_shards(shard_files(summary.parent, len(read_json(summary)["shards"])))


def open_shards(paths: Iterable[str | Path]) -> Shards:
    """Open shards by their .npy paths. Headers and indices are read and checked; pixels only when gathered.

    Raises LeukoFlowError naming the file that is missing, truncated, of another shape than the first, or whose index
    has another number of rows.
    """
    files = tuple(Path(path) for path in paths)
    if not files:
        raise LeukoFlowError("no shards were given; render the view first")
    starts, identifiers, first, many = [0], [], _header(files[0]), False
    for file in files:
        shape = _header(file)
        if shape[1:] != first[1:]:
            raise LeukoFlowError(f"{file}: images are {list(shape[1:])}, those of {files[0]} {list(first[1:])}{_AGAIN}")
        index = file.with_suffix(".parquet")
        table = read_table(index)
        ids = table["image_id"].to_numpy(object)
        many |= "cell" in table
        if len(ids) != shape[0]:
            raise LeukoFlowError(f"{index}: {len(ids)} rows, but {file.name} holds {shape[0]} images{_AGAIN}")
        starts.append(starts[-1] + len(ids))
        identifiers.append(ids)
    shape = (first[1], first[2], first[3])
    return Shards(files, np.array(starts, np.int64), np.concatenate(identifiers), shape, many)


_AGAIN = "; delete both and render the view again"


def _header(file: Path) -> tuple[int, ...]:
    """Shape from the header, after checking type, order and the file's length."""
    try:
        with open(file, "rb") as stream:
            if np.lib.format.read_magic(stream) != (1, 0):
                raise ValueError("not version 1.0")
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(stream)
            start = stream.tell()
        length = file.stat().st_size
    except (OSError, ValueError) as error:
        raise LeukoFlowError(f"{file}: cannot be read as a shard ({error}); render the view again") from error
    if dtype != np.uint8 or fortran or len(shape) != 4 or shape[3] != 3:
        raise LeukoFlowError(f"{file}: holds {dtype} {list(shape)}, not uint8 [n, H, W, 3]; render the view again")
    expected = start + int(np.prod(shape, dtype=np.int64))
    if length != expected:
        raise LeukoFlowError(f"{file}: {length} bytes, {expected} expected; delete it and render the view again")
    return shape


def _mapped(file: Path) -> np.ndarray:
    try:
        status = file.stat()
    except OSError as error:
        raise LeukoFlowError(f"{file}: cannot be read as a shard ({error}); render the view again") from error
    return _mapped_version(file, status.st_ino, status.st_mtime_ns)


@lru_cache(maxsize=MOST_OPEN)
def _mapped_version(file: Path, inode: int, modified: int) -> np.ndarray:
    """The mapped file; inode and time tell a shard rendered again from the one it replaced."""
    return np.load(file, mmap_mode="r")
