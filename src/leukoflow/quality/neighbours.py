"""All pairs of 64-bit hashes within a Hamming distance, also among a million.

Multi-index hashing (Norouzi, Punjani, Fleet 2012, doi 10.1109/CVPR.2012.6248043): two hashes at distance d agree in one
of four blocks of 16 bits up to d // 4 bits. So every block is a table, and each hash is compared with the hashes whose
block is that close: in NumPy, one pattern of flipped bits at a time, or compiled among very many.
"""

from collections.abc import Iterator
from itertools import combinations

import numpy as np

BLOCKS = 4
BLOCK_BITS = 16
LARGEST_DISTANCE = 11
"""Beyond it three bits would have to be flipped in each block: 5 times the work for ever more chance pairs."""
COMPILED_FROM = 30_000
"""Hashes beyond which the comparisons are compiled: they are ten times as fast then, after some seconds."""
_CHUNK = 4_000_000
"""Comparisons made at a time: bounds the memory at about 200 MB."""


def close_between(queries: np.ndarray, hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs of a query uint64 [m] and a hash uint64 [n] at most `distance` (0 to 11) bits apart: their indices
    int64 [2, p], sorted, and distances uint8 [p]. Neither list may hold a value twice."""
    if len(hashes) > COMPILED_FROM:
        return _once([_compiled(queries, hashes, distance)], queries, hashes)
    parts = [np.empty((2, 0), np.int64)]
    every = np.arange(len(queries))
    for table, flip in _tables(hashes, distance):
        other = table.keys_of(queries) ^ flip
        first = table.bounds[other]
        parts += _compare(queries, hashes, every, table.order, first, table.bounds[other + 1] - first, distance)
    return _once(parts, queries, hashes)


def _compiled(queries: np.ndarray, hashes: np.ndarray, distance: int) -> np.ndarray:
    from leukoflow.quality.kernels import close_codes

    _check(distance)
    tables = Tables(hashes)
    flips = np.array(_flips(distance // BLOCKS), np.uint64)
    pairs = close_codes(
        queries, tables.codes, tables.order, tables.bounds, flips, BLOCK_BITS, distance, distance // BLOCKS
    )
    return pairs.T.astype(np.int64)


class Tables:
    """Hashes uint64 [n] in the order of each block's table [blocks, n], their rows int32, and if each key starts."""

    def __init__(self, hashes: np.ndarray) -> None:
        tables = [_Table(hashes, block) for block in range(BLOCKS)]
        self.order = np.stack([table.order.astype(np.int32) for table in tables])
        self.codes = hashes[self.order]
        self.bounds = np.stack([table.bounds for table in tables])


class _Table:
    """Hashes by the value of one block of their bits."""

    def __init__(self, hashes: np.ndarray, block: int) -> None:
        self.block = block
        self.keys = self.keys_of(hashes)
        self.order = np.argsort(self.keys, kind="stable")
        self.bounds = np.searchsorted(self.keys[self.order], np.arange((1 << BLOCK_BITS) + 1))

    def keys_of(self, hashes: np.ndarray) -> np.ndarray:
        """Values of the block int64 [n]."""
        return ((hashes >> np.uint64(self.block * BLOCK_BITS)) & np.uint64(0xFFFF)).astype(np.int64)


def _tables(hashes: np.ndarray, distance: int) -> Iterator[tuple[_Table, int]]:
    """Each block's table with each pattern of bits that may differ in it."""
    _check(distance)
    for block in range(BLOCKS):
        table = _Table(hashes, block)
        for flip in _flips(distance // BLOCKS):
            yield table, flip


def _check(distance: int) -> None:
    if not 0 <= distance <= LARGEST_DISTANCE:
        raise ValueError(f"distance must lie in 0 to {LARGEST_DISTANCE}, not {distance}")


def _flips(bits: int) -> list[int]:
    """Patterns of at most so many set bits in a block."""
    patterns = (pattern for count in range(bits + 1) for pattern in combinations(range(BLOCK_BITS), count))
    return [sum(1 << bit for bit in pattern) for pattern in patterns]


def _compare(
    queries: np.ndarray,
    hashes: np.ndarray,
    left: np.ndarray,
    order: np.ndarray,
    first: np.ndarray,
    counts: np.ndarray,
    distance: int,
) -> list[np.ndarray]:
    """Pairs within the distance, int64 [2, p] each, among the queries `left` and `counts` hashes from `first` on in the
    table's order."""
    stops = np.concatenate([[0], np.cumsum(counts)])
    parts = []
    begin = 0
    while begin < len(left):
        end = max(begin + 1, int(np.searchsorted(stops, stops[begin] + _CHUNK, side="right")) - 1)
        sizes = counts[begin:end]
        i = np.repeat(left[begin:end], sizes)
        offsets = np.arange(len(i)) - np.repeat(stops[begin:end] - stops[begin], sizes)
        j = order[np.repeat(first[begin:end], sizes) + offsets]
        near = np.bitwise_count(queries[i] ^ hashes[j]) <= distance
        parts.append(np.stack([i[near], j[near]]))
        begin = end
    return parts


def _once(parts: list[np.ndarray], queries: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    every = np.concatenate(parts, axis=1)
    keys = np.sort(every[0] * len(hashes) + every[1])
    keys = keys[np.diff(keys, prepend=-1) > 0]
    pairs = np.stack(np.divmod(keys, max(1, len(hashes))))
    return pairs, np.bitwise_count(queries[pairs[0]] ^ hashes[pairs[1]]).astype(np.uint8)
