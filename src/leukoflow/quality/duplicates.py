"""Duplicates: the same file, the same picture, or the same picture mirrored, turned, cropped, zoomed or shifted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.quality import Quality
from leukoflow.quality.hashing import THUMBNAIL, from_hex, turned_hashes
from leukoflow.quality.neighbours import close_between, close_pairs
from leukoflow.quality.orientations import INVERSE, TURNED, laid
from leukoflow.quality.parts import Moved, correlation, moved_pairs
from leukoflow.quality.rings import FILLED, SIDE, disc, shape_of, sketches
from leukoflow.quality.search import MANY
from leukoflow.quality.similarity import similar
from leukoflow.quality.thumbnails import Thumbnails, portions

MOST_LACKING = 0.3
"""What a pair may lack to a correlation of 1, as a share of what the more symmetric of the two lacks when turned. Of
true pairs of real images it was at most 0.24, of pairs of different round cells at least 0.42."""
STEP = 60
"""Degrees between the turns that are tried."""


def plausible(
    pairs: np.ndarray, correlations: np.ndarray, thumbnails: Thumbnails, shapes: np.ndarray, known: dict[int, float]
) -> np.ndarray:
    """Whether each pair int64 [p, 2] correlates by more than symmetry explains: bool [p].

    shapes: see `rings.shape_of`. known: the symmetry of images, which is filled for those that are met.
    """
    for row in np.unique(pairs).tolist():
        if row not in known:
            known[row] = symmetry(thumbnails[row], shapes[row])
    symmetric = [max(known[a], known[b]) for a, b in pairs.tolist()]
    return np.asarray(1 - correlations <= MOST_LACKING * (1 - np.array(symmetric, float)))


def symmetry(thumbnail: np.ndarray, shape: np.ndarray) -> float:
    """Largest correlation of the details of a thumbnail uint8 [64, 64] with itself, turned or mirrored: -1 to 1."""
    picture, mask = thumbnail.astype(np.float32), disc(shape, THUMBNAIL, FILLED).astype(np.uint8)
    return max(correlation(picture, picture, mask, matrix) for matrix in _turns(shape))


def _turns(shape: np.ndarray) -> Iterable[np.ndarray]:
    middle = np.full(2, (THUMBNAIL - 1) / 2)
    for mirror in (1, -1):
        for degrees in range(STEP if mirror == 1 else 0, 360, STEP):
            cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
            linear = np.array([[mirror * cos, sin], [-mirror * sin, cos]]) * shape[None, :] / shape[:, None]
            yield np.column_stack([linear, middle - linear @ middle])


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
