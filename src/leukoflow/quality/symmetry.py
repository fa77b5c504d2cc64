"""How much a picture is like itself when it is turned: a round cell alone is, a field of cells is not.

Two different round cells correlate nearly as well as one cell does with itself after a turn. So what two pictures lack
to a correlation of 1 must be much less than what each lacks when it is turned.
"""

from collections.abc import Iterable

import numpy as np

from leukoflow.quality.hashing import THUMBNAIL
from leukoflow.quality.parts import correlation
from leukoflow.quality.rings import FILLED, disc
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
