"""Search for pictures that show the same part of a field: turned by any angle, mirrored, cropped, zoomed or shifted.

The disc in the middle of each picture is compared with many windows of every other picture. Principal components of
what no turn changes, whitened, are compared by their cosine; candidates for that come from hash tables of their signs,
in which the least certain bits are tried both ways (multi-probe hashing: Lv et al. 2007, VLDB).
"""

from dataclasses import dataclass
from itertools import product

import numpy as np

from leukoflow.quality.hashing import THUMBNAIL
from leukoflow.quality.neighbours import BLOCK_BITS, BLOCKS, COMPILED_FROM, Tables
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
    aligned_pairs,
    details,
    disc,
    symmetry,
    unchanging,
)
from leukoflow.quality.thumbnails import Thumbnails

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
        return Candidates(*(getattr(self, name)[rows] for name in _KINDS))

    @staticmethod
    def joined(parts: list["Candidates"]) -> "Candidates":
        """All pairs of several lists, in their order."""
        return _joined(parts)

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


class _Buckets:
    """Hash tables of the signs of components float32 [n, 64]."""

    def __init__(self, components: np.ndarray, compiled: bool) -> None:
        self.components, self.compiled = components, compiled
        self.codes, self.unsure = _codes(components), UNSURE_OF_MANY if len(components) > MANY else UNSURE
        self.tables = Tables(self.codes)

    def near(self, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pairs of queries float32 [m, 64] and members of the tables whose cosine is large: int64 [p] each, once."""
        query, member = self._met_quickly(components) if self.compiled else self._met(components)
        # Compiled or not, the same sums decide.
        alike = np.einsum("ij,ij->i", components[query], self.components[member]) >= COSINE
        return query[alike], member[alike]

    def _met_quickly(self, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        from leukoflow.quality.kernels import alike_codes

        tables = self.tables
        pairs = alike_codes(
            *(components, _codes(components), tables.codes, tables.order, tables.bounds, self.components),
            *(BLOCK_BITS, self.unsure, MOST_IN_BUCKET, FARTHEST, COSINE - 1e-4),
        )
        return self._once(pairs[:, 0].astype(np.int64) * len(self.codes) + pairs[:, 1])

    def _met(self, components: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        codes, pairs = _codes(components), []
        for block, (order, bounds) in enumerate(zip(self.tables.order, self.tables.bounds, strict=True)):
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
            pairs.append(query[close] * len(self.codes) + member[close])
        return self._once(np.concatenate(pairs))

    def _once(self, keys: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        keys = np.sort(keys)
        pairs = np.divmod(keys[np.diff(keys, prepend=-1) > 0], len(self.codes))
        return pairs[0], pairs[1]


def _codes(components: np.ndarray) -> np.ndarray:
    bits = np.packbits(components > 0, axis=1, bitorder="little")
    return np.ascontiguousarray(bits).view("<u8").ravel()


def _keys(codes: np.ndarray, block: int) -> np.ndarray:
    return ((codes >> np.uint64(block * BLOCK_BITS)) & np.uint64(0xFFFF)).astype(np.int64)


def search(
    thumbnails: Thumbnails, shapes: np.ndarray, middle_rings: np.ndarray, lacking: np.ndarray, span: slice | None = None
) -> Candidates:
    """Candidates among images of some shapes [n, 2] (see `shape_of`): each pair of whole and part once, in its best
    position, and no more than `MOST_CANDIDATES` for each image on average.

    middle_rings, lacking: of all images, see `middles`. span: the wholes, from one multiple of `CHUNK` to another; all
    if none is given.
    """
    compiled = len(middle_rings) > COMPILED_FROM
    sampler = Sampler(shapes)
    mean, axes = _components(thumbnails, sampler)

    def components(rings: np.ndarray) -> np.ndarray:
        values = (unchanging(rings, compiled) - mean) @ axes
        return np.asarray(values / np.maximum(np.linalg.norm(values, axis=1, keepdims=True), 1e-6))

    buckets = _Buckets(np.concatenate([components(middle_rings[rows]) for rows in chunks(len(middle_rings))]), compiled)
    windows = FEW if len(middle_rings) > MANY else tuple(range(len(WINDOWS)))
    best = [_joined([])]
    for rows in filter(len, chunks(len(middle_rings), span)):
        taken = thumbnails.take(rows)
        pictures = {scale: details(taken, scale) for scale in {WINDOWS[window].scale for window in windows}}
        candidates: list[Candidates] = []
        for window in windows:
            rings = sampler.rings(pictures[WINDOWS[window].scale], rows, window)
            query, member = buckets.near(components(rings))
            other = rows[query] != member
            query, member = query[other], member[other]
            if compiled:
                correlation, angle, mirrored = aligned_pairs(rings, middle_rings, np.stack([query, member], axis=1))
            else:
                correlation, angle, mirrored = aligned(rings[query], middle_rings[member])
            doubt = (1 - correlation) / np.maximum(lacking[member], 1e-3)
            kept = (correlation >= ALIGNED) & (doubt <= MOST_DOUBT)
            columns = (rows[query], member, np.full(len(query), window), angle, mirrored, doubt)
            candidates.append(Candidates(*(column[kept] for column in columns)))
        best.append(_best(candidates, MOST_CANDIDATES * len(rows)))
    return _joined(best)


def middles(thumbnails: Thumbnails, shapes: np.ndarray, span: slice | None = None) -> tuple[np.ndarray, np.ndarray]:
    """Rings of the middle of each picture, float32 [n, 2, rings, waves + 1], and what they lack to a correlation of 1
    with themselves when turned, float32 [n]: of all pictures, or of a span of them."""
    rings = _middles(thumbnails, Sampler(shapes), span)
    return rings, np.concatenate([1 - symmetry(rings[rows]) for rows in chunks(len(rings))])


def chunks(count: int, span: slice | None = None) -> list[np.ndarray]:
    """The numbers below `count`, or those of a span, `CHUNK` at a time."""
    begin, end, _ = (span or slice(None)).indices(count)
    return np.split(np.arange(begin, end), range(CHUNK, end - begin, CHUNK))


def _middles(thumbnails: Thumbnails, sampler: Sampler, span: slice | None) -> np.ndarray:
    """From the disc in the middle alone: the corners may be filled."""
    begin, end, _ = (span or slice(None)).indices(len(thumbnails))
    rings = np.empty((end - begin, 2, RINGS, WAVES + 1), np.float32)
    for rows in chunks(len(thumbnails), span):
        for kind in np.unique(sampler.kinds[rows]):
            some = rows[sampler.kinds[rows] == kind]
            mask = disc(sampler.shapes[kind], SIDE, FILLED).astype(np.float32)
            rings[some - begin] = sampler.rings(details(thumbnails.take(some), within=mask), some, PLAIN)
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
            mask = windows[some] == window
            pictures = details(taken[mask], WINDOWS[window].scale)
            parts.append(unchanging(sampler.rings(pictures, rows[some][mask], window)))
    values = np.concatenate(parts)
    mean = values.mean(axis=0)
    _, sizes, axes = np.linalg.svd(values - mean, full_matrices=False)
    deviation = np.maximum(sizes[:BITS] / np.sqrt(len(values)), 1e-3)
    kept = np.zeros((values.shape[1], BITS), np.float32)
    kept[:, : len(deviation)] = (axes[:BITS] / deviation[:, None]).T
    return mean, kept


def _best(parts: list[Candidates], most: int) -> Candidates:
    """Each pair once, with the least doubt; of very many pairs those with the least."""
    every = _joined(parts)
    order = np.lexsort((every.doubt, every.part, every.whole))
    whole, part = every.whole[order], every.part[order]
    first = np.ones(len(order), bool)
    first[1:] = (whole[1:] != whole[:-1]) | (part[1:] != part[:-1])
    rows = order[first]
    return every.take(rows[np.argsort(every.doubt[rows], kind="stable")[:most]])


def _joined(parts: list[Candidates]) -> Candidates:
    columns = ([getattr(part, name) for part in parts] for name in _KINDS)
    return Candidates(
        *(
            np.concatenate([np.empty(0, kind), *arrays]).astype(kind)
            for kind, arrays in zip(_KINDS.values(), columns, strict=True)
        )
    )


_KINDS = {
    **{"whole": np.int32, "part": np.int32, "window": np.uint8},
    **{"angle": np.float64, "mirrored": np.bool_, "doubt": np.float32},
}
"""Columns of candidates and their types."""
