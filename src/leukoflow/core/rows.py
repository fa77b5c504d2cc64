"""Rows over several .npy files, memory-mapped when read; next to each file `NNN.npy` its index `NNN.parquet`.

The index names the image of each row, and has a column `cell` where rows are the cells of images.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from leukoflow.core.errors import LeukoFlowError

MOST_OPEN = 128
"""Files mapped at a time; each holds a file descriptor."""


@dataclass(frozen=True)
class Rows:
    """The rows of all files, in the order of the paths."""

    paths: tuple[Path, ...]
    """The .npy files."""
    starts: np.ndarray
    """First row of each file, and the total: int64 [files + 1]."""
    image_ids: np.ndarray
    """Image id of each row: object [n]."""
    many: bool
    """Whether an image has several rows or none, as a row is a cell."""
    missing: ClassVar[str]
    """What is said of an image without a row."""

    def __len__(self) -> int:
        return int(self.starts[-1])

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
            raise LeukoFlowError(f"{self.paths[0].parent}: image {error} {self.missing}") from None

    def groups_of(self, image_ids: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """All rows of each image id, and to which of the ids (by position) each row belongs: int64 [m], int64 [m].

        Where `many` is false, raises LeukoFlowError for an id that has none.
        """
        if not self.many:
            rows = self.rows_of(image_ids)
            return rows, np.arange(len(rows))
        by_image = [self._rows.get(name, []) for name in image_ids]
        owner = np.repeat(np.arange(len(by_image)), [len(rows) for rows in by_image])
        return np.array([row for rows in by_image for row in rows], np.int64), owner

    def by_file(self, rows: Sequence[int] | np.ndarray) -> Iterator[tuple[Path, np.ndarray, np.ndarray]]:
        """Each file that holds some of these rows, which of them (positions), and where they lie in it.

        Raises IndexError for a row outside 0 to n - 1.
        """
        wanted = np.asarray(rows, np.int64).ravel()
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"rows must lie in 0 to {len(self) - 1}")
        files = np.searchsorted(self.starts, wanted, side="right") - 1
        for file in np.unique(files):
            places = np.flatnonzero(files == file)
            yield self.paths[file], places, wanted[places] - self.starts[file]


def mapped(path: Path, kind: str) -> np.ndarray:
    """The mapped array of an .npy file. Raises LeukoFlowError if it cannot be read as what it is (`kind`)."""
    try:
        status = path.stat()
        return _mapped_version(path, status.st_ino, status.st_mtime_ns)
    except (OSError, ValueError, EOFError) as error:
        raise LeukoFlowError(f"{path}: cannot be read as {kind} ({error}); delete it and run again") from error


@lru_cache(maxsize=MOST_OPEN)
def _mapped_version(path: Path, inode: int, modified: int) -> np.ndarray:
    """Inode and time tell a file written again from the one it replaced."""
    try:
        return np.load(path, mmap_mode="r")
    except ValueError:
        array = np.load(path)  # a file without rows cannot be mapped
        if len(array):
            raise
        return array
