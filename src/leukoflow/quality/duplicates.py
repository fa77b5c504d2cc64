"""Duplicates: the same file, or the same picture after resizing, recompression or a small shift."""

from collections.abc import Sequence
from itertools import combinations
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from numpy.lib.stride_tricks import sliding_window_view

from leukoflow.config.quality import Quality
from leukoflow.core.errors import LeukoFlowError
from leukoflow.quality.hashing import THUMBNAIL, from_hex
from leukoflow.quality.neighbours import close_pairs

SHIFT = 4
"""Largest shift either way, pixels of the thumbnail, that is tried."""
COARSE, FINE = 5.0, 0.7
"""Standard deviations, pixels of the thumbnail, of the Gaussians that bound the details compared."""
MOST_TOGETHER = 32
"""In a larger set of images with one hash (blank fields, say) each is compared with the first alone."""
TOGETHER = 512
"""Thumbnails that are compared with one at a time: bounds the memory."""
INNER = THUMBNAIL - 2 * SHIFT
MIDDLE = slice(SHIFT, -SHIFT)
ROUNDING = 0.005
"""Of a bound, half of whose numbers have 16 bits."""

COLUMNS = ["cohort_a", "image_a", "cohort_b", "image_b", "kind", "hash_distance", "correlation"]


def correlations(thumbnails: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Largest Pearson correlation of each thumbnail uint8 [n, 64, 64] with another [64, 64] over shifts of up to 4
    pixels: float64 [n], -1 to 1, 0 where one is flat.

    Taken on details: what is coarser than `COARSE` is removed first, or any two single cells in the middle of their
    pictures would be alike; what is finer than `FINE` as well, so that a refocused picture still meets its like.
    """
    if other.std() < 1:
        return np.zeros(len(thumbnails))
    details = _details(other[None], _FINELY, _COARSELY)[0]
    inner = _details(thumbnails, _FINELY[MIDDLE], _COARSELY[MIDDLE])
    found = [cv2.matchTemplate(details, each, cv2.TM_CCOEFF_NORMED).max() for each in inner]
    values = thumbnails[:, MIDDLE, MIDDLE].reshape(len(thumbnails), -1).astype(np.float32)
    deviation = np.einsum("ij,ij->i", values, values) / values.shape[1] - values.mean(axis=1, dtype=np.float64) ** 2
    return np.where(deviation >= 1, np.clip(np.array(found, np.float64), -1, 1), 0)


def _blur(deviation: float) -> np.ndarray:
    """Matrix float32 [64, 64] that blurs the columns of a thumbnail by a Gaussian."""
    kernel = cv2.getGaussianKernel(round(8 * deviation) | 1, deviation)
    return cv2.sepFilter2D(np.eye(THUMBNAIL, dtype=np.float32), -1, np.ones(1), kernel)


def _details(thumbnails: np.ndarray, finely: np.ndarray, coarsely: np.ndarray) -> np.ndarray:
    """What lies between `COARSE` and `FINE`, in the rows and columns of the two blurs [k, 64]: float32 [n, k, k]."""
    # As products of matrices: of many thumbnails at once these are faster than filters.
    rows = thumbnails.astype(np.float32).reshape(-1, THUMBNAIL)
    fine, coarse = ((rows @ each.T).reshape(len(thumbnails), THUMBNAIL, -1) for each in (finely, coarsely))
    return finely @ fine - coarsely @ coarse


_FINELY = _blur(FINE)
_COARSELY = _FINELY @ _blur(COARSE)


class Thumbnails:
    """Thumbnails of several files uint8 [n, 64, 64], memory-mapped, by one running index."""

    def __init__(self, files: Sequence[str | Path]) -> None:
        self.parts = [_mapped(each) for each in files]
        self.starts = np.concatenate([[0], np.cumsum([len(each) for each in self.parts])]).astype(np.int64)

    def __len__(self) -> int:
        return int(self.starts[-1])

    def __getitem__(self, index: int) -> np.ndarray:
        part = int(np.searchsorted(self.starts, index, side="right")) - 1
        return self.parts[part][index - self.starts[part]]

    def take(self, indices: np.ndarray) -> np.ndarray:
        """Several thumbnails, uint8 [n, 64, 64]."""
        return np.stack([self[index] for index in indices.tolist()])


def _mapped(file: str | Path) -> np.ndarray:
    try:
        data = np.load(file, mmap_mode="r")
    except (OSError, ValueError) as error:
        raise LeukoFlowError(f"{file}: cannot be read as thumbnails ({error}); delete it and run again") from error
    if data.dtype != np.uint8 or data.shape[1:] != (THUMBNAIL, THUMBNAIL):
        raise LeukoFlowError(
            f"{file}: holds {data.dtype} {list(data.shape)}, not uint8 [n, {THUMBNAIL}, {THUMBNAIL}]; run again"
        )
    return data


def find_duplicates(images: pd.DataFrame, thumbnails: Thumbnails, settings: Quality) -> pd.DataFrame:
    """Pairs of duplicates among images of any number of cohorts.

    images: cohort, image_id, sha256, dhash; row k has thumbnail k. Returns COLUMNS, each pair once, sorted; `kind` is
    `identical` (same bytes, correlation 1) or `near` (hash distance and correlation within the settings).
    """
    digests = pd.factorize(images["sha256"])[0]
    identical = _same(digests)
    candidates, distances = _candidates(from_hex(images["dhash"].tolist()), settings.hash_distance)
    new = digests[candidates[:, 0]] != digests[candidates[:, 1]]
    candidates, distances = candidates[new], distances[new]
    alike = similar(candidates, thumbnails, settings.correlation)
    near = alike >= settings.correlation
    pairs = np.concatenate([identical, candidates[near]])
    table = pd.DataFrame(
        {
            "cohort_a": images["cohort"].to_numpy(object)[pairs[:, 0]],
            "image_a": images["image_id"].to_numpy(object)[pairs[:, 0]],
            "cohort_b": images["cohort"].to_numpy(object)[pairs[:, 1]],
            "image_b": images["image_id"].to_numpy(object)[pairs[:, 1]],
            "kind": np.repeat(["identical", "near"], [len(identical), near.sum()]).astype(object),
            "hash_distance": np.concatenate([np.zeros(len(identical)), distances[near]]).astype(np.int32),
            "correlation": np.concatenate([np.ones(len(identical)), alike[near]]),
        },
        columns=COLUMNS,
    )
    return table.iloc[np.lexsort(pairs.T[::-1])].reset_index(drop=True)


def similar(pairs: np.ndarray, thumbnails: Thumbnails, least: float) -> np.ndarray:
    """Correlation of the thumbnails of each pair int64 [p, 2] that may have one of `least`: float64 [p], 0 of others.

    Chance gives far more pairs than there are duplicates. A correlation is that of the means of squares of 2 x 2 pixels
    and that of what they leave; the latter is no larger than its norms allow (Cauchy and Schwarz), and they are small.
    """
    found = np.zeros(len(pairs))
    if not len(pairs):
        return found
    used, places = np.unique(pairs, return_inverse=True)
    inner = Squares(len(used))
    for some in _portions(np.arange(len(used))):
        inner.put(some, thumbnails.take(used[some]))
    one, two = places.reshape(-1, 2).T
    order = np.argsort(two, kind="stable")
    for group in np.split(order, np.flatnonzero(np.diff(two[order])) + 1):
        other = thumbnails[used[two[group[0]]]]
        for rows in _portions(group):
            rows = rows[inner.bounds(one[rows], other) >= least]
            if len(rows):
                found[rows] = correlations(thumbnails.take(used[one[rows]]), other)
    return found


def _portions(rows: np.ndarray) -> list[np.ndarray]:
    """Rows, `TOGETHER` at a time."""
    return np.split(rows, range(TOGETHER, len(rows), TOGETHER))


class Squares:
    """Means of squares of 2 x 2 pixels in the details of the inner part of thumbnails, and the norm of what they leave:
    both of vectors of length 1."""

    def __init__(self, count: int) -> None:
        self.means = np.zeros((count, (INNER // 2) ** 2), np.float16)
        self.rest = np.zeros(count, np.float32)

    def put(self, rows: np.ndarray, thumbnails: np.ndarray) -> None:
        """Take in thumbnails uint8 [n, 64, 64]."""
        inner = _details(thumbnails, _FINELY[MIDDLE], _COARSELY[MIDDLE])
        inner -= inner.mean(axis=(1, 2), keepdims=True)
        inner /= np.maximum(np.sqrt(np.einsum("nij,nij->n", inner, inner)), 1e-6)[:, None, None]
        pairs = inner[:, ::2] + inner[:, 1::2]
        means = ((pairs[:, :, ::2] + pairs[:, :, 1::2]) / 2).reshape(len(rows), -1)
        self.means[rows] = means
        self.rest[rows] = np.sqrt(np.maximum(1 - np.einsum("ij,ij->i", means, means), 0))

    def bounds(self, rows: np.ndarray, other: np.ndarray) -> np.ndarray:
        """What no correlation with another thumbnail [64, 64] exceeds: float [n]."""
        details = _details(other[None], _FINELY, _COARSELY)[0]
        sums, squares = (
            each[INNER:, INNER:] - each[:-INNER, INNER:] - each[INNER:, :-INNER] + each[:-INNER, :-INNER]
            for each in cv2.integral2(details, sdepth=cv2.CV_64F)
        )
        pairs = details[:-1] + details[1:]
        means = sliding_window_view((pairs[:, :-1] + pairs[:, 1:]) / 2, (INNER - 1, INNER - 1))[:, :, ::2, ::2]
        means = means.reshape(-1, (INNER // 2) ** 2)
        means -= 2 * (sums / INNER**2).reshape(-1, 1).astype(np.float32)
        means /= np.sqrt(np.maximum(squares - sums**2 / INNER**2, 1e-12)).reshape(-1, 1).astype(np.float32)
        rest = np.sqrt(np.maximum(1 - np.einsum("ij,ij->i", means, means), 0))
        largest = (self.means[rows].astype(np.float32) @ means.T + np.outer(self.rest[rows], rest)).max(axis=1)
        return np.asarray(largest) + ROUNDING


def _candidates(hashes: np.ndarray, distance: int) -> tuple[np.ndarray, np.ndarray]:
    """Pairs i < j of images whose hashes are close: int64 [p, 2], and their distances [p]."""
    unique, first, inverse, counts = np.unique(hashes, return_index=True, return_inverse=True, return_counts=True)
    members = _members(inverse, len(unique))
    close, distances = close_pairs(unique, distance)
    # Nearly all hashes are those of one image.
    single = (counts[close] == 1).all(axis=0)
    parts, found = [_same(inverse), np.sort(first[close[:, single]].T, axis=1)], distances[~single]
    for a, b in close[:, ~single].T.tolist():
        grid = np.meshgrid(members[a][:MOST_TOGETHER], members[b][:MOST_TOGETHER])
        parts.append(np.sort(np.stack(grid, axis=-1).reshape(-1, 2), axis=1))
    sizes = [len(part) for part in parts]
    bits = np.concatenate([np.zeros(sizes[0]), distances[single], np.repeat(found, sizes[2:])])
    return np.concatenate(parts), bits


def _members(labels: np.ndarray, count: int) -> list[list[int]]:
    """Rows of each label, ascending."""
    order = np.argsort(labels, kind="stable")
    return [each.tolist() for each in np.split(order, np.cumsum(np.bincount(labels, minlength=count))[:-1])]


def _same(labels: np.ndarray) -> np.ndarray:
    """Pairs i < j with one label: int64 [p, 2]; in a very large set only those with its first member."""
    pairs: list[tuple[int, int]] = []
    for rows in _members(labels, int(labels.max()) + 1 if len(labels) else 0):
        if len(rows) <= MOST_TOGETHER:
            pairs.extend(combinations(rows, 2))
        else:
            pairs.extend((rows[0], other) for other in rows[1:])
    return np.array(pairs, np.int64).reshape(-1, 2)
