"""Search for pictures that show the same part of a field: turned by any angle, mirrored, cropped, zoomed or shifted.

The disc in the middle of each picture is compared with many windows of every other picture. Principal components of
what no turn changes, whitened, are compared by their cosine; candidates for that come from hash tables of their signs,
in which the least certain bits are tried both ways (multi-probe hashing: Lv et al. 2007, VLDB).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from leukoflow.quality.hashing import THUMBNAIL
from leukoflow.quality.rings import (
    FEW,
    FILLED,
    PLAIN,
    RINGS,
    SIDE,
    WAVES,
    WINDOWS,
    Sampler,
    aligned,
    details,
    disc,
    symmetry,
    unchanging,
)
from leukoflow.quality.thumbnails import Thumbnails

BLOCKS, BLOCK_BITS = 4, 16
BITS = BLOCKS * BLOCK_BITS
MANY = 30_000
"""Images beyond which fewer windows and fewer bits are tried."""
UNSURE, UNSURE_OF_MANY = 5, 4
"""Bits of a block that are tried both ways."""
MOST_IN_BUCKET = 64
FARTHEST = 20
"""Most of the 64 bits by which a candidate may differ."""
COSINE, ALIGNED = 0.65, 0.60
"""Least cosine of the components, and least correlation of the rings in the best position, of a candidate."""
MOST_DOUBT = 0.6
"""Of a candidate: a round cell is as like another as it is like itself when turned, and that says little."""
MOST_CANDIDATES = 20
"""Candidates kept for each image, on average, those with the least doubt."""
SAMPLE = 4096
"""Discs from which the principal components are taken."""
CHUNK = 2048
"""Images that are compared at a time: bounds the memory."""


@dataclass(frozen=True)
class Candidates:
    """Pairs of images [p] of which the second may be a part of the first, and how they lie."""

    whole: np.ndarray
    part: np.ndarray
    window: np.ndarray
    """Index of the window of the first that the second shows."""
    angle: np.ndarray
    """Radians."""
    mirrored: np.ndarray
    doubt: np.ndarray
    """What the rings lack to a correlation of 1, as a share of what the second lacks when it is turned."""

    def __len__(self) -> int:
        return len(self.whole)

    def take(self, rows: np.ndarray) -> "Candidates":
        """Some of the pairs."""
        return Candidates(*(getattr(self, name)[rows] for name in self.names()))

    @staticmethod
    def names() -> tuple[str, ...]:
        """Names of the columns."""
        return ("whole", "part", "window", "angle", "mirrored", "doubt")

    def matrix(self, row: int, shapes: np.ndarray) -> np.ndarray:
        """Affine matrix float64 [2, 3] from pixels of the part's thumbnail to those of the whole's.

        shapes: half width and height of each image over half its shorter side [n, 2].
        """
        window, angle = WINDOWS[self.window[row]], float(self.angle[row])
        cos, sin = np.cos(angle), np.sin(angle)
        turn = np.array([[cos, sin], [-sin, cos]])
        if self.mirrored[row]:
            turn = np.array([[cos, sin], [sin, -cos]])
        outer, inner = shapes[self.whole[row]], shapes[self.part[row]]
        linear = turn * window.scale * inner[None, :] / outer[:, None]
        middle, half = (THUMBNAIL - 1) / 2, THUMBNAIL / 2
        centre = middle + half * np.array([window.x, window.y])
        return np.column_stack([linear, centre - linear @ np.full(2, middle)])


class _Tables:
    """Hash tables of the signs of components float32 [n, 64]."""

    def __init__(self, components: np.ndarray) -> None:
        self.codes, self.unsure = _codes(components), UNSURE_OF_MANY if len(components) > MANY else UNSURE
        self.orders, self.bounds = [], []
        for block in range(BLOCKS):
            keys = _keys(self.codes, block)
            self.orders.append(np.argsort(keys, kind="stable").astype(np.int32))
            self.bounds.append(np.searchsorted(keys[self.orders[-1]], np.arange((1 << BLOCK_BITS) + 1)))

    def near(self, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of queries float32 [m, 64] and members of the tables that may be alike: int64 [p] each, once."""
        codes, found = _codes(components), []
        for block, (order, bounds) in enumerate(zip(self.orders, self.bounds, strict=True)):
            certain = np.abs(components[:, block * BLOCK_BITS : (block + 1) * BLOCK_BITS])
            unsure = np.argpartition(certain, self.unsure, axis=1)[:, : self.unsure]
            flips = (1 << unsure) @ np.array(list(product((0, 1), repeat=self.unsure))).T
            keys = (_keys(codes, block)[:, None] ^ flips).ravel()
            first = bounds[keys]
            counts = np.minimum(bounds[keys + 1] - first, MOST_IN_BUCKET)
            query = np.repeat(np.arange(len(codes)).repeat(flips.shape[1]), counts)
            within = np.arange(len(query)) - np.repeat(np.cumsum(counts) - counts, counts)
            member = order[np.repeat(first, counts) + within]
            close = np.bitwise_count(codes[query] ^ self.codes[member]) <= FARTHEST
            found.append(query[close] * len(self.codes) + member[close])
        pairs = np.unique(np.concatenate(found))
        return pairs // len(self.codes), pairs % len(self.codes)


def _codes(components: np.ndarray) -> np.ndarray:
    bits = np.packbits(components > 0, axis=1, bitorder="little")
    return np.ascontiguousarray(bits).view("<u8").ravel()


def _keys(codes: np.ndarray, block: int) -> np.ndarray:
    return ((codes >> np.uint64(block * BLOCK_BITS)) & np.uint64(0xFFFF)).astype(np.int64)


def search(thumbnails: Thumbnails, shapes: np.ndarray) -> Candidates:
    """Candidates among images of some shapes [n, 2] (see `shape_of`): each pair of whole and part once, in its best
    position, and no more than `MOST_CANDIDATES` for each image on average."""
    sampler = Sampler(shapes)
    own = _middles(thumbnails, sampler)
    mean, axes = _components(thumbnails, sampler)

    def components(rings: np.ndarray) -> np.ndarray:
        values = (unchanging(rings) - mean) @ axes
        return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6))

    members = np.concatenate([components(own[rows]) for rows in _chunks(len(own))])
    tables = _Tables(members)
    lacking = np.concatenate([1 - symmetry(own[rows]) for rows in _chunks(len(own))])
    windows = FEW if len(own) > MANY else tuple(range(len(WINDOWS)))
    best: list[Candidates] = []
    for rows in _chunks(len(own)):
        taken = thumbnails.take(rows)
        pictures = {scale: details(taken, scale) for scale in {WINDOWS[window].scale for window in windows}}
        found: list[Candidates] = []
        for window in windows:
            rings = sampler.rings(pictures[WINDOWS[window].scale], rows, window)
            values = components(rings)
            query, member = tables.near(values)
            alike = (rows[query] != member) & (np.einsum("ij,ij->i", values[query], members[member]) >= COSINE)
            query, member = query[alike], member[alike]
            correlation, angle, mirrored = aligned(rings[query], own[member])
            doubt = (1 - correlation) / np.maximum(lacking[member], 1e-3)
            kept = (correlation >= ALIGNED) & (doubt <= MOST_DOUBT)
            columns = (rows[query], member, np.full(len(query), window), angle, mirrored, doubt)
            found.append(Candidates(*(column[kept] for column in columns)))
        best.append(_best(found, MOST_CANDIDATES * len(rows)))
    return _joined(best)


def _chunks(count: int) -> list[np.ndarray]:
    return np.split(np.arange(count), range(CHUNK, count, CHUNK))


def _middles(thumbnails: Thumbnails, sampler: Sampler) -> np.ndarray:
    """Rings of the middle of each picture, float32 [n, 2, rings, waves + 1], from the disc alone: its corners may be
    filled."""
    rings = np.empty((len(thumbnails), 2, RINGS, WAVES + 1), np.float32)
    for rows in _chunks(len(thumbnails)):
        for kind in np.unique(sampler.kinds[rows]):
            some = rows[sampler.kinds[rows] == kind]
            mask = disc(sampler.shapes[kind], SIDE, FILLED).astype(np.float32)
            rings[some] = sampler.rings(details(thumbnails.take(some), within=mask), some, PLAIN)
    return rings


def _components(thumbnails: Thumbnails, sampler: Sampler) -> tuple[np.ndarray, np.ndarray]:
    """Mean of the unchanging values, and their whitened principal axes float32 [values, 64], over a sample of windows
    of all pictures: of few images as well there are enough."""
    every = len(thumbnails) * len(WINDOWS)
    chosen = np.unique(np.linspace(0, every - 1, min(SAMPLE, every)).astype(np.int64))
    rows, windows = chosen // len(WINDOWS), chosen % len(WINDOWS)
    parts = []
    for some in np.split(np.arange(len(chosen)), range(CHUNK, len(chosen), CHUNK)):
        taken = thumbnails.take(rows[some])
        for window in np.unique(windows[some]).tolist():
            own = windows[some] == window
            pictures = details(taken[own], WINDOWS[window].scale)
            parts.append(unchanging(sampler.rings(pictures, rows[some][own], window)))
    values = np.concatenate(parts)
    mean = values.mean(axis=0)
    _, sizes, axes = np.linalg.svd(values - mean, full_matrices=False)
    deviation = np.maximum(sizes[:BITS] / np.sqrt(len(values)), 1e-3)
    kept = np.zeros((values.shape[1], BITS), np.float32)
    kept[:, : len(deviation)] = (axes[:BITS] / deviation[:, None]).T
    return mean, kept


def _best(found: list[Candidates], most: int) -> Candidates:
    """Each pair once, with the least doubt; of very many pairs those with the least."""
    every = _joined(found)
    order = np.lexsort((every.doubt, every.part, every.whole))
    whole, part = every.whole[order], every.part[order]
    first = np.ones(len(order), bool)
    first[1:] = (whole[1:] != whole[:-1]) | (part[1:] != part[:-1])
    rows = order[first]
    return every.take(rows[np.argsort(every.doubt[rows], kind="stable")[:most]])


def _joined(parts: list[Candidates]) -> Candidates:
    return Candidates(*(np.concatenate([getattr(part, name) for part in parts]) for name in Candidates.names()))
