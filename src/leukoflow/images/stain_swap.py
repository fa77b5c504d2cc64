"""Stain swap: a picture in the colours of others, cells and empty background each on their own.

Reinhard's transfer (2001, doi 10.1109/38.946629) in CIELAB, once with the statistics of the foreground (every cell, red
or white) and once with those of the background: x' = (x - mean) * sd_target / sd + mean_target. Shapes stay.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import cv2
import numpy as np

from leukoflow.core.foreground import foreground_mask

LEAST_SD = 0.5
"""Parts that vary less (8-bit levels) are shifted, not scaled."""
MOST_GAIN = 3.0
"""Contrast is raised at most this many times, so that noise is not blown up."""
SOFTNESS = 0.7
"""Standard deviation, pixels, of the soft edge between cells and background."""


@dataclass(frozen=True)
class Look:
    """Colours of cells and of background, OpenCV's 8-bit Lab."""

    mean: np.ndarray
    """float64 [2, 3]: foreground, background; NaN if there is no such part."""
    sd: np.ndarray
    """float64 [2, 3]."""


def look_of(image: np.ndarray) -> Look:
    """The look of an image uint8 [H, W, 3] (RGB)."""
    return _look(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), foreground_mask(image))


def mean_look(looks: Iterable[Look]) -> Look:
    """The mean over images of their means and deviations; parts that an image lacks are left out."""
    every = list(looks)
    means, sds = np.stack([look.mean for look in every]), np.stack([look.sd for look in every])
    here = ~np.isnan(means)
    count = here.sum(0)
    total = [np.where(here, values, 0).sum(0) for values in (means, sds)]
    with np.errstate(invalid="ignore"):
        return Look(total[0] / count, total[1] / count)


def recoloured(image: np.ndarray, target: Look) -> np.ndarray:
    """The image, uint8 [H, W, 3] (RGB), with cells and background in the colours of the target: the same shape.

    A part that the image or the target does not have keeps its colours.
    """
    lab, cells = cv2.cvtColor(image, cv2.COLOR_RGB2LAB), foreground_mask(image)
    look = _look(lab, cells)
    front, back = (cv2.LUT(lab, _table(look, target, part)) for part in range(2))
    alpha = cv2.GaussianBlur(cells.astype(np.float32), (0, 0), SOFTNESS)[..., None]
    mixed = np.rint(alpha * front + (1 - alpha) * back).astype(np.uint8)
    return cv2.cvtColor(mixed, cv2.COLOR_LAB2RGB)


def _look(lab: np.ndarray, cells: np.ndarray) -> Look:
    means, sds = np.full((2, 3), np.nan), np.full((2, 3), np.nan)
    for part, mask in enumerate((cells, ~cells)):
        if mask.any():
            mean, sd = cv2.meanStdDev(lab, mask=mask.astype(np.uint8))
            means[part], sds[part] = mean.ravel(), sd.ravel()
    return Look(means, sds)


def _table(look: Look, target: Look, part: int) -> np.ndarray:
    """Reinhard's line for every 8-bit level of L, a and b: uint8 [1, 256, 3]."""
    levels = np.repeat(np.arange(256.0)[:, None], 3, axis=1)
    if not np.isnan(look.mean[part] + target.mean[part]).any():
        sd = look.sd[part]
        gain = np.where(sd < LEAST_SD, 1.0, np.minimum(target.sd[part] / np.maximum(sd, LEAST_SD), MOST_GAIN))
        levels = (levels - look.mean[part]) * gain + target.mean[part]
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)[None]
