"""Pairs of images whose hashes are equal or close, without the square of many images with one hash."""

from itertools import combinations

import numpy as np

from leukoflow.quality.neighbours import close_between, close_pairs

MOST_TOGETHER = 32
"""In a larger set of images with one hash (blank fields, say) each is compared with the first alone."""


class Sets:
    """Distinct values of labels or hashes [n], and the rows that have each."""

    def __init__(self, values: np.ndarray) -> None:
        self.values, self.first, self.inverse, self.counts = np.unique(
            values, return_index=True, return_inverse=True, return_counts=True
        )
        order = np.argsort(self.inverse, kind="stable")
        self.rows = np.split(order, np.cumsum(self.counts)[:-1])

    def pairs(self) -> np.ndarray:
        """Pairs of rows i < j with one value: int64 [p, 2]; in a very large set only those with its first row."""
        found: list[tuple[int, int]] = []
        for place in np.flatnonzero(self.counts > 1):
            rows = self.rows[place].tolist()
            if len(rows) <= MOST_TOGETHER:
                found.extend(combinations(rows, 2))
            else:
                found.extend((rows[0], other) for other in rows[1:])
        return np.array(found, np.int64).reshape(-1, 2)


def close(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs i < j of images whose hashes uint64 [n] are close: int64 [p, 2], and their distances [p]."""
    sets = Sets(hashes)
    equal = sets.pairs()
    between = across(sets, sets, close_pairs(sets.values, distance)[0])
    pairs = np.concatenate([equal, np.sort(between, axis=1)])
    return pairs, np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]])


def close_to(queries: np.ndarray, hashes: np.ndarray, distance: int) -> np.ndarray:
    """Pairs of images whose query uint64 [n] is close to the other's hash uint64 [n]: int64 [p, 2], query first."""
    one, two = Sets(queries), Sets(hashes)
    return across(one, two, close_between(one.values, two.values, distance)[0])


def across(one: Sets, two: Sets, places: np.ndarray) -> np.ndarray:
    """Pairs of rows of two sets whose values are at `places` int64 [2, p]: int64 [q, 2]; of a very large set only the
    first rows."""
    # Nearly all hashes are those of one image.
    single = (one.counts[places[0]] == 1) & (two.counts[places[1]] == 1)
    parts = [np.stack([one.first[places[0, single]], two.first[places[1, single]]], axis=1)]
    for a, b in places[:, ~single].T.tolist():
        grid = np.meshgrid(one.rows[a][:MOST_TOGETHER], two.rows[b][:MOST_TOGETHER], indexing="ij")
        parts.append(np.stack(grid, axis=-1).reshape(-1, 2))
    return np.concatenate(parts)
