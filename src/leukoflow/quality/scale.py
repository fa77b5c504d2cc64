"""Physical scale of an image, from its red cells: a red cell on a smear is about 7.5 micrometres wide.

Around the middle of each likely red cell rays are cast to its outline. If a neighbour overlaps it, the rays are left
out, and a smooth outline (mean radius, shift and ellipse) is fitted to the others, so that cells in chains count too.
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pandas as pd

RED_CELL_UM = 7.5
"""Diameter of a red cell on a dried smear, micrometres (normal 6.2 to 8.2)."""
BLOCK = 512
"""Peaks compared with all others at a time."""
LEAST_RADIUS = 3.5
"""Radius, in pixels, below which an outline is too coarse to be measured."""
MOST_WHITE = 0.6
"""Where a larger fraction of the foreground is stained, the red cells are so too; then the darker cells are white."""
EMPTY, RED, WHITE, OUTSIDE = range(4)
RAYS, STEPS = 24, 21
"""Rays around a cell's middle, and pixels looked at along each."""
START, REACH = 0.8, 1.6
"""Where rays begin and end, in radii of the largest disc inside the cell. A ray that does not leave the red cells, or
meets a white cell, has no outline to show."""
LEAST_FREE = 0.6
"""Fraction of the rays that must show the outline."""
MOST_OFF = 0.12
"""Distance from the fitted outline, in mean radii, from which a ray is no longer the cell's own."""
MOST_ROUGH = 0.07
"""Largest root mean square distance of the outline from the fitted one, in mean radii."""
MOST_OVAL = 0.22
"""Largest amplitude of the second wave of the outline, in mean radii: an ellipse of sides about 2 : 3."""
MOST_SHIFT = 0.35
"""Largest amplitude of the first wave: the distance from the fitted middle, in mean radii."""
ALIKE = 1.35
"""Red cells differ from their median diameter by less than this factor; others are platelets, clumps, white cells."""
LEAST_CELLS = 3
"""Fewer red cells give no scale."""
CONFIDENT = 0.5
"""Confidence from which an image's own scale is taken."""
NEAR = 1.6
"""Largest factor between an image's own scale and its cohort's."""
FIELD_UM = 72.0
"""What the longer side of an image of unknown scale is taken to span, micrometres."""
Waves = NDArray[np.float64]


@dataclass(frozen=True)
class Scale:
    """Red cells of one image."""

    diameter_px: float
    """Median diameter in pixels of the image as given (of a circle of the same area); NaN without a scale."""
    cells: int
    """How many were measured."""
    spread: float
    """Median absolute deviation of the diameters times 1.4826, over their median; NaN without a scale."""
    confidence: float
    """0 (no scale) to 1: grows with the number of cells and with their agreement."""

    @property
    def um_per_pixel(self) -> float:
        """Micrometres a pixel; NaN without a scale."""
        return RED_CELL_UM / self.diameter_px


NO_SCALE = Scale(float("nan"), 0, float("nan"), 0.0)


def red_cell_scale(image: np.ndarray, foreground: np.ndarray, stained: np.ndarray, shrunk: float = 1.0) -> Scale:
    """Size of the red cells of an image, uint8 [H, W, 3] RGB; foreground, stained: bool [H, W], without a scale bar.

    shrunk: factor by which the image was shrunk before; the result is in pixels of what it was.
    """
    scale = summarise(red_cells(image, foreground, stained)[1])
    return replace(scale, diameter_px=scale.diameter_px / shrunk)


def summarise(diameters: NDArray) -> Scale:
    """Scale from single diameters [n], pixels, some of them of other things than red cells."""
    if len(diameters) < LEAST_CELLS:
        return NO_SCALE
    # Weighted by area at first, so that many small things (platelets, dirt) cannot outvote the cells.
    middle = _weighted_median(diameters, diameters**2)
    kept = diameters[np.abs(np.log(diameters / middle)) < np.log(ALIKE)]
    if len(kept) < LEAST_CELLS:
        return NO_SCALE
    median = float(np.median(kept))
    spread = float(1.4826 * np.median(np.abs(kept - median)) / median)
    return Scale(median, len(kept), spread, _confidence(len(kept), len(kept) / len(diameters), spread))


def _confidence(cells: int, share: float, spread: float) -> float:
    """From the number of cells, their share of all that was measured, and the spread of their diameters."""
    number = 1 - np.exp(-(cells - LEAST_CELLS + 1) / 4)
    return float(number * min(1.0, 1.25 * share) * np.clip(1.5 - 5 * spread, 0, 1))


def settle(table: "pd.DataFrame") -> "pd.DataFrame":
    """The scale of every image of a cohort, from the scales of all: a copy with `um_per_pixel` and `scale_source` set.

    table: `um_per_pixel` (NaN if there is none), `scale_confidence` and, where known, `width` and `height`. An image
    keeps its `own` scale where it is confident and within a factor of 1.6 of the cohort's, else it gets the
    `cohort`'s: the median of the confident images, weighted by confidence, of the micrometres to a pixel or
    to an image's longer side, whichever differs less among them: cut-outs share the one, one field in several
    resolutions the other. Without any confident image all are `assumed`, NaN: see `assumed_um_per_pixel`.
    """
    settled = table.copy()
    scales = table["um_per_pixel"].to_numpy(np.float64)
    confidence = np.where(np.isfinite(scales), table["scale_confidence"].to_numpy(np.float64), 0.0)
    sure = confidence >= CONFIDENT
    if not sure.any():
        return settled.assign(um_per_pixel=np.nan, scale_source="assumed")
    units = [np.ones(len(table))]
    if {"width", "height"} <= set(table.columns):
        units.append(table[["width", "height"]].max(axis=1).to_numpy(np.float64))
    candidates = [_weighted_median(scales[sure] * unit[sure], confidence[sure]) / unit for unit in units]
    differ = [np.average(np.abs(np.log(scales[sure] / usual[sure])), weights=confidence[sure]) for usual in candidates]
    usual = candidates[int(np.argmin(differ))]
    kept = sure & (np.abs(np.log(np.where(sure, scales, usual) / usual)) <= np.log(NEAR))
    return settled.assign(um_per_pixel=np.where(kept, scales, usual), scale_source=np.where(kept, "own", "cohort"))


@dataclass(frozen=True)
class Usual:
    """The scale of a cohort's images."""

    um: float
    """Micrometres to a pixel, or to the longer side of an image."""
    of_side: bool
    """Whether to the longer side."""
    given: bool = False
    """Whether the config gives it, and no image is asked."""

    def um_per_pixel(self, width: int, height: int) -> float:
        """Of an image of this size."""
        return self.um / max(width, height) if self.of_side else self.um

    def settled(self, measured: float, sure: bool, width: int, height: int) -> float:
        """Micrometres to a pixel of an image, as `settle` has them: its own if it is sure and near the cohort's."""
        usual = self.um_per_pixel(width, height)
        near = sure and not self.given and abs(np.log(measured / usual)) <= np.log(NEAR)
        return measured if near else usual


def usual_of(settled: "pd.DataFrame") -> Usual | None:
    """The scale of a cohort, from the scales of its images; None if all are assumed.

    settled: `um_per_pixel`, `scale_source`, `scale_confidence`, `width`, `height`, as `settle` or the config has them.
    """
    from_image, from_cohort = (settled[settled["scale_source"] == source] for source in ("own", "cohort"))
    from_config = settled[settled["scale_source"] == "given"]
    if len(from_config):
        return Usual(float(from_config["um_per_pixel"].iloc[0]), of_side=False, given=True)
    if from_image.empty:
        return None
    candidates = []
    for of_side in (False, True):
        values, others = (
            part["um_per_pixel"].to_numpy(float)
            * (part[["width", "height"]].max(axis=1).to_numpy(float) if of_side else 1.0)
            for part in (from_image, from_cohort)
        )
        confidence = from_image["scale_confidence"].to_numpy(float)
        usual = float(np.median(others)) if len(others) else _weighted_median(values, confidence)
        apart = float(np.average(np.abs(np.log(values / usual)), weights=confidence))
        candidates.append((apart, of_side, usual))
    _, of_side, usual = min(candidates)
    return Usual(usual, of_side)


def assumed_um_per_pixel(width: int, height: int) -> float:
    """Scale to assume if no image of a cohort shows its own: the longer side spans 72 micrometres.

    That is a field at a magnification of 100; pictures of single white cells span 20 to 40 micrometres.
    """
    return FIELD_UM / max(width, height)


def _weighted_median(values: NDArray, weights: NDArray) -> float:
    """Smallest value up to which at least half of the weight lies; NaN for none."""
    if not len(values):
        return float("nan")
    order = np.argsort(values, kind="stable")
    share = np.cumsum(weights[order])
    return float(values[order][np.searchsorted(share, share[-1] / 2)])


def red_cells(image: np.ndarray, foreground: np.ndarray, stained: np.ndarray) -> tuple[NDArray, NDArray]:
    """Whole single red cells of uint8 [H, W, 3]: fitted middles [n, 2] (x, y) and diameters [n], pixels."""
    white = cv2.dilate(_white(image, foreground, stained.astype(np.uint8)), np.ones((3, 3), np.uint8))
    red = cv2.bitwise_and(_filled(cv2.bitwise_and(foreground.astype(np.uint8), 1 - white)), 1 - white)
    if red.all():
        return np.empty((0, 2)), np.empty(0)  # without an edge no pixel is deeper than another
    depth = cv2.distanceTransform(red, cv2.DIST_L2, 5)
    middles, radii = _middles(depth)
    # The disc around the middle must lie inside the image.
    inside = (middles >= radii[:, None]) & (middles < np.array(red.shape[::-1]) - radii[:, None])
    middles, radii = middles[inside.all(axis=1)], radii[inside.all(axis=1)]
    if not len(middles):
        return np.empty((0, 2)), np.empty(0)
    return _outlines(red + WHITE * white, middles, radii)


def _white(image: np.ndarray, foreground: np.ndarray, stained: np.ndarray) -> np.ndarray:
    """White cells, uint8 [H, W] 0 or 1: the stained, or the darker ones where nearly everything is stained."""
    cells = foreground.astype(np.uint8)
    if cv2.countNonZero(stained) <= MOST_WHITE * cv2.countNonZero(cells):
        return stained
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    level, _ = cv2.threshold(grey[foreground], 0, 255, cv2.THRESH_OTSU)
    return cv2.bitwise_and(cells, (grey <= level).astype(np.uint8))


def _filled(red: np.ndarray) -> np.ndarray:
    """Holes filled that look like a red cell's pallor, convex, rather than like a gap between cells. uint8 [H, W]."""
    outlines, tree = cv2.findContours(red, cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE)
    holes = []
    for outline, links in zip(outlines, tree[0] if tree is not None else (), strict=True):
        if links[3] >= 0:
            area, hull = cv2.contourArea(outline), cv2.contourArea(cv2.convexHull(outline))
            if area >= 0.8 * hull:
                holes.append(outline)
    return cv2.drawContours(red.copy(), holes, -1, 1, cv2.FILLED)


def _middles(depth: np.ndarray) -> tuple[NDArray, NDArray]:
    """Where the red cells are deepest: middles [n, 2] (x, y) and the depth there [n], pixels.

    Of two peaks closer than the deeper one's radius only that one stays.
    """
    smooth = cv2.GaussianBlur(depth, (5, 5), 1)
    peaks = (smooth == cv2.dilate(smooth, np.ones((5, 5), np.uint8))) & (depth >= LEAST_RADIUS)
    rows, columns = np.divmod(np.flatnonzero(peaks), depth.shape[1])
    order = np.argsort(-smooth[rows, columns], kind="stable")
    middles = np.stack([columns, rows], 1)[order].astype(np.float32)
    radii = depth[rows, columns][order]
    (x, y), alone = middles.T, np.ones(len(middles), bool)
    # In parts, as there may be thousands of peaks along the ridges of a picture that is no smear.
    for first in range(0, len(middles), BLOCK):
        part = np.s_[first : first + BLOCK]
        near = np.square(x[part, None] - x) + np.square(y[part, None] - y) < np.square(radii[part])[:, None]
        alone &= ~np.triu(near, 1 + first).any(axis=0)
    return middles[alone], radii[alone]


def _outlines(kind: np.ndarray, middles: NDArray, radii: NDArray) -> tuple[NDArray, NDArray]:
    """Fitted middles [n, 2] and diameters [n] of those cells whose outline shows well enough.

    kind: uint8 [H, W], `EMPTY`, `RED` or `WHITE`.
    """
    around = np.linspace(0, 2 * np.pi, RAYS, endpoint=False, dtype=np.float32)
    steps = np.linspace(START, REACH, STEPS, dtype=np.float32)
    # Pixels along the rays, [cells, rays, steps]; what lies outside the image falls on the frame around it.
    pad = int(np.ceil(REACH * radii.max())) + 1
    framed = cv2.copyMakeBorder(kind, pad, pad, pad, pad, cv2.BORDER_CONSTANT, value=[OUTSIDE])
    reach = radii[:, None, None] * steps
    x, y = (
        (start[:, None, None] + reach * wave(around)[:, None]).astype(np.int32)
        for start, wave in zip(middles.T + np.float32(pad + 0.5), (np.cos, np.sin), strict=True)
    )
    met = framed.ravel()[y * np.int32(framed.shape[1]) + x]
    first = np.argmax(met != RED, axis=2)
    end = np.take_along_axis(met, first[:, :, None], 2)[:, :, 0]
    length = radii[:, None] * (steps[first] - (steps[1] - steps[0]) / 2)

    basis = np.stack([np.ones(RAYS), *(wave(k * around) for k in (1, 2) for wave in (np.cos, np.sin))], 1)
    shown = used = end == EMPTY
    waves = _fit(length, used, basis)
    # Once more, without the rays that slip through a gap between cells.
    used = shown & (np.abs(length - waves @ basis.T) < MOST_OFF * waves[:, :1])
    waves = _fit(length, used, basis)
    mean = waves[:, 0]
    misfit = np.where(used, length - waves @ basis.T, 0)
    rough = np.sqrt(np.square(misfit).sum(axis=1) / np.maximum(used.sum(axis=1), 1))
    oval, shift = np.hypot(waves[:, 3], waves[:, 4]), np.hypot(waves[:, 1], waves[:, 2])
    good = (used.mean(axis=1) >= LEAST_FREE) & ~(end == OUTSIDE).any(axis=1)
    good &= (rough <= MOST_ROUGH * mean) & (oval <= MOST_OVAL * mean) & (shift <= MOST_SHIFT * mean)
    diameters = 2 * np.sqrt(mean**2 + 0.5 * np.square(waves[:, 1:]).sum(axis=1))
    return (middles + waves[:, 1:3])[good], diameters[good]


def _fit(length: NDArray, shown: NDArray, basis: NDArray) -> Waves:
    """Least squares of the shown rays' lengths [n, rays] on the basis [rays, 5]: amplitudes [n, 5].

    A slight pull towards a circle decides where few rays are shown.
    """
    seen = shown.astype(np.float64)
    products = (basis[:, :, None] * basis[:, None, :]).reshape(len(basis), -1)
    normal = (seen @ products).reshape(-1, 5, 5) + np.diag([1e-6, 0.3, 0.3, 0.3, 0.3])
    right = (seen * length) @ basis
    solved = np.linalg.solve(normal, right[:, :, None])[:, :, 0]
    solved[:, 0] = np.maximum(solved[:, 0], 1e-6)
    return np.asarray(solved)
