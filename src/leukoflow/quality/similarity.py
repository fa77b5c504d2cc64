"""How alike two thumbnails are: correlation of their details, also after a small shift."""

from itertools import pairwise
from typing import NamedTuple

import cv2
import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from leukoflow.quality.hashing import THUMBNAIL
from leukoflow.quality.orientations import TURNED, laid
from leukoflow.quality.thumbnails import Thumbnails, portions

SHIFT = 4
"""Largest shift either way, pixels of the thumbnail, that is tried."""
COARSE, FINE = 5.0, 0.7
"""Standard deviations, pixels of the thumbnail, of the Gaussians that bound the details compared."""
INNER = THUMBNAIL - 2 * SHIFT
MIDDLE = slice(SHIFT, -SHIFT)
ROUNDING = 0.005
"""Of a bound, half of whose numbers have 16 bits."""


def correlations(thumbnails: np.ndarray, other: np.ndarray) -> np.ndarray:
    """Largest Pearson correlation of each thumbnail uint8 [n, 64, 64] with another [64, 64] over shifts of up to 4
    pixels: float64 [n], -1 to 1, 0 if one is flat.

    Taken on details: what is coarser than `COARSE` is removed first, or any two single cells in the middle of their
    pictures would be alike; what is finer than `FINE` as well, so that a refocused picture still meets its like.
    """
    if other.std() < 1:
        return np.zeros(len(thumbnails))
    details = _details(other[None], _FINELY, _COARSELY)[0]
    inner = _details(thumbnails, _FINELY[MIDDLE], _COARSELY[MIDDLE])
    peaks = [cv2.matchTemplate(details, thumbnail, cv2.TM_CCOEFF_NORMED).max() for thumbnail in inner]
    values = thumbnails[:, MIDDLE, MIDDLE].reshape(len(thumbnails), -1).astype(np.float32)
    deviation = np.einsum("ij,ij->i", values, values) / values.shape[1] - values.mean(axis=1, dtype=np.float64) ** 2
    return np.where(deviation >= 1, np.clip(np.array(peaks, np.float64), -1, 1), 0)


def _blur(deviation: float) -> np.ndarray:
    """Matrix float32 [64, 64] that blurs the columns of a thumbnail by a Gaussian."""
    kernel = cv2.getGaussianKernel(round(8 * deviation) | 1, deviation)
    return cv2.sepFilter2D(np.eye(THUMBNAIL, dtype=np.float32), -1, np.ones(1), kernel)


def _centred(thumbnails: np.ndarray) -> np.ndarray:
    """Details of the inner part, of mean 0 and norm 1: float32 [n, 56, 56]."""
    inner = _details(thumbnails, _FINELY[MIDDLE], _COARSELY[MIDDLE])
    inner -= inner.mean(axis=(1, 2), keepdims=True)
    inner /= np.maximum(np.sqrt(np.einsum("nij,nij->n", inner, inner)), 1e-6)[:, None, None]
    return inner


def _details(thumbnails: np.ndarray, finely: np.ndarray, coarsely: np.ndarray) -> np.ndarray:
    """What lies between `COARSE` and `FINE`, in the rows and columns of the two blurs [k, 64]: float32 [n, k, k]."""
    # As products of matrices: of many thumbnails at once these are faster than filters.
    rows = thumbnails.astype(np.float32).reshape(-1, THUMBNAIL)
    fine, coarse = ((rows @ blur.T).reshape(len(thumbnails), THUMBNAIL, -1) for blur in (finely, coarsely))
    return finely @ fine - coarsely @ coarse


_FINELY = _blur(FINE)
_COARSELY = _FINELY @ _blur(COARSE)


def similar(pairs: np.ndarray, thumbnails: Thumbnails, least: float, positions: np.ndarray | None = None) -> np.ndarray:
    """Correlation of the thumbnails of each pair int64 [p, 2] that may have one of `least`: float64 [p], 0 of others.
    The second of a pair is laid in one of the eight positions first (see `orientations`), where any are given.

    Chance gives far more pairs than there are duplicates. A correlation is that of the means of squares of 2 x 2 pixels
    and that of what they leave; the latter is no larger than its norms allow (Cauchy and Schwarz), and they are small.
    """
    similarity = np.zeros(len(pairs))
    if not len(pairs):
        return similarity
    used, places = np.unique(pairs, return_inverse=True)
    inner = Squares(len(used))
    for some in portions(np.arange(len(used))):
        inner.put(some, thumbnails.take(used[some]))
    one, two = places.reshape(-1, 2).T
    laid_as = np.zeros(len(pairs), np.int64) if positions is None else positions
    key = two * len(TURNED) + laid_as
    order = np.argsort(key, kind="stable")
    edges = [0, *(np.flatnonzero(np.diff(key[order])) + 1).tolist(), len(order)]
    for begin, end in pairwise(edges):
        group = order[begin:end]
        other = np.ascontiguousarray(laid(thumbnails[used[two[group[0]]]], int(laid_as[group[0]])))
        for rows in portions(group):
            rows = rows[inner.bounds(one[rows], other) >= least]
            if len(rows):
                similarity[rows] = correlations(thumbnails.take(used[one[rows]]), other)
    return similarity


class Coarse(NamedTuple):
    """Means of squares of 4 x 4 pixels in the details of the inner part of thumbnails, in 8 bits."""

    means: np.ndarray
    """int8 [n, 196], times the side of a square: of length 1 together with what they leave."""
    sizes: np.ndarray
    """Of each: its unit, the norm of what rounding lost, and the norm of what the means leave: float32 [n, 3]."""


SQUARE = 4


def coarse(thumbnails: np.ndarray) -> Coarse:
    """Coarse means of thumbnails uint8 [n, 64, 64]."""
    side = INNER // SQUARE
    means = _centred(thumbnails).reshape(-1, side, SQUARE, side, SQUARE).sum(axis=(2, 4)).reshape(-1, side**2) / SQUARE
    unit = np.maximum(np.abs(means).max(axis=1), 1e-6) / 127
    rounded = np.rint(means / unit[:, None])
    lost = np.linalg.norm(means - rounded * unit[:, None], axis=1)
    rest = np.sqrt(np.maximum(1 - np.einsum("ij,ij->i", means, means), 0))
    return Coarse(rounded.astype(np.int8), np.stack([unit, lost, rest], axis=1).astype(np.float32))


def possible(pairs: np.ndarray, means: Coarse, thumbnails: Thumbnails, least: float) -> np.ndarray:
    """Whether pairs int64 [p, 2] may have a correlation of `least`, by a bound as in `similar` but of larger squares:
    bool [p]. A compiled loop for very many pairs; quick if each second picture is in many of them."""
    from leukoflow.quality.kernels import coarse_bounds

    order = np.argsort(pairs[:, 1], kind="stable")
    others, starts = np.unique(pairs[order, 1], return_index=True)
    ones, starts = pairs[order, 0], np.append(starts, len(pairs))
    enough = np.empty(len(pairs), bool)
    for some in portions(np.arange(len(others))):
        if len(some):
            begin, end = starts[some[0]], starts[some[-1] + 1]
            details = _details(thumbnails.take(others[some]), _FINELY, _COARSELY)
            offsets = starts[some[0] : some[-1] + 2] - begin
            bounds = coarse_bounds(details, offsets, ones[begin:end], *means, INNER, SQUARE)
            enough[order[begin:end]] = bounds + ROUNDING >= least
    return enough


class Squares:
    """Means of squares of 2 x 2 pixels in the details of the inner part of thumbnails, and the norm of what they leave:
    both of vectors of length 1."""

    def __init__(self, count: int) -> None:
        self.means = np.zeros((count, (INNER // 2) ** 2), np.float16)
        self.rest = np.zeros(count, np.float32)

    def put(self, rows: np.ndarray, thumbnails: np.ndarray) -> None:
        """Take in thumbnails uint8 [n, 64, 64]."""
        inner = _centred(thumbnails)
        pairs = inner[:, ::2] + inner[:, 1::2]
        means = ((pairs[:, :, ::2] + pairs[:, :, 1::2]) / 2).reshape(len(rows), -1)
        self.means[rows] = means
        self.rest[rows] = np.sqrt(np.maximum(1 - np.einsum("ij,ij->i", means, means), 0))

    def bounds(self, rows: np.ndarray, other: np.ndarray) -> np.ndarray:
        """What no correlation with another thumbnail [64, 64] exceeds: float [n]."""
        details = _details(other[None], _FINELY, _COARSELY)[0]
        sums, squares = (
            table[INNER:, INNER:] - table[:-INNER, INNER:] - table[INNER:, :-INNER] + table[:-INNER, :-INNER]
            for table in cv2.integral2(details, sdepth=cv2.CV_64F)
        )
        pairs = details[:-1] + details[1:]
        means = sliding_window_view((pairs[:, :-1] + pairs[:, 1:]) / 2, (INNER - 1, INNER - 1))[:, :, ::2, ::2]
        means = means.reshape(-1, (INNER // 2) ** 2)
        means -= 2 * (sums / INNER**2).reshape(-1, 1).astype(np.float32)
        means /= np.sqrt(np.maximum(squares - sums**2 / INNER**2, 1e-12)).reshape(-1, 1).astype(np.float32)
        rest = np.sqrt(np.maximum(1 - np.einsum("ij,ij->i", means, means), 0))
        largest = (self.means[rows].astype(np.float32) @ means.T + np.outer(self.rest[rows], rest)).max(axis=1)
        return np.asarray(largest) + ROUNDING
