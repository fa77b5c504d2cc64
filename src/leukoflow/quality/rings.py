"""Rings: what a window of a picture shows, in numbers that tell how it is turned, and in others that no turn changes.

Details are sampled on five rings around a centre, and along each ring a Fourier transform is taken. A turn changes the
phases alike in all rings, and mirroring conjugates them, so the real parts of products between rings stay the same.
"""

from itertools import product
from typing import NamedTuple

import cv2
import numpy as np

from leukoflow.quality.hashing import THUMBNAIL

SIDE = THUMBNAIL // 2
"""Side of the pictures of details, pixels."""
RINGS, WAVES = 5, 6
LEVEL = 0.6
"""Weight of the means of the rings next to their waves."""
RADIUS = 0.85
"""Of the disc in the middle, of half the shorter side: what a picture turned within its frame or shifted a little still
shows."""
COARSE, AROUND = 2.0, 3.0
"""Standard deviations, pixels of the details, of the Gaussians for what is removed and for the contrast."""
LEAST_CONTRAST = 4.0
"""Grey levels added to the contrast, so that the noise of an empty field is not enlarged."""
FILLED = 0.97
"""Radius beyond which corners may be filled, of half the shorter side."""


class Window(NamedTuple):
    """A window of a picture: its centre in -1..1 of half the width and height, and its size as a share of the whole."""

    x: float
    y: float
    scale: float


def _windows() -> tuple[Window, ...]:
    grids = {1.0: np.linspace(-0.1, 0.1, 5), 0.9: np.linspace(-0.1, 0.1, 5), 0.8: np.linspace(-0.2, 0.2, 7)}
    windows = [Window(x, y, scale) for scale, steps in grids.items() for x, y in product(steps.tolist(), repeat=2)]
    return (*windows, *(Window(0.0, 0.0, scale) for scale in (0.95, 0.85)))


WINDOWS = _windows()
PLAIN = WINDOWS.index(Window(0.0, 0.0, 1.0))
FEW = tuple(
    index
    for index, window in enumerate(WINDOWS)
    if all(round(abs(middle), 6) in (0, 0.2 if window.scale == 0.8 else 0.1) for middle in (window.x, window.y))
)
"""Indices of the windows in the middle, at the corners and at the middles of the edges."""


def shape_of(width: np.ndarray, height: np.ndarray) -> np.ndarray:
    """Half width and height over half the shorter side float64 [n, 2], at most 4, in steps of 3 %."""
    sides = np.stack([width, height], axis=1).astype(float)
    steps = np.clip(np.round(np.log2(sides / sides.min(axis=1, keepdims=True)) * 20) / 20, 0, 2)
    return np.asarray(2.0**steps)


def details(thumbnails: np.ndarray, scale: float = 1.0, within: np.ndarray | None = None) -> np.ndarray:
    """Details over their local contrast, of thumbnails uint8 [n, 64, 64]: float32 [n, 32, 32].

    For windows of a scale the Gaussians are that much smaller. What lies outside the mask `within` float32 [32, 32] is
    not known: it enters neither means nor contrast.
    """
    rows = thumbnails[:, ::2].astype(np.float32) + thumbnails[:, 1::2]
    small = (rows[:, :, ::2] + rows[:, :, 1::2]) / 4
    mask = np.ones((SIDE, SIDE), np.float32) if within is None else within
    fine = (small - _mean(small, mask, _blur(COARSE * scale))) * mask
    return np.asarray(fine / (np.sqrt(np.maximum(_mean(fine * fine, mask, _blur(AROUND * scale)), 0)) + LEAST_CONTRAST))


def sketches(thumbnails: np.ndarray) -> np.ndarray:
    """Details of thumbnails uint8 [n, 64, 64] averaged to 16 x 16, of mean 0 and norm 1: float32 [n, 16, 16]."""
    averaged = details(thumbnails).reshape(-1, SIDE // 2, 2, SIDE // 2, 2).mean(axis=(2, 4))
    averaged -= averaged.mean(axis=(1, 2), keepdims=True)
    return np.asarray(averaged / np.maximum(np.linalg.norm(averaged, axis=(1, 2), keepdims=True), 1e-6))


def _mean(pictures: np.ndarray, mask: np.ndarray, blur: np.ndarray) -> np.ndarray:
    """Local mean of what the mask shows."""
    return np.asarray((blur @ (pictures * mask) @ blur.T) / np.maximum(blur @ mask @ blur.T, 1e-3), np.float32)


def _blur(deviation: float) -> np.ndarray:
    """Matrix float32 [32, 32] that blurs the columns of a picture by a Gaussian."""
    kernel = cv2.getGaussianKernel(round(6 * deviation) | 1, deviation)
    return cv2.sepFilter2D(np.eye(SIDE, dtype=np.float32), -1, np.ones(1), kernel)


def disc(shape: np.ndarray, side: int, radius: float) -> np.ndarray:
    """Disc of a share of half the shorter side in the middle of a picture squeezed to a square: bool [side, side]."""
    places = (np.arange(side) - (side - 1) / 2) / (side / 2)
    return np.hypot(places[None, :] * shape[0], places[:, None] * shape[1]) <= radius


def _operator(window: Window, shape: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Pixels of the details that lie in the window's disc, and what makes rings of them: float32 [pixels, rings x
    (waves + 1), real and imaginary parts apart]."""
    places = (np.arange(SIDE) - (SIDE - 1) / 2) / (SIDE / 2)
    x, y = (places[None, :] - window.x) * shape[0], (places[:, None] - window.y) * shape[1]
    away, angle = np.hypot(x, y) / (RADIUS * window.scale), np.arctan2(y, x)
    soft = np.clip((1 - away) * RADIUS * window.scale * SIDE / 2 + 0.5, 0, 1)
    middles = (np.arange(RINGS) + 0.5) / RINGS
    weights = soft * np.exp(-0.5 * ((away - middles[:, None, None]) * RINGS / 0.6) ** 2)
    weights *= (np.sqrt(middles) / weights.sum(axis=(1, 2)))[:, None, None]
    waves = weights[:, None] * np.exp(-1j * np.arange(WAVES + 1)[:, None, None] * angle)
    inside = np.flatnonzero(soft > 0)
    flat = waves.reshape(RINGS * (WAVES + 1), -1)[:, inside]
    return inside, np.ascontiguousarray(np.concatenate([flat.real, flat.imag]).T.astype(np.float32))


class Sampler:
    """Rings of pictures of several shapes in any window."""

    def __init__(self, shapes: np.ndarray) -> None:
        self.shapes, self.kinds = np.unique(shapes, axis=0, return_inverse=True)
        self.kinds = self.kinds.ravel()
        self._operators: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = {}

    def rings(self, pictures: np.ndarray, rows: np.ndarray, window: int) -> np.ndarray:
        """Real and imaginary parts float32 [n, 2, rings, waves + 1] of norm 1, of pictures float32 [n, 32, 32], which
        are those of `rows`."""
        flat, kinds = pictures.reshape(len(pictures), -1), self.kinds[rows]
        out = np.empty((len(rows), 2 * RINGS * (WAVES + 1)), np.float32)
        for kind in np.unique(kinds):
            key = (int(kind), window)
            if key not in self._operators:
                self._operators[key] = _operator(WINDOWS[window], self.shapes[kind])
            inside, matrix = self._operators[key]
            some = slice(None) if len(self.shapes) == 1 else np.flatnonzero(kinds == kind)
            out[some] = flat[some].take(inside, axis=1) @ matrix
        norm = np.sqrt((out * out) @ _POWER)
        out /= np.maximum(norm, 1e-3)[:, None]
        return out.reshape(-1, 2, RINGS, WAVES + 1)


_POWER = np.tile(np.where(np.arange(WAVES + 1) > 0, 2, 1), 2 * RINGS).astype(np.float32)
_ONE, _TWO = np.triu_indices(RINGS)
_TWICE = np.where(_ONE == _TWO, 1, np.sqrt(2)).astype(np.float32)


def unchanging(rings: np.ndarray, compiled: bool = False) -> np.ndarray:
    """What neither a turn nor a mirror changes, float32 [n, 95]; signed square roots, as the products are skewed.

    compiled: by a loop that takes some seconds to compile and then a tenth of the time.
    """
    if compiled:
        from leukoflow.quality import kernels

        return np.asarray(kernels.unchanging(rings, _ONE, _TWO, _TWICE, LEVEL))
    one, two = rings[:, :, _ONE, 1:], rings[:, :, _TWO, 1:]
    products = (one[:, 0] * two[:, 0] + one[:, 1] * two[:, 1]) * _TWICE[:, None]
    values = np.sqrt(np.abs(products)) * np.sign(products)
    return np.concatenate([values.reshape(len(rings), -1), LEVEL * rings[:, 0, :, 0]], axis=1)


def _turns(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Correlations of rings [p, 2, rings, waves + 1] with the second turned back by each angle, as it is and mirrored:
    float32 [p, angles] each."""
    (a, b), (c, d) = (np.moveaxis(rings, 1, 0) for rings in (one, two))
    # Of the first times the conjugate of the second, and of the conjugate of the first times that of the second.
    turned = (a * c + b * d).sum(axis=1) @ _COSINE + (b * c - a * d).sum(axis=1) @ _SINE
    mirrored = (a * c - b * d).sum(axis=1) @ _COSINE - (a * d + b * c).sum(axis=1) @ _SINE
    return turned, mirrored


def aligned(one: np.ndarray, two: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Best correlation of rings, the angle from the first to the second (radians), and whether that is mirrored."""
    every = np.concatenate(_turns(one, two), axis=1)
    position = every.argmax(axis=1)
    return every[np.arange(len(every)), position], _ANGLES[position % len(_ANGLES)], position >= len(_ANGLES)


def aligned_pairs(
    rings: np.ndarray, others: np.ndarray, pairs: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """As `aligned`, of pairs [p, 2] of rows of the one and the other, by a compiled loop."""
    from leukoflow.quality import kernels

    best, position = kernels.aligned(rings, others, pairs, _COSINE, _SINE)
    return best, _ANGLES[position % len(_ANGLES)], position >= len(_ANGLES)


def symmetry(rings: np.ndarray) -> np.ndarray:
    """Largest correlation of rings with themselves, mirrored or turned by 45 degrees and more: float32 [n]."""
    turned, mirrored = _turns(rings, rings)
    return np.asarray(np.maximum(turned[:, np.cos(_ANGLES) < 0.71].max(axis=1), mirrored.max(axis=1)))


_ANGLES = np.arange(72) * (2 * np.pi / 72)
_BOTH_WAYS = np.where(np.arange(WAVES + 1) > 0, 2, 1)[:, None]
_COSINE = (np.cos(np.arange(WAVES + 1)[:, None] * _ANGLES) * _BOTH_WAYS).astype(np.float32)
_SINE = (np.sin(np.arange(WAVES + 1)[:, None] * _ANGLES) * _BOTH_WAYS).astype(np.float32)
