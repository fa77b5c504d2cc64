"""Stain normalisation: Reinhard's transfer of colour statistics, then contrast equalisation, both in CIELAB.

Reinhard et al. 2001 (doi 10.1109/38.946629) match the mean and standard deviation of each channel to a reference, here
in CIELAB (D65) and over the cells alone, because the empty background would otherwise outweigh them:
x' = (x - mean) * sd_reference / sd + mean_reference. CLAHE (Zuiderveld 1994) then works on L.
"""

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from leukoflow.config.views import Clahe, Reinhard, View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json
from leukoflow.core.picture import Raster

LEAST_SD = 1e-6
"""Channels that vary less (8-bit levels) are shifted, not scaled."""
MOST_GAIN = 3.0
"""Contrast is raised at most this many times, so that the noise of a nearly blank image is not blown up."""
# OpenCV's 8-bit Lab is 255 / 100 L, a + 128, b + 128.
_SCALE = np.array([2.55, 1.0, 1.0])
_OFFSET = np.array([0.0, 128.0, 128.0])


def fitted(view: View, stain: Path | None) -> View:
    """A view with the stain that step fit_stain found; without a file as it is."""
    if stain is None:
        return view
    target = read_json(stain)
    return view.brought_to(target["mean"], target["sd"])


def normalise(raster: Raster, *steps: Any) -> np.ndarray:
    """Steps of `Reinhard` and `Clahe`, one after the other: uint8 [H, W, 3] (RGB).

    8-bit Lab throughout and one lookup table a channel: about two grey levels from a floating-point computation. An
    image without any foreground keeps its colours.
    """
    lab = cv2.cvtColor(raster.pixels, cv2.COLOR_RGB2LAB)
    for step in steps:
        lab = match_stain(lab, raster.foreground, step) if isinstance(step, Reinhard) else _equalised(lab, step)
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB)


def _equalised(lab: np.ndarray, clahe: Clahe) -> np.ndarray:
    """CLAHE of L, in place: OpenCV 8-bit Lab."""
    equalise = cv2.createCLAHE(clahe.clip, (clahe.tiles, clahe.tiles))
    return cv2.insertChannel(equalise.apply(cv2.extractChannel(lab, 0)), lab, 0)


def match_stain(lab: np.ndarray, foreground: np.ndarray, reinhard: Reinhard) -> np.ndarray:
    """Reinhard's transfer with statistics of the foreground. OpenCV 8-bit Lab, bool [H, W] -> a new 8-bit Lab.

    LeukoFlowError if the target was not fitted.
    """
    if reinhard.target != "given":
        raise LeukoFlowError(f"the stain of target {reinhard.target} was not fitted (--stain)")
    if not foreground.any():
        return lab.copy()
    mean, sd = cv2.meanStdDev(lab, mask=foreground.astype(np.uint8))
    return cv2.LUT(lab, _table(mean.ravel(), sd.ravel(), reinhard))


def _table(mean: np.ndarray, sd: np.ndarray, reinhard: Reinhard) -> np.ndarray:
    """Reinhard's line for every 8-bit level of L, a and b: uint8 [1, 256, 3]."""
    gain = np.where(sd < LEAST_SD, 1.0, np.array(reinhard.sd) * _SCALE / np.maximum(sd, LEAST_SD))
    gain = np.minimum(gain, MOST_GAIN)
    levels = (np.arange(256.0)[:, None] - mean) * gain + np.array(reinhard.mean) * _SCALE + _OFFSET
    return np.rint(np.clip(levels, 0, 255)).astype(np.uint8)[None]
