"""Quality of one image: focus, exposure, stain. All numbers are finite, whatever the image.

A burnt-in scale bar counts neither as foreground nor as background nor in any other number. Images whose longer side
exceeds 512 pixels are averaged down to that first; the scale bar alone is looked for in the image as it is.
"""

from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from leukoflow.core.foreground import stained_mask
from leukoflow.core.geometry import Box
from leukoflow.core.picture import Picture, Raster
from leukoflow.quality.scale import CONFIDENT, NO_SCALE, Scale, assumed_um_per_pixel, red_cell_scale
from leukoflow.quality.scale_bar import ScaleBar, find_scale_bar

LONGEST_SIDE = 512
"""Images are measured at no more than this, pixels of the longer side."""
DARK, BRIGHT = 5, 250
"""Grey levels at which a pixel counts as clipped: all channels at most `DARK`, or all at least `BRIGHT`."""
BAR_MARGIN = 0.01
"""Rim around a scale bar that is left out as well (compression smears it), fraction of the longer side."""
RIM = 2
"""Pixels around the foreground that count with it for focus: a cell's outline is what is sharp or not."""
LEAST_CONTRAST = 1e-4
"""Variance of luminance (0..1) below which nothing can be in focus: about 2.5 grey levels."""


@dataclass(frozen=True)
class Stain:
    """CIELAB (D65) mean and standard deviation: L in 0..100, a and b in -128..127."""

    mean: tuple[float, float, float]
    sd: tuple[float, float, float]


@dataclass(frozen=True)
class Measurement:
    """What is measured in an image.

    focus: variance of the Laplacian of luminance over the foreground, divided by the variance of luminance there;
    without unit, 0 (no structure) to about 20 (single bright pixels), some 0.01 to 1 in micrographs. Empty background
    plays no part in it. It compares images of about the same magnification and size.
    exposure: mean luminance (Rec. 601), 0..1. dark_fraction, bright_fraction: fraction of clipped pixels, 0..1.
    saturation: mean of (max - min) / max over the foreground's pixels, 0..1.
    foreground_fraction: cells of any kind, 0..1. foreground, background: stain of each; an absent one has the
    whole image's.
    bar: burnt-in scale bar; scale: from the red cells; both in pixels of the image as it is. picture: the image with
    both, its scale assumed if the red cells do not show it well enough.
    """

    focus: float
    exposure: float
    dark_fraction: float
    bright_fraction: float
    saturation: float
    foreground_fraction: float
    foreground: Stain
    background: Stain
    bar: ScaleBar | None
    scale: Scale
    picture: Picture = field(repr=False, compare=False)

    def columns(self) -> dict[str, float | int | str | None]:
        """The columns of the quality table, in order."""
        row: dict[str, float | int | str | None] = {
            name: getattr(self, name)
            for name in ("focus", "exposure", "dark_fraction", "bright_fraction", "saturation", "foreground_fraction")
        }
        for part, stain in (("foreground", self.foreground), ("background", self.background)):
            for index, channel in enumerate("Lab"):
                row[f"{part}_{channel}_mean"] = stain.mean[index]
                row[f"{part}_{channel}_sd"] = stain.sd[index]
        edges = self.bar.box if self.bar else (None, None, None, None)
        row |= dict(zip(("bar_x0", "bar_y0", "bar_x1", "bar_y1"), edges, strict=True))
        row["bar_colour"] = self.bar.colour if self.bar else None
        row["um_per_pixel"] = self.scale.um_per_pixel if self.scale.cells else None
        return row | {"scale_confidence": self.scale.confidence, "red_cells": self.scale.cells}


STAIN_COLUMNS = tuple(
    f"{part}_{channel}_{moment}"
    for part in ("foreground", "background")
    for channel in "Lab"
    for moment in ("mean", "sd")
)
"""Columns that say how a slide was stained and lit."""

QUALITY_COLUMNS = (
    *("focus", "exposure", "dark_fraction", "bright_fraction", "saturation", "foreground_fraction"),
    *STAIN_COLUMNS,
    *("bar_x0", "bar_y0", "bar_x1", "bar_y1", "bar_colour", "dhash"),
    *("um_per_pixel", "scale_confidence", "red_cells"),
)
"""Columns of the quality table besides image_id."""


def measure(image: NDArray[np.uint8], with_scale: bool = True) -> Measurement:
    """Measure an image, uint8 [H, W, 3] RGB; without the scale for those who do not need it, as it takes the longest.

    LeukoFlowError if the image is not that.
    """
    whole = raster = Raster(image)
    bar = find_scale_bar(image)
    shrunk = min(1.0, LONGEST_SIDE / max(image.shape[:2]))
    if shrunk < 1:
        size = (max(1, round(image.shape[1] * shrunk)), max(1, round(image.shape[0] * shrunk)))
        raster = Raster(cv2.resize(image, size, interpolation=cv2.INTER_AREA))
    small = raster.pixels
    counted = _counted(small.shape[:2], bar.box if bar else None, shrunk)
    cells = np.where(raster.foreground, counted, 0).astype(np.uint8)
    empty = counted - cells
    scale = NO_SCALE
    if with_scale:
        inside = cells > 0
        stained = raster.stained if bar is None else stained_mask(small, inside)
        scale = red_cell_scale(small, inside, stained, shrunk)
    sure = scale.confidence >= CONFIDENT
    um_per_pixel = scale.um_per_pixel if sure else assumed_um_per_pixel(image.shape[1], image.shape[0])
    pixels = max(1, int(counted.sum()))
    channels = cv2.split(small)
    brightest, darkest = cv2.max(cv2.max(*channels[:2]), channels[2]), cv2.min(cv2.min(*channels[:2]), channels[2])
    grey = cv2.cvtColor(small, cv2.COLOR_RGB2GRAY)
    lab = cv2.cvtColor(small, cv2.COLOR_RGB2LAB)
    return Measurement(
        focus=_focus(grey, cells, counted),
        exposure=cv2.mean(grey, counted)[0] / 255,
        dark_fraction=cv2.countNonZero(cv2.bitwise_and(counted, cv2.inRange(brightest, 0, DARK))) / pixels,
        bright_fraction=cv2.countNonZero(cv2.bitwise_and(counted, cv2.inRange(darkest, BRIGHT, 255))) / pixels,
        saturation=_saturation(brightest, darkest, cells),
        foreground_fraction=float(cells.sum() / pixels),
        foreground=_stain(lab, cells if cells.any() else counted),
        background=_stain(lab, empty if empty.any() else counted),
        bar=bar,
        scale=scale,
        picture=Picture(whole, bar.box if bar else None, um_per_pixel, sure),
    )


def _counted(shape: tuple[int, ...], bar: Box | None, scale: float) -> np.ndarray:
    """1 if a pixel counts, 0 in and around the scale bar: uint8 [H, W]."""
    counted = np.ones(shape, np.uint8)
    if bar is not None:
        rim = max(1, round(BAR_MARGIN * max(shape)))
        x0, y0, x1, y1 = (edge * scale for edge in bar)
        counted[max(0, int(y0) - rim) : int(np.ceil(y1)) + rim, max(0, int(x0) - rim) : int(np.ceil(x1)) + rim] = 0
    return counted


def _focus(grey: np.ndarray, cells: np.ndarray, counted: np.ndarray) -> float:
    """Variance of the Laplacian over variance of luminance, both over the cells and their rim."""
    area = cv2.bitwise_and(cv2.dilate(cells, np.ones((2 * RIM + 1, 2 * RIM + 1), np.uint8)), counted)
    if not area.any():
        return 0.0
    luminance = grey.astype(np.float32) / 255
    # A light smoothing keeps the sensor's noise and compression from passing for sharpness.
    second = cv2.Laplacian(cv2.GaussianBlur(luminance, (3, 3), 0), cv2.CV_32F)
    contrast = _variance(luminance, area)
    return _variance(second, area) / contrast if contrast >= LEAST_CONTRAST else 0.0


def _variance(values: np.ndarray, mask: np.ndarray) -> float:
    return float(cv2.meanStdDev(values, mask=mask)[1][0, 0]) ** 2


def _saturation(brightest: np.ndarray, darkest: np.ndarray, cells: np.ndarray) -> float:
    if not cells.any():
        return 0.0
    share = (brightest - darkest).astype(np.float32) / np.maximum(brightest, 1)
    return float(cv2.mean(share, cells)[0])


def _stain(lab: np.ndarray, mask: np.ndarray) -> Stain:
    """Statistics of 8-bit Lab (L scaled to 0..255, a and b moved by 128) in true units."""
    mean, deviation = (values.ravel().tolist() for values in cv2.meanStdDev(lab, mask=mask))
    unit = 100 / 255
    return Stain(
        (mean[0] * unit, mean[1] - 128, mean[2] - 128),
        (deviation[0] * unit, deviation[1], deviation[2]),
    )
