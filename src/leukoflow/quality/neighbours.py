"""All pairs of 64-bit hashes within a Hamming distance, also among a million.

Multi-index hashing (Norouzi, Punjani, Fleet 2012, doi 10.1109/CVPR.2012.6248043): two hashes at distance d agree in one
of four blocks of 16 bits up to d // 4 bits. So every block is a table, and each hash is compared with the hashes whose
block is that close; all of it in NumPy, one pattern of flipped bits at a time.
"""

from itertools import combinations

import numpy as np

BLOCKS = 4
BLOCK_BITS = 16
LARGEST_DISTANCE = 11
"""Beyond it three bits would have to be flipped in each block: 5 times the work for ever more chance pairs."""
_CHUNK = 4_000_000
"""Comparisons made at a time: bounds the memory at about 200 MB."""


def close_pairs(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs i < j of distinct hashes uint64 [n] at most `distance` (0 to 11) bits apart: int64 [2, p], uint8 [p].

    The hashes must differ from each other (see np.unique). Sorted by i, then j.
    """
    if not 0 <= distance <= LARGEST_DISTANCE:
        raise ValueError(f"distance must lie in 0 to {LARGEST_DISTANCE}, not {distance}")
    found = [np.empty((2, 0), np.int64)]
    for block in range(BLOCKS):
        keys = ((hashes >> np.uint64(block * BLOCK_BITS)) & np.uint64(0xFFFF)).astype(np.int64)
        order = np.argsort(keys, kind="stable")
        bounds = np.searchsorted(keys[order], np.arange((1 << BLOCK_BITS) + 1))
        for flip in _flips(distance // BLOCKS):
            found.extend(_compare(hashes, keys, order, bounds, flip, distance))
    pairs = np.unique(np.concatenate(found, axis=1), axis=1)
    return pairs, np.bitwise_count(hashes[pairs[0]] ^ hashes[pairs[1]]).astype(np.uint8)


def _flips(bits: int) -> list[int]:
    """Patterns of at most so many set bits in a block."""
    patterns = (each for count in range(bits + 1) for each in combinations(range(BLOCK_BITS), count))
    return [sum(1 << bit for bit in each) for each in patterns]


def _compare(
    hashes: np.ndarray, keys: np.ndarray, order: np.ndarray, bounds: np.ndarray, flip: int, distance: int
) -> list[np.ndarray]:
    """Pairs within the distance among hashes whose block differs in exactly the bits of `flip`: int64 [2, p] each."""
    # Two buckets meet once, from the lower key; inside one bucket each is compared with those after it.
    left = order if flip == 0 else order[keys[order] < (keys[order] ^ flip)]
    other = keys[left] ^ flip
    first = np.arange(1, len(order) + 1) if flip == 0 else bounds[other]
    counts = bounds[other + 1] - first
    stops = np.concatenate([[0], np.cumsum(counts)])
    found = []
    begin = 0
    while begin < len(left):
        end = max(begin + 1, int(np.searchsorted(stops, stops[begin] + _CHUNK, side="right")) - 1)
        sizes = counts[begin:end]
        i = np.repeat(left[begin:end], sizes)
        offsets = np.arange(len(i)) - np.repeat(stops[begin:end] - stops[begin], sizes)
        j = order[np.repeat(first[begin:end], sizes) + offsets]
        near = np.bitwise_count(hashes[i] ^ hashes[j]) <= distance
        found.append(np.sort(np.stack([i[near], j[near]]), axis=0))
        begin = end
    return found
