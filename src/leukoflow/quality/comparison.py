"""Comparison of a part of the images with all: pairs that are alike, and candidates for parts of one field.

Every pair belongs to one part, so that parts can be compared by jobs of their own and give what one job would.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from leukoflow.config.quality import Quality
from leukoflow.core.files import atomic
from leukoflow.quality.description import Description, Images, load_arrays, part_span
from leukoflow.quality.hashing import from_hex
from leukoflow.quality.neighbours import COMPILED_FROM, close_between
from leukoflow.quality.orientations import INVERSE, TURNED, laid
from leukoflow.quality.search import MANY, Candidates, search
from leukoflow.quality.sets import MOST_TOGETHER, Sets, spread
from leukoflow.quality.similarity import possible, similar
from leukoflow.quality.thumbnails import portions

MOST_BOTH = 26
"""Most of the 128 bits of the hashes along and down the picture by which a copy may differ, one of which is close."""
CLOSE = 7
"""Bits by which hashes of very many images may differ: an eighth of the work of 11. Rings find most of the others."""
SKETCHED = 0.5
"""Least correlation of the sketches of such a copy; chance pairs rarely have it."""


@dataclass(frozen=True)
class Compared:
    """Pairs that a part gave, or all parts."""

    near: np.ndarray
    """Pairs i < j of rows that lie alike, int64 [p, 2], with the bits by which their hashes differ, and the correlation
    of their details, float64 [p]."""
    near_distance: np.ndarray
    near_alike: np.ndarray
    turned: np.ndarray
    """Pairs of rows and the position in which the first is the second, int64 [p, 3]; with more than one position of a
    pair perhaps, and pairs that are identical or near besides."""
    turned_distance: np.ndarray
    turned_alike: np.ndarray
    candidates: Candidates
    """Of distinct images, by their places among these."""

    def save(self, path: Path) -> None:
        """Write them."""
        columns: dict[str, Any] = {name: getattr(self, name) for name in _PAIRS}
        with atomic(path) as temporary:
            np.savez(temporary, **columns, **vars(self.candidates))

    @classmethod
    def load(cls, paths: Sequence[Path]) -> "Compared":
        """What all parts gave, in order. LeukoFlowError for a damaged file."""
        parts = []
        for path in paths:
            columns = load_arrays(path)
            pairs = {name: columns.pop(name) for name in _PAIRS}
            parts.append(cls(**pairs, candidates=Candidates(**columns)))
        return cls.joined(parts)

    @classmethod
    def joined(cls, parts: Sequence["Compared"]) -> "Compared":
        """What several parts gave, in order."""
        columns = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _PAIRS}
        return cls(**columns, candidates=Candidates.joined([part.candidates for part in parts]))


_PAIRS = tuple(name for name in Compared.__annotations__ if name != "candidates")


def compare(images: Images, described: Description, settings: Quality, part: int = 0, parts: int = 1) -> Compared:
    """Compare a part of the images with all. described: all images."""
    span = part_span(len(images), part, parts)
    distinct = images.distinct
    return Compared(
        *_near(images, described, settings, span),
        *_turned(images, described, settings, span),
        search(
            images.thumbnails.only(distinct),
            images.shapes[distinct],
            described.rings,
            described.lacking,
            part_span(len(distinct), part, parts),
        ),
    )


def close(hashes: np.ndarray, distance: int, span: slice | None = None) -> np.ndarray:
    """Pairs i < j of images whose hashes uint64 [n] are close, j in the span: int64 [p, 2]."""
    begin, end, _ = (span or slice(None)).indices(len(hashes))
    sets = Sets(hashes)
    between = _between(sets, sets, begin, end, distance)
    new = (between[:, 0] < between[:, 1]) & (hashes[between[:, 0]] != hashes[between[:, 1]])
    return np.concatenate([sets.pairs(begin, end), between[new]])


def _between(ones: Sets, sets: Sets, begin: int, end: int, distance: int) -> np.ndarray:
    """Pairs of rows whose values in the one and the other list are close, those of the other from `begin` to `end`:
    int64 [p, 2]; of very large sets the first rows."""
    rows = np.arange(begin, end)
    rows = rows[sets.rank[rows] < MOST_TOGETHER]
    part = Sets(sets.values[sets.inverse[rows]])
    places = close_between(part.values, ones.values, distance)[0]
    pairs = spread(part, ones, places)
    return np.stack([pairs[:, 1], rows[pairs[:, 0]]], axis=1)


def _near(
    images: Images, described: Description, settings: Quality, span: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    hashes, digests = from_hex(images.table["dhash"].tolist()), images.digests
    pairs = close(hashes, settings.hash_distance, span)
    pairs = pairs[digests.inverse[pairs[:, 0]] != digests.inverse[pairs[:, 1]]]
    if len(images) > COMPILED_FROM:
        pairs = pairs[possible(pairs, described.coarse, images.thumbnails, settings.correlation)]
    alike = similar(pairs, images.thumbnails, settings.correlation)
    kept = alike >= settings.correlation
    pairs = pairs[kept]
    return pairs, np.bitwise_count(hashes[pairs[:, 0]] ^ hashes[pairs[:, 1]]).astype(float), alike[kept]


def _turned(
    images: Images, described: Description, settings: Quality, span: slice
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Pairs of which one is the other mirrored or turned by quarter turns; and of those that lie alike, the ones that
    only the hash down the picture brings together."""
    hashes, digests = described.hashes, images.digests
    many = len(images) > MANY
    distance = min(settings.hash_distance, CLOSE) if many else settings.hash_distance
    plain = [Sets(codes[:, 0]) for codes in hashes]
    parts = []
    for position in range(len(TURNED)):
        if position > INVERSE[position]:
            continue  # the same pairs, the other way round
        # Along the picture, near pairs are looked for already.
        for kind in range(1 if many else 2) if position else (1,):
            ones = Sets(hashes[kind][:, position]) if position else plain[kind]
            pairs = _between(ones, plain[kind], span.start, span.stop, distance)
            differ = np.bitwise_count(hashes[:, pairs[:, 0], position] ^ hashes[:, pairs[:, 1], 0]).sum(axis=0)
            new = digests.inverse[pairs[:, 0]] != digests.inverse[pairs[:, 1]]
            pairs = pairs[(differ <= MOST_BOTH) & new]
            if position == INVERSE[position]:
                pairs = np.sort(pairs, axis=1)
            pairs = pairs[_sketched_alike(pairs, position, described)]
            parts.append(np.column_stack([pairs, np.full(len(pairs), position)]))
    every = np.unique(np.concatenate(parts), axis=0)
    # The first laid in a position is the second; so the second laid in its inverse is the first.
    alike = similar(every[:, :2], images.thumbnails, settings.correlation, np.array(INVERSE)[every[:, 2]])
    every, alike = every[alike >= settings.correlation], alike[alike >= settings.correlation]
    one, two, positions = every.T
    distances = np.bitwise_count(hashes[:, one, positions] ^ hashes[:, two, 0]).min(axis=0).astype(float)
    return every, distances, alike


def _sketched_alike(pairs: np.ndarray, position: int, described: Description) -> np.ndarray:
    """Whether the sketches of pairs [p, 2] are alike once the first is laid in a position: bool [p]."""
    alike = [
        np.einsum("nij,nij->n", laid(described.sketched(pairs[rows, 0]), position), described.sketched(pairs[rows, 1]))
        >= SKETCHED
        for rows in portions(np.arange(len(pairs)))
    ]
    return np.concatenate(alike)
