"""Thumbnails of the images of all shards, read from their files when they are needed."""

from collections.abc import Sequence
from copy import copy
from pathlib import Path

import numpy as np

from leukoflow.core.errors import LeukoFlowError
from leukoflow.quality.hashing import THUMBNAIL

TOGETHER = 512
"""Thumbnails that are read at a time: bounds the memory."""


class Thumbnails:
    """Thumbnails of several files uint8 [n, 64, 64], memory-mapped, by one running index."""

    def __init__(self, files: Sequence[str | Path]) -> None:
        self.parts = [_mapped(file) for file in files]
        self.starts = np.concatenate([[0], np.cumsum([len(part) for part in self.parts])]).astype(np.int64)
        self.rows = np.arange(self.starts[-1])

    def only(self, rows: np.ndarray) -> "Thumbnails":
        """Some of them, in another order perhaps."""
        chosen = copy(self)
        chosen.rows = self.rows[rows]
        return chosen

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> np.ndarray:
        index = int(self.rows[index])
        part = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.parts[part][index - self.starts[part]]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Several thumbnails, uint8 [n, 64, 64]."""
        return gathered(self.parts, self.starts, self.rows[indices])


def _mapped(file: str | Path) -> np.ndarray:
    try:
        data = np.load(file, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise LeukoFlowError(f"{file}: cannot be read as thumbnails ({error}); delete it and run again") from error
    if data.dtype != np.uint8 or data.shape[1:] != (THUMBNAIL, THUMBNAIL):
        raise LeukoFlowError(
            f"{file}: holds {data.dtype} {list(data.shape)}, not uint8 [n, {THUMBNAIL}, {THUMBNAIL}]; run again"
        )
    return np.asarray(data)  # a plain view of it: indexing a memmap takes several times as long


def gathered(parts: Sequence[np.ndarray], starts: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """Some rows of arrays that follow each other; `starts` are their first rows, and the end."""
    values = np.empty((len(rows), *parts[0].shape[1:]), parts[0].dtype)
    owner = np.searchsorted(starts, rows, side="right") - 1
    order = np.argsort(owner, kind="stable")
    for some in np.split(order, np.flatnonzero(np.diff(owner[order])) + 1):
        if len(some):
            part = owner[some[0]]
            values[some] = parts[part][rows[some] - starts[part]]
    return values


def portions(rows: np.ndarray) -> list[np.ndarray]:
    """Rows, `TOGETHER` at a time."""
    return np.split(rows, range(TOGETHER, len(rows), TOGETHER))
