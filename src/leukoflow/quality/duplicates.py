"""Duplicates: the same file, the same picture, or the same picture mirrored, turned, cropped, zoomed or shifted."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.quality import Quality
from leukoflow.quality.candidates import MOST_TOGETHER, Sets, close, close_to
from leukoflow.quality.hashing import from_hex, turned_hashes
from leukoflow.quality.orientations import INVERSE, TURNED, laid
from leukoflow.quality.parts import Moved, moved_pairs
from leukoflow.quality.rings import SIDE, shape_of, sketches
from leukoflow.quality.search import MANY
from leukoflow.quality.similarity import similar
from leukoflow.quality.symmetry import plausible
from leukoflow.quality.thumbnails import Thumbnails, portions

KINDS = ("identical", "near", "turned", "moved")
"""Kinds of duplicates: the same bytes; the same picture after resizing, compression or a small shift; mirrored or
turned by quarter turns; turned by another angle, cropped, zoomed or shifted."""
MOST_BOTH = 26
"""Most of the 128 bits of the hashes along and down the picture by which a copy may differ, one of which is close."""
CLOSE = 7
"""Bits by which hashes of very many images may differ: an eighth of the work of 11. Rings find most of the others."""
SKETCHED = 0.5
"""Least correlation of the sketches of such a copy; chance pairs rarely have it."""
COLUMNS = [
    *("cohort_a", "image_a", "label_a", "cohort_b", "image_b", "label_b"),
    *("kind", "change", "hash_distance", "correlation", "labels_differ"),
]


@dataclass(frozen=True)
class Found:
    """Pairs of rows i < j int64 [p, 2] of one kind."""

    kind: str
    pairs: np.ndarray
    change: np.ndarray
    """In words how the second differs from the first, object [p]; empty for identical and near pairs."""
    distance: np.ndarray
    """Bits by which their hashes differ, float64 [p], not a number for moved pairs."""
    correlation: np.ndarray
    """Of their details, float64 [p]."""

    def take(self, rows: np.ndarray) -> "Found":
        """Some of the pairs."""
        return Found(self.kind, self.pairs[rows], self.change[rows], self.distance[rows], self.correlation[rows])


def find_duplicates(images: pd.DataFrame, thumbnails: Thumbnails, settings: Quality) -> pd.DataFrame:
    """Pairs of duplicates among images of any number of cohorts.

    images: cohort, image_id, label (nullable), sha256, dhash, width, height; row k has thumbnail k. Returns COLUMNS,
    each pair once, sorted. `kind` is the first of KINDS that fits; `change` says in words how the second of a turned or
    moved pair differs; `hash_distance` is null for moved pairs; `correlation` is 1 for identical ones. For
    `labels_differ` see the function of that name.
    """
    digests = Sets(images["sha256"].to_numpy(str))
    shapes, symmetries = shape_of(*images[["width", "height"]].to_numpy(float).T), dict[int, float]()

    def plausibly(each: Found) -> Found:
        # What is not plausible yet may be so once it is laid better.
        return each.take(plausible(each.pairs, each.correlation, thumbnails, shapes, symmetries))

    found = [_identical(digests)]
    found.append(plausibly(_near(images, digests, thumbnails, settings)))
    found.extend([plausibly(each) for each in _laid(found, digests, thumbnails, settings)])
    rows = np.sort(digests.first)  # one of each set of identical files
    moved = moved_pairs(
        thumbnails.only(rows),
        shapes[rows],
        settings,
        lambda some: _known(rows[some], found, len(images)),
        lambda some, alike: plausible(rows[some], alike, thumbnails, shapes, symmetries),
    )
    found.extend(list(_spread(moved, digests, rows)))
    pairs = np.concatenate([each.pairs for each in found])
    columns: dict[str, Any] = {}
    for side, rows in zip("ab", pairs.T, strict=True):
        for name, column in (("cohort", "cohort"), ("image", "image_id"), ("label", "label")):
            columns[f"{name}_{side}"] = images[column].to_numpy(object)[rows]
    columns["kind"] = np.repeat([each.kind for each in found], [len(each.pairs) for each in found]).astype(object)
    columns["change"] = np.concatenate([each.change for each in found])
    columns["hash_distance"] = pd.Series(np.concatenate([each.distance for each in found])).astype("Int32")
    columns["correlation"] = np.concatenate([each.correlation for each in found])
    table = pd.DataFrame(columns).astype({"label_a": "string", "label_b": "string"})
    table["labels_differ"] = labels_differ(table, images)
    table = table[COLUMNS]
    return table.iloc[np.lexsort(pairs.T[::-1])].reset_index(drop=True)


def labels_differ(pairs: pd.DataFrame, images: pd.DataFrame) -> np.ndarray:
    """Whether the two images of each pair have different labels, bool [p].

    Two cohorts may call one class by two names; so across cohorts labels differ only if one of the two cohorts uses
    both names. images: cohort, label.
    """
    used = set(images[["cohort", "label"]].dropna().itertuples(index=False, name=None))
    columns = (pairs[name].tolist() for name in ("cohort_a", "label_a", "cohort_b", "label_b"))
    return np.array(
        [
            not pd.isna(one) and not pd.isna(two) and one != two and ((a, two) in used or (b, one) in used)
            for a, one, b, two in zip(*columns, strict=True)
        ],
        bool,
    )


def _same_words(pairs: np.ndarray) -> np.ndarray:
    return np.full(len(pairs), "", object)


def _identical(digests: Sets) -> Found:
    pairs = digests.pairs()
    return Found("identical", pairs, _same_words(pairs), np.zeros(len(pairs)), np.ones(len(pairs)))


def _near(images: pd.DataFrame, digests: Sets, thumbnails: Thumbnails, settings: Quality) -> Found:
    pairs, distances = close(from_hex(images["dhash"].tolist()), settings.hash_distance)
    new = digests.inverse[pairs[:, 0]] != digests.inverse[pairs[:, 1]]
    pairs, distances = pairs[new], distances[new]
    alike = similar(pairs, thumbnails, settings.correlation)
    kept = alike >= settings.correlation
    return Found("near", pairs[kept], _same_words(pairs[kept]), distances[kept].astype(float), alike[kept])


def _laid(found: list[Found], digests: Sets, thumbnails: Thumbnails, settings: Quality) -> Iterator[Found]:
    """Pairs of which one is the other mirrored or turned by quarter turns; and of those that lie alike, the ones that
    only the hash down the picture brings together."""
    hashes = np.empty((2, len(thumbnails), len(TURNED)), np.uint64)
    drawn = np.empty((len(thumbnails), SIDE // 2, SIDE // 2), np.float32)
    for rows in portions(np.arange(len(thumbnails))):
        taken = thumbnails.take(rows)
        hashes[:, rows], drawn[rows] = turned_hashes(taken), sketches(taken)
    parts = []
    many = len(thumbnails) > MANY
    distance = min(settings.hash_distance, CLOSE) if many else settings.hash_distance
    for position in range(len(TURNED)):
        if position > INVERSE[position]:
            continue  # the same pairs, the other way round
        # Along the picture, near pairs were looked for already.
        for each in hashes[: 1 if many else 2] if position else hashes[1:]:
            pairs = close_to(each[:, position], each[:, 0], distance)
            differ = np.bitwise_count(hashes[:, pairs[:, 0], position] ^ hashes[:, pairs[:, 1], 0]).sum(axis=0)
            new = digests.inverse[pairs[:, 0]] != digests.inverse[pairs[:, 1]]
            pairs = pairs[(differ <= MOST_BOTH) & new]
            if position == INVERSE[position]:
                pairs = np.sort(pairs, axis=1)
            pairs = pairs[~_known(pairs, found, len(thumbnails))]
            pairs = pairs[_sketched_alike(pairs, position, drawn)]
            parts.append(np.column_stack([pairs, np.full(len(pairs), position)]))
    every = np.unique(np.concatenate(parts), axis=0)
    # The first laid in a position is the second; so the second laid in its inverse is the first.
    alike = similar(every[:, :2], thumbnails, settings.correlation, np.array(INVERSE)[every[:, 2]])
    best = np.argsort(-alike, kind="stable")[: int((alike >= settings.correlation).sum())]
    # A pair that fits in several positions (of a round cell) is kept in the best.
    pairs, first = np.unique(np.sort(every[best, :2], axis=1), axis=0, return_index=True)
    chosen = best[first]
    one, two, positions = every[chosen].T
    words = np.array([TURNED[each if a < b else INVERSE[each]] for a, b, each in every[chosen]], object)
    distances = np.bitwise_count(hashes[:, one, positions] ^ hashes[:, two, 0]).min(axis=0).astype(float)
    for kind, own in (("near", positions == 0), ("turned", positions > 0)):
        change = words[own] if kind == "turned" else _same_words(pairs[own])
        yield Found(kind, pairs[own], change, distances[own], alike[chosen][own])


def _sketched_alike(pairs: np.ndarray, position: int, drawn: np.ndarray) -> np.ndarray:
    """Whether the sketches of pairs [p, 2] are alike once the first is laid in a position: bool [p]."""
    alike = [
        np.einsum("nij,nij->n", laid(drawn[pairs[rows, 0]], position), drawn[pairs[rows, 1]]) >= SKETCHED
        for rows in portions(np.arange(len(pairs)))
    ]
    return np.concatenate(alike)


def _known(pairs: np.ndarray, found: list[Found], count: int) -> np.ndarray:
    """Whether pairs int64 [p, 2], in any order, were found already: bool [p]."""
    ordered, earlier = np.sort(pairs, axis=1), np.concatenate([each.pairs for each in found])
    return np.isin(ordered[:, 0] * count + ordered[:, 1], earlier[:, 0] * count + earlier[:, 1])


def _spread(moved: list[Moved], digests: Sets, rows: np.ndarray) -> Iterator[Found]:
    """Pairs of one image of each set of identical files, which are `rows`, as pairs of all; by kind."""
    for kind in KINDS[1:]:
        pairs, words, correlations = [np.empty((0, 2), np.int64)], [], []
        for each in moved:
            if each.kind == kind:
                one, two = (digests.rows[digests.inverse[rows[place]]][:MOST_TOGETHER] for place in each.pair)
                pairs.append(np.sort(np.stack(np.meshgrid(one, two), axis=-1).reshape(-1, 2), axis=1))
                words += [each.change] * len(pairs[-1])
                correlations += [each.correlation] * len(pairs[-1])
        nothing = np.full(len(words), np.nan)
        yield Found(kind, np.concatenate(pairs), np.array(words, object), nothing, np.array(correlations, float))
