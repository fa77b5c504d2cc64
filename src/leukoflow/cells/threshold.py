"""White cells and their nuclei by thresholds: the classical way, for cohorts without masks and to compare with.

A rule names a channel and how it is divided: Otsu's threshold (1979, doi 10.1109/TSMC.1979.4310076) times a factor, or
k-means in CIELAB whose clusters with the highest channel are kept. Rules are tuned on training images alone.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import cv2
import numpy as np

from leukoflow.cells.agreement import parts_overlap
from leukoflow.cells.labels import BACKGROUND, CYTOPLASM, NUCLEUS
from leukoflow.core.foreground import large_objects, otsu, smoothed
from leukoflow.core.picture import Raster

CHANNELS = ("saturation", "magenta", "a", "darkness")
FACTORS = (0.7, 0.85, 1.0, 1.15)
MOST_PIXELS = 4096
"""Pixels, evenly spaced, that k-means looks at."""


@dataclass(frozen=True)
class Rule:
    """How a region is divided: `stained` (`core.picture.Raster.stained`), `otsu` or `kmeans`."""

    method: str
    channel: str = ""
    factor: float = 1.0
    """On Otsu's threshold."""
    clusters: int = 0
    """Of k-means; the one with the highest channel is kept (of three or more for cells: all but the lowest)."""


@dataclass(frozen=True)
class Thresholds:
    """Rules for cells in the image, and for nuclei in the cells."""

    cell: Rule = Rule("stained")
    nucleus: Rule = Rule("otsu", "darkness")

    def described(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def thresholds_of(described: dict[str, Any]) -> Thresholds:
    """What `Thresholds.described` gave."""
    return Thresholds(Rule(**described["cell"]), Rule(**described["nucleus"]))


def segment_by_threshold(raster: Raster, rules: Thresholds) -> np.ndarray:
    """Parts map uint8 [H, W] of an image."""
    cell = cell_mask(raster, rules.cell)
    nucleus = nucleus_mask(raster.pixels, cell, rules.nucleus)
    return np.where(nucleus, NUCLEUS, np.where(cell, CYTOPLASM, BACKGROUND)).astype(np.uint8)


def cell_mask(raster: Raster, rule: Rule) -> np.ndarray:
    """White cells by one rule: bool [H, W]."""
    if rule.method == "stained":
        return raster.stained
    everywhere = np.ones(raster.pixels.shape[:2], bool)
    mask = _divided(raster.pixels, everywhere, rule, keep_middle=True)
    return large_objects(_filled(smoothed(mask.astype(np.uint8))))


def nucleus_mask(image: np.ndarray, cell: np.ndarray, rule: Rule) -> np.ndarray:
    """Nuclei within cells bool [H, W], by one rule: bool [H, W]."""
    if cell.sum() < 16:
        return np.zeros_like(cell)
    mask = _divided(image, cell, rule, keep_middle=False).astype(np.uint8)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (3, 3))
    return (_filled(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel)) > 0) & cell


def _channel(image: np.ndarray, name: str) -> np.ndarray:
    """uint8 [H, W]; the more it looks like a nucleus, the higher."""
    smooth = cv2.blur(image, (3, 3))
    if name == "saturation":
        return cv2.cvtColor(smooth, cv2.COLOR_RGB2HSV)[:, :, 1]
    if name == "a":
        return cv2.cvtColor(smooth, cv2.COLOR_RGB2LAB)[:, :, 1]
    red, green, blue = cv2.split(smooth)
    if name == "magenta":
        return cv2.addWeighted(cv2.min(red, blue), 1, green, -1, 128)
    return cv2.bitwise_not(green)


def _divided(image: np.ndarray, region: np.ndarray, rule: Rule, keep_middle: bool) -> np.ndarray:
    """The part of the region that the rule keeps: bool [H, W]."""
    channel = _channel(image, rule.channel)
    values = channel[region]
    if values.min() == values.max():
        return np.zeros_like(region)
    if rule.method == "otsu":
        return region & (channel > min(254.0, otsu(np.bincount(values, minlength=256).astype(float))[0] * rule.factor))
    lab = cv2.cvtColor(cv2.blur(image, (3, 3)), cv2.COLOR_RGB2LAB).astype(np.float32)
    pixels = lab[region]
    sample = np.ascontiguousarray(pixels[:: max(1, len(pixels) // MOST_PIXELS)])
    if len(sample) < rule.clusters:
        return np.zeros_like(region)
    cv2.setRNGSeed(0)
    stop = (cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 20, 0.5)
    _, _, centres = cv2.kmeans(sample, rule.clusters, None, stop, 2, cv2.KMEANS_PP_CENTERS)  # type: ignore[call-overload]
    # The squared distance without the pixel's own square, which is the same for every centre.
    nearest = np.argmin((centres**2).sum(axis=1) - 2 * (pixels @ centres.T), axis=1)
    counts = np.bincount(nearest, minlength=rule.clusters)
    means = np.bincount(nearest, weights=values, minlength=rule.clusters) / np.maximum(counts, 1)
    kept = np.argsort(means)[1:] if keep_middle and rule.clusters > 3 else [int(means.argmax())]
    mask = np.zeros_like(region)
    mask[region] = np.isin(np.arange(rule.clusters), kept)[nearest]
    return mask


def _filled(mask: np.ndarray) -> np.ndarray:
    """A mask uint8 0 or 1 [H, W] without its holes: what the outside does not reach by steps along the sides."""
    outside = cv2.copyMakeBorder(mask, 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=[0])
    cv2.floodFill(outside, None, (0, 0), [2], flags=4)
    return (outside[1:-1, 1:-1] != 2).astype(np.uint8)


def candidates(part: str) -> list[Rule]:
    """The rules that tuning chooses from, for `cell` or `nucleus`."""
    rules = [Rule("stained")] if part == "cell" else []
    rules += [Rule("otsu", channel, factor) for channel in CHANNELS for factor in FACTORS]
    counts = (2, 3, 4) if part == "cell" else (2, 3)
    return rules + [Rule("kmeans", channel, clusters=count) for channel in CHANNELS for count in counts]


def tune(sources: Sequence[tuple[np.ndarray, np.ndarray]]) -> tuple[Thresholds, dict[str, float]]:
    """The rules with the best mean Dice over sources, and that Dice for `cell` and `nucleus`.

    sources: for each, images uint8 [n, S, S, 3] and parts maps uint8 [n, S, S] of the training role. The rule for
    nuclei is chosen within the expert's cells. Without sources, or nuclei in them, the defaults stand.
    """
    best, dice = Thresholds(), {}
    for part in ("cell", "nucleus"):
        scored: list[tuple[float, Rule]] = []
        for rule in candidates(part):
            means = [score for score in (_mean_dice(*source, part, rule) for source in sources) if score is not None]
            if means:
                scored.append((float(np.mean(means)), rule))
        if scored:
            dice[part], chosen = max(scored, key=lambda pair: pair[0])
            best = Thresholds(chosen, best.nucleus) if part == "cell" else Thresholds(best.cell, chosen)
    return best, dice


def _mean_dice(images: np.ndarray, parts: np.ndarray, part: str, rule: Rule) -> float | None:
    """Mean Dice of one rule over the images of a source, None if the source does not tell the part.

    Images in which neither mask has the part do not count.
    """
    values = []
    for image, truth in zip(images, parts, strict=True):
        if part == "cell":
            predicted = np.where(cell_mask(Raster(image), rule), CYTOPLASM, BACKGROUND)
        else:
            predicted = np.where(nucleus_mask(image, (truth > 0) & (truth < 255), rule), NUCLEUS, BACKGROUND)
        score = parts_overlap(predicted.astype(np.uint8), truth).get(part)
        if score is not None and not np.isnan(score.dice):
            values.append(score.dice)
    return float(np.mean(values)) if values else None
