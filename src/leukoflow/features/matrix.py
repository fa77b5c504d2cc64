"""Feature matrices on disk: float32 [n, D], one file a shard, memory-mapped when read.

Beside each file `NNN.npy` lies its index `NNN.parquet`, the image_id of each row (and `cell`, where rows are the cells
of images). `matrix.json` beside them says what the columns are.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from hashlib import blake2b
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_json, read_table, write_table
from leukoflow.core.shards import shard_files

BLOCK = 1024
"""Rows that are written or read at a time."""
MOST_OPEN = 128
"""Files mapped at a time; each holds a file descriptor."""


@dataclass(frozen=True)
class Matrix:
    """Rows of features over all their files, or some columns of them."""

    paths: tuple[Path, ...]
    """The .npy files, float32 [n, D]."""
    starts: np.ndarray
    """First row of each file, and the total: int64 [files + 1]."""
    image_ids: np.ndarray
    """Image id of each row: object [n]."""
    width: int
    """D, the number of features in the files."""
    many: bool = False
    """Whether an image has several rows or none, as a row is a cell."""
    columns: np.ndarray | None = None
    """Columns taken, in this order: int64 [k]; None for all."""

    def __len__(self) -> int:
        return int(self.starts[-1])

    @property
    def shape(self) -> tuple[int]:
        """Number of features."""
        return (self.width if self.columns is None else len(self.columns),)

    @cached_property
    def _rows(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, name in enumerate(self.image_ids):
            rows.setdefault(name, []).append(row)
        return rows

    def rows_of(self, image_ids: Iterable[str]) -> np.ndarray:
        """Row of each image id: int64 [k]. Raises LeukoFlowError naming the first id that has none."""
        try:
            return np.array([self._rows[name][0] for name in image_ids], np.int64)
        except KeyError as error:
            folder = self.paths[0].parent
            raise LeukoFlowError(f"{folder}: image {error} has no features; delete it and run again") from None

    def groups_of(self, image_ids: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """All rows of each image id, and to which of the ids (by position) each row belongs: int64 [m], int64 [m].

        Where `many` is false, raises LeukoFlowError for an id that has none.
        """
        if not self.many:
            rows = self.rows_of(image_ids)
            return rows, np.arange(len(rows))
        found = [self._rows.get(name, []) for name in image_ids]
        owner = np.repeat(np.arange(len(found)), [len(each) for each in found])
        return np.array([row for each in found for row in each], np.int64), owner

    def gather(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """These rows, in their order (repeats allowed): float32 [k, D]. Raises IndexError for rows beyond the end."""
        wanted = np.asarray(rows, np.int64).ravel()
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"rows must lie in 0 to {len(self) - 1}")
        found = np.empty((wanted.size, *self.shape), np.float32)
        files = np.searchsorted(self.starts, wanted, side="right") - 1
        for file in np.unique(files):
            places = np.flatnonzero(files == file)
            part = _mapped(self.paths[file])[wanted[places] - self.starts[file]]
            found[places] = part if self.columns is None else part[:, self.columns]
        return found


def open_matrix(summary: str | Path) -> tuple[Matrix, dict[str, Any]]:
    """Open all files of a matrix by its `matrix.json`, which lies beside them; and what that says."""
    summary = Path(summary)
    facts = read_json(summary)
    return open_files(shard_files(summary.parent, len(facts["shards"]))), facts


def open_files(paths: Iterable[str | Path]) -> Matrix:
    """Open .npy files with their indices. Values are read only when gathered.

    Raises LeukoFlowError naming the file that is missing, damaged, or does not fit its index or the first file.
    """
    files = tuple(Path(path) for path in paths)
    starts, identifiers, widths, many = [0], [], set(), False
    for path in files:
        array = _mapped(path)
        index = read_table(path.with_suffix(".parquet"))
        widths.add(array.shape[-1])
        if array.ndim != 2 or array.dtype != np.float32 or len(array) != len(index) or len(widths) > 1:
            found = f"{array.dtype} {list(array.shape)} for {len(index)} rows"
            raise LeukoFlowError(f"{path}: {found} does not fit its index or the other files; delete both, run again")
        many |= "cell" in index
        starts.append(starts[-1] + len(array))
        identifiers.append(index["image_id"].to_numpy(object))
    if not files:
        raise LeukoFlowError("no files of features were given; extract them first")
    return Matrix(files, np.array(starts, np.int64), np.concatenate(identifiers), int(widths.pop()), many)


def _mapped(path: Path) -> np.ndarray:
    try:
        status = path.stat()
        return _mapped_version(path, status.st_ino, status.st_mtime_ns)
    except (OSError, ValueError, EOFError) as error:
        raise LeukoFlowError(f"{path}: cannot be read as features ({error}); delete it and run again") from error


@lru_cache(maxsize=MOST_OPEN)
def _mapped_version(path: Path, inode: int, modified: int) -> np.ndarray:
    """The mapped file; inode and time tell one written again from the one it replaced."""
    try:
        return np.load(path, mmap_mode="r")
    except ValueError:
        array = np.load(path)  # a file without rows cannot be mapped
        if len(array):
            raise
        return array


def write_matrix(path: str | Path, blocks: Iterable[np.ndarray], rows: int, index: pd.DataFrame) -> str:
    """Write blocks float32 [b, D] of `rows` rows together as an .npy file that is whole or absent, and its index.

    Returns a digest of the values. Raises LeukoFlowError where there are more or fewer rows, or none at all and no
    block that tells D.
    """
    digest, written = blake2b(digest_size=16), 0
    whole: np.ndarray | None = None
    with atomic(path) as temporary:
        for block in blocks:
            block = np.ascontiguousarray(block, np.float32)
            if not rows:
                np.save(temporary, block[:0])  # an empty file cannot be mapped
                break
            if whole is None:
                whole = np.lib.format.open_memmap(temporary, "w+", np.float32, (rows, block.shape[1]))
            whole[written : written + len(block)] = block
            digest.update(block.tobytes())
            written += len(block)
        if written != rows:
            raise LeukoFlowError(
                f"{path}: {written} rows of features, {rows} expected; delete its folder and run again"
            )
        if isinstance(whole, np.memmap):
            whole.flush()
    write_table(Path(path).with_suffix(".parquet"), index)
    return digest.hexdigest()


def blocks_of(count: int, size: int = BLOCK) -> Iterator[np.ndarray]:
    """Row numbers 0 to count - 1, cut into blocks; one empty block where there are none, as it tells the columns."""
    for start in range(0, max(count, 1), size):
        yield np.arange(start, min(start + size, count))


def open_selection(folder: Path, cohort: str, wanted: int) -> tuple[Matrix, dict[str, Any]]:
    """The best ranked features of a cohort, at most `wanted`, in a selection's folder; and its `features.json`, in
    which `names` are then those of the columns taken.

    Raises LeukoFlowError where files are missing or do not belong together.
    """
    file = folder / "scaled" / f"{cohort}.npy"
    facts = read_json(folder / "features.json")
    ranking = read_table(folder / "ranking.csv", ["position", "feature"]).sort_values("position")
    place = {name: column for column, name in enumerate(facts["names"])}
    matrix = open_files([file])
    names = [str(name) for name in ranking["feature"]][:wanted]
    if matrix.shape != (len(place),) or not set(names) <= set(place):
        raise LeukoFlowError(
            f"{file}: holds other features than {folder.name} ranked; delete that folder and run again"
        )
    columns = np.array([place[name] for name in names], np.int64)
    return replace(matrix, columns=columns), {**facts, "names": names}
