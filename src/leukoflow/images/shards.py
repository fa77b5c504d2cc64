"""Renditions on disk: uint8 arrays [n, H, W, 3], one file a shard, memory-mapped when read.

Next to each shard `NNN.npy` lies its index `NNN.parquet`, the image_id of each row.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_json, read_table, reserve
from leukoflow.core.rows import Rows, mapped
from leukoflow.core.shards import shard_files


def write_shard(path: str | Path, images: Iterable[np.ndarray], count: int, size: int) -> str:
    """Write `count` images, uint8 [size, size, 3] each, one at a time, to an .npy file that is whole or absent.

    Returns a digest of the pixels (32 hex digits).

    Raises LeukoFlowError if an image has another shape or type, or there are more or fewer than `count`.
    """
    written = 0
    digest = hashlib.blake2b(digest_size=16)
    with atomic(path) as temporary:
        rows = np.lib.format.open_memmap(temporary, "w+", np.uint8, (count, size, size, 3)) if count else None
        if rows is not None:
            reserve(temporary, path)
        for image in images:
            if image.shape != (size, size, 3) or image.dtype != np.uint8:
                actual = f"{image.dtype} {list(image.shape)}"
                raise LeukoFlowError(f"{path}: row {written} is {actual}, not uint8 {[size, size, 3]}; check the view")
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
class Shards(Rows):
    """Images of one rendition, over all its shards, in the order of the paths given."""

    shape: tuple[int, int, int]
    """H, W, 3."""
    missing = "is in no shard; delete the folder and run again"

    def gather(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The images of these rows, in their order (repeats allowed): uint8 [k, H, W, 3]. Only they are read.

        Raises IndexError for a row outside 0 to n - 1.
        """
        images = np.empty((np.size(rows), *self.shape), np.uint8)
        for path, positions, inside in self.by_file(rows):
            data = mapped(path, "a shard")
            for position, row in zip(positions, inside, strict=True):
                images[position] = data[row]
        return images


def open_view(summary: str | Path) -> Shards:
    """Open all shards of a view by its summary (`view.json`), which lies next to them."""
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
    return Shards(files, np.array(starts, np.int64), np.concatenate(identifiers), many, shape)


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
