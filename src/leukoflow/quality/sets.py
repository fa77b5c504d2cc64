"""Rows that share a value, and pairs of rows whose values are alike."""

import numpy as np

MOST_TOGETHER = 32
"""In a larger set of images with one hash (blank fields, say) each is compared with the first alone."""


class Sets:
    """Distinct values of labels or hashes [n], sorted, and the rows that have each, ascending."""

    def __init__(self, values: np.ndarray) -> None:
        self.order = np.argsort(values, kind="stable")
        ordered = values[self.order]
        begins = np.ones(len(values), bool)
        begins[1:] = ordered[1:] != ordered[:-1]
        starts = np.flatnonzero(begins)
        self.values, self.first = ordered[starts], self.order[starts]
        self.starts, self.counts = starts, np.diff(starts, append=len(values))
        self.inverse = np.empty(len(values), np.int64)
        """Place of each row's value."""
        self.inverse[self.order] = np.cumsum(begins) - 1
        self.rank = np.empty(len(values), np.int64)
        """How many rows before each have its value."""
        self.rank[self.order] = np.arange(len(values)) - np.repeat(starts, self.counts)

    def rows(self, index: int) -> np.ndarray:
        """Rows that have a value."""
        return self.order[self.starts[index] : self.starts[index] + self.counts[index]]

    def pairs(self, begin: int = 0, end: int | None = None) -> np.ndarray:
        """Pairs of rows i < j with one value, j from `begin` to `end`: int64 [p, 2]; in a very large set only those
        with its first row."""
        rows = np.arange(begin, len(self.order) if end is None else end)
        rows = rows[self.rank[rows] > 0]
        index = self.inverse[rows]
        sizes = np.where(self.counts[index] <= MOST_TOGETHER, self.rank[rows], 1)
        return np.stack([self.order[_runs(self.starts[index], sizes)], np.repeat(rows, sizes)], axis=1)


def spread(one: Sets, two: Sets, places: np.ndarray) -> np.ndarray:
    """Pairs of rows of two sets whose values are at `places` int64 [2, p]: int64 [q, 2]; of a very large set only the
    first rows."""
    ones, twos = (np.minimum(sets.counts[index], MOST_TOGETHER) for sets, index in zip((one, two), places, strict=True))
    left = _runs(one.starts[places[0]], ones)
    sizes = np.repeat(twos, ones)
    right = _runs(np.repeat(two.starts[places[1]], ones), sizes)
    return np.stack([np.repeat(one.order[left], sizes), two.order[right]], axis=1)


def _runs(starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Runs of consecutive numbers, one after the other."""
    before = np.cumsum(sizes) - sizes
    return np.repeat(starts - before, sizes) + np.arange(int(sizes.sum()))
