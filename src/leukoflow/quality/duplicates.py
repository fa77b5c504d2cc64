"""Duplicates: the same file, the same picture, or the same picture mirrored, turned, cropped, zoomed or shifted."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.quality import Quality
from leukoflow.quality.comparison import Compared, compare
from leukoflow.quality.description import Images, describe
from leukoflow.quality.hashing import THUMBNAIL
from leukoflow.quality.orientations import INVERSE, TURNED
from leukoflow.quality.parts import Moved, correlation, moved_pairs
from leukoflow.quality.rings import FILLED, disc
from leukoflow.quality.sets import MOST_TOGETHER, Sets
from leukoflow.quality.thumbnails import Thumbnails

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


KINDS = ("identical", "near", "turned", "moved")
"""Kinds of duplicates: the same bytes; the same picture after resizing, compression or a small shift; mirrored or
turned by quarter turns; turned by another angle, cropped, zoomed or shifted."""
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


def find_duplicates(images: Images, settings: Quality, parts: int = 1) -> pd.DataFrame:
    """Pairs of duplicates among images of any number of cohorts; see `gather` for what is returned.

    parts: into how many parts the comparison is cut, which changes nothing of what is found.
    """
    described = describe(images)
    compared = Compared.joined([compare(images, described, settings, part, parts) for part in range(parts)])
    return gather(images, compared, settings)


def gather(images: Images, compared: Compared, settings: Quality) -> pd.DataFrame:
    """Pairs of duplicates, from what the comparison of all parts gave: COLUMNS, each pair once, sorted.

    `kind` is the first of KINDS that fits; `change` says in words how the second of a turned or moved pair differs;
    `hash_distance` is null for moved pairs; `correlation` is 1 for identical ones. For `labels_differ` see the function
    of that name.
    """
    digests, table, thumbnails, shapes = images.digests, images.table, images.thumbnails, images.shapes
    symmetries: dict[int, float] = {}

    def plausibly(finding: Found) -> Found:
        # What is not plausible yet may be so once it is laid better.
        return finding.take(plausible(finding.pairs, finding.correlation, thumbnails, shapes, symmetries))

    findings = [_identical(digests)]
    near = compared.near
    findings.append(plausibly(Found("near", near, _same_words(near), compared.near_distance, compared.near_alike)))
    findings.extend([plausibly(finding) for finding in _laid(findings, compared, len(images))])
    rows = images.distinct
    moved = moved_pairs(
        compared.candidates,
        thumbnails.only(rows),
        shapes[rows],
        settings,
        lambda some: _known(rows[some], findings, len(images)),
        lambda some, alike: plausible(rows[some], alike, thumbnails, shapes, symmetries),
    )
    findings.extend(list(_spread(moved, digests, rows)))
    pairs = np.concatenate([finding.pairs for finding in findings])
    columns: dict[str, Any] = {}
    for side, rows in zip("ab", pairs.T, strict=True):
        for name, column in (("cohort", "cohort"), ("image", "image_id"), ("label", "label")):
            columns[f"{name}_{side}"] = table[column].to_numpy(object)[rows]
    columns["kind"] = np.repeat(
        [finding.kind for finding in findings], [len(finding.pairs) for finding in findings]
    ).astype(object)
    columns["change"] = np.concatenate([finding.change for finding in findings])
    columns["hash_distance"] = pd.Series(np.concatenate([finding.distance for finding in findings])).astype("Int32")
    columns["correlation"] = np.concatenate([finding.correlation for finding in findings])
    result = pd.DataFrame(columns).astype({"label_a": "string", "label_b": "string"})
    result["labels_differ"] = labels_differ(result, table)
    return result[COLUMNS].iloc[np.lexsort(pairs.T[::-1])].reset_index(drop=True)


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


def _laid(findings: list[Found], compared: Compared, count: int) -> Iterator[Found]:
    """Pairs that are new, in the position in which they fit best."""
    new = ~_known(compared.turned[:, :2], findings, count)
    # Two parts may both have met a pair.
    every, first = np.unique(compared.turned[new], axis=0, return_index=True)
    alike, distances = compared.turned_alike[new][first], compared.turned_distance[new][first]
    best = np.argsort(-alike, kind="stable")
    # A pair that fits in several positions (of a round cell) is kept in the best.
    pairs, first = np.unique(np.sort(every[best, :2], axis=1), axis=0, return_index=True)
    chosen = best[first]
    positions = every[chosen, 2]
    words = np.array([TURNED[position if a < b else INVERSE[position]] for a, b, position in every[chosen]], object)
    for kind, mask in (("near", positions == 0), ("turned", positions > 0)):
        change = words[mask] if kind == "turned" else _same_words(pairs[mask])
        yield Found(kind, pairs[mask], change, distances[chosen][mask], alike[chosen][mask])


def _known(pairs: np.ndarray, findings: list[Found], count: int) -> np.ndarray:
    """Whether pairs int64 [p, 2], in any order, were found already: bool [p]."""
    ordered, earlier = np.sort(pairs, axis=1), np.concatenate([finding.pairs for finding in findings])
    return np.isin(ordered[:, 0] * count + ordered[:, 1], earlier[:, 0] * count + earlier[:, 1])


def _spread(moved: list[Moved], digests: Sets, rows: np.ndarray) -> Iterator[Found]:
    """Pairs of one image of each set of identical files, which are `rows`, as pairs of all; by kind."""
    for kind in KINDS[1:]:
        pairs, words, correlations = [np.empty((0, 2), np.int64)], [], []
        for move in moved:
            if move.kind == kind:
                one, two = (digests.rows(digests.inverse[rows[row]])[:MOST_TOGETHER] for row in move.pair)
                pairs.append(np.sort(np.stack(np.meshgrid(one, two), axis=-1).reshape(-1, 2), axis=1))
                words += [move.change] * len(pairs[-1])
                correlations += [move.correlation] * len(pairs[-1])
        nothing = np.full(len(words), np.nan)
        yield Found(kind, np.concatenate(pairs), np.array(words, object), nothing, np.array(correlations, float))
