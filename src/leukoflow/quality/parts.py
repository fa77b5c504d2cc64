"""Is one picture a part of another, as the search by rings suggests? They are laid over each other and compared."""

import logging
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from leukoflow.config.quality import Quality
from leukoflow.quality.hashing import THUMBNAIL
from leukoflow.quality.orientations import INVERSE, TURNED
from leukoflow.quality.rings import FILLED, disc
from leukoflow.quality.search import Candidates
from leukoflow.quality.similarity import COARSE, FINE, SHIFT
from leukoflow.quality.thumbnails import Thumbnails

MOST_FAILED = 5_000
"""Comparisons in vain, of the least doubtful pairs first, after which no more are made: bounds the time."""
FIRST = 0.4
"""Least correlation before the position is refined."""
STEPS = cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-3
SMOOTH = 5
"""Side of the Gaussian under which positions are refined, pixels."""
LEAST_SHARED = 0.85
"""Of the part's disc, what the whole must show as well."""
SQUARE = 0.03
"""Difference from a turn by quarter turns, of any element of the linear map, up to which a pair counts as one."""
LEAST_ANGLE, LEAST_SHARE = 1.5, 0.98
"""Turn, degrees, and share of the side beyond which they are spoken of."""
MOST_STRETCHED = 1.25
"""Ratio of the two axes beyond which one picture was not taken from the other by any usual augmentation."""


log = logging.getLogger("leukoflow")


class Moved(NamedTuple):
    """Two pictures that show the same part of a field."""

    pair: tuple[int, int]
    kind: str
    """`near` or `turned` where they lie as such pairs do, otherwise `moved`."""
    change: str
    """In words, how they differ."""
    correlation: float


def moved_pairs(
    candidates: Candidates,
    thumbnails: Thumbnails,
    shapes: np.ndarray,
    settings: Quality,
    known: Callable[[np.ndarray], np.ndarray],
    plausible: Callable[[np.ndarray, np.ndarray], np.ndarray],
) -> list[Moved]:
    """Pairs i < j whose details correlate as the settings ask once the one is laid over the other by an affine map.

    candidates: see `search`. shapes: see `shape_of`. known: of pairs int64 [p, 2], whether they need no comparison.
    plausible: of pairs and their correlations, whether they say anything (see `symmetry`).
    """
    candidates = candidates.take(~known(np.stack([candidates.whole, candidates.part], axis=1)))
    kinds = map(tuple, np.unique(shapes, axis=0).tolist())
    masks = {shape: disc(np.array(shape), THUMBNAIL, FILLED).astype(np.uint8) for shape in kinds}
    moved: dict[tuple[int, int], Moved] = {}
    failed = 0
    for done, row in enumerate(np.argsort(candidates.doubt, kind="stable").tolist()):
        if failed == MOST_FAILED:
            left = len(candidates) - done
            log.warning("very many pictures are alike: %d pairs that may be parts of one field are not compared", left)
            break
        whole, part = int(candidates.whole[row]), int(candidates.part[row])
        pair = (min(whole, part), max(whole, part))
        if pair in moved:
            continue
        one, two = (np.asarray(thumbnails[index], np.float32) for index in (whole, part))
        mask = masks[tuple(shapes[part].tolist())]
        alike, matrix = _refined(one, two, mask, candidates.matrix(row, shapes))
        linear = shapes[whole][:, None] * matrix[:, :2] / shapes[part][None, :]
        if alike < settings.correlation or _distorted(linear):
            failed += 1
            continue
        kind, change = _described(matrix, linear, whole < part)
        enough = kind != "moved" or alike >= settings.moved_correlation
        if not enough or not plausible(np.array([pair]), np.array([alike]))[0]:
            failed += 1
        else:
            moved[pair] = Moved(pair, kind, change, alike)
    return list(moved.values())


def _distorted(linear: np.ndarray) -> bool:
    """Whether no usual augmentation takes one picture from the other by this map."""
    large, small = np.linalg.svd(linear, compute_uv=False)
    return bool(small <= 0.5 or large >= 2 or large / small > MOST_STRETCHED)


def _described(matrix: np.ndarray, linear: np.ndarray, first_is_whole: bool) -> tuple[str, str]:
    """Kind and change of a pair from the affine map from the part's thumbnail to the whole's, and from its linear part
    in pictures that are not squeezed."""
    middle = np.full(2, (THUMBNAIL - 1) / 2)
    shift = matrix[:, :2] @ middle + matrix[:, 2] - middle
    for position in range(len(TURNED)):
        if np.abs(matrix[:, :2] - _linear(position)).max() <= SQUARE and np.abs(shift).max() <= SHIFT:
            name = TURNED[position if first_is_whole else INVERSE[position]]
            return ("turned", name) if position else ("near", "")
    words: list[str] = []
    if np.linalg.det(linear) < 0:
        words.append("mirrored")
        linear = linear @ np.diag([-1.0, 1.0])
    angle = abs(np.degrees(np.arctan2(linear[1, 0] - linear[0, 1], linear[0, 0] + linear[1, 1])))
    share = np.sqrt(abs(np.linalg.det(linear)))
    if angle >= LEAST_ANGLE:
        words.append(f"turned by {angle:.0f} degrees")
    if share < LEAST_SHARE:
        words.append(f"cropped to {100 * share:.0f} % of the side")
    elif np.abs(shift).max() > 1:
        words.append(f"shifted by {100 * np.abs(shift).max() / THUMBNAIL:.0f} % of the side")
    return "moved", ", ".join(words) or "a little stretched"


def _linear(position: int) -> np.ndarray:
    """Linear part of the map from a thumbnail to the one that it is, laid in a position."""
    turn = np.array([[0, -1], [1, 0]])
    turned = np.linalg.matrix_power(turn, position // 2)
    return turned @ np.diag([-1, 1]) if position % 2 else turned


def _refined(whole: np.ndarray, part: np.ndarray, mask: np.ndarray, matrix: np.ndarray) -> tuple[float, np.ndarray]:
    """Correlation of a pair, and its map after it was refined (before that, if it is no better)."""
    first = correlation(whole, part, mask, matrix)
    if first < FIRST:
        return first, matrix
    start = np.asarray(cv2.invertAffineTransform(matrix), np.float32)
    try:
        # The mask is that of the part, which may have filled corners; so the part is the one that is moved.
        _, refined = cv2.findTransformECC(whole, part, start, cv2.MOTION_AFFINE, STEPS, mask, SMOOTH)
        better = np.asarray(cv2.invertAffineTransform(np.asarray(refined, float)))
    except cv2.error:  # it does not converge: they are compared as they lie
        return first, matrix
    second = correlation(whole, part, mask, better)
    return (second, better) if second > first else (first, matrix)


def correlation(whole: np.ndarray, part: np.ndarray, mask: np.ndarray, matrix: np.ndarray) -> float:
    """Pearson correlation of details of the part with the whole's, where both are known; 0 if that is too little."""
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    moved = cv2.warpAffine(whole, matrix, whole.shape, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    known = cv2.warpAffine(np.ones_like(mask), matrix, mask.shape, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP)
    both = (mask & known).astype(np.float32)
    if both.sum() < LEAST_SHARED * mask.sum():
        return 0.0
    one, two = (_details(picture, both)[both > 0] for picture in (moved, part))
    spread = float(one.std() * two.std())
    return float(((one - one.mean()) * (two - two.mean())).mean() / spread) if spread > 1e-3 else 0.0


def _details(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    def mean(values: np.ndarray, deviation: float) -> np.ndarray:
        blur = cv2.GaussianBlur(np.stack([values * mask, mask], axis=-1), (0, 0), deviation)
        return np.asarray(blur[..., 0] / np.maximum(blur[..., 1], 1e-3))

    return mean(picture - mean(picture, COARSE), FINE)
