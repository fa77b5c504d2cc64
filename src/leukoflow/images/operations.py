"""Operations of views on one square picture, uint8 [H, W, 3] RGB to the same.

Those that work in CIELAB are in `images.stain`, those that need label maps in `images.views`.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from leukoflow.config.views import (
    Adaptive,
    Denoise,
    Edge,
    Enhance,
    Grey,
    Hsv,
    Kmeans,
    Mask,
    Multiscale,
    Otsu,
    ReinhardRgb,
    White,
)
from leukoflow.core.picture import Raster

SQUARE = np.ones((3, 3), np.uint8)
CORE = 0.5
"""Share of the largest distance to the edge from which on a pixel is in the core of a part."""


def apply(step: Any, raster: Raster) -> np.ndarray:
    """What an operation makes of a picture."""
    return OPERATIONS[step.do](step, raster)


def _reinhard_rgb(step: ReinhardRgb, raster: Raster) -> np.ndarray:
    mean, sd = (values.ravel() for values in cv2.meanStdDev(raster.pixels))
    gain = np.array(step.sd) / np.maximum(sd, 1e-6)
    levels = (np.arange(256.0)[:, None] - mean) * gain + np.array(step.mean)
    return cv2.LUT(raster.pixels, np.clip(levels, 0, 255).astype(np.uint8)[None])


def _multiscale(step: Multiscale, raster: Raster) -> np.ndarray:
    *finer, made = _gaussians(raster.pixels, step.levels)
    for level in reversed(finer):
        made = cv2.addWeighted(_enlarged(made, level), step.coarse, level, 1 - step.coarse, 0)
    return made


def _enhance(step: Enhance, raster: Raster) -> np.ndarray:
    *finer, made = _gaussians(raster.pixels.astype(np.float32), step.levels)
    for level, coarser in zip(reversed(finer), reversed([*finer, made][1:]), strict=True):
        made = _enlarged(made, level) + step.gain * (level - _enlarged(coarser, level))
    return np.rint(np.clip(made, 0, 255)).astype(np.uint8)


def _gaussians(image: np.ndarray, levels: int) -> list[np.ndarray]:
    """A Gaussian pyramid, the image first; it ends early at one pixel."""
    pyramid = [image]
    while len(pyramid) < levels and min(pyramid[-1].shape[:2]) > 1:
        pyramid.append(cv2.pyrDown(pyramid[-1]))
    return pyramid


def _enlarged(image: np.ndarray, like: np.ndarray) -> np.ndarray:
    height, width = like.shape[:2]
    twice = cv2.pyrUp(image)
    return twice if twice.shape[:2] == (height, width) else cv2.resize(twice, (width, height))


def _denoise(step: Denoise, raster: Raster) -> np.ndarray:
    bgr = cv2.cvtColor(raster.pixels, cv2.COLOR_RGB2BGR)
    made = cv2.fastNlMeansDenoisingColored(bgr, None, step.strength, step.strength, step.template, step.search)
    return cv2.cvtColor(made, cv2.COLOR_BGR2RGB)


def _edge(step: Edge, raster: Raster) -> np.ndarray:
    blurred = cv2.GaussianBlur(raster.pixels, (5, 5), step.sigma)
    return cv2.addWeighted(raster.pixels, 1, cv2.Laplacian(blurred, cv2.CV_8U, ksize=3), step.amount, 0)


def _grey(step: Grey, raster: Raster) -> np.ndarray:
    return cv2.cvtColor(cv2.cvtColor(raster.pixels, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)


def _white(step: White, raster: Raster) -> np.ndarray:
    return raster.balanced


def hsv_mask(step: Hsv, image: np.ndarray) -> np.ndarray:
    """Pixels of a colour, opened, holes filled, without small parts: bool [H, W]."""
    low, high = zip(step.hue, step.saturation, step.value, strict=True)
    inside = cv2.inRange(cv2.cvtColor(image, cv2.COLOR_RGB2HSV), low, high)
    return _cleaned(cv2.morphologyEx(inside, cv2.MORPH_OPEN, SQUARE) > 0, step.least)


def kmeans_mask(step: Kmeans, image: np.ndarray) -> np.ndarray:
    """Nuclei by clusters of a and b: bool [H, W].

    Clusters start at pixels spread evenly over the order of a - b (purple last), so that a picture has one mask only.
    Of the darkest cluster, pixels darker than Otsu's threshold on L stay.
    """
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    points = lab[..., 1:].reshape(-1, 2).astype(np.float32)
    if len(points) < step.clusters:
        return np.zeros(lab.shape[:2], bool)
    order = np.argsort(points[:, 0] - points[:, 1], kind="stable")
    places = np.rint((np.arange(step.clusters) + 0.5) / step.clusters * len(order)).astype(int)
    first = np.argmin(
        np.linalg.norm(points[:, None] - points[order[places.clip(max=len(order) - 1)]][None], axis=2), axis=1
    )
    ends = cv2.TERM_CRITERIA_EPS + cv2.TERM_CRITERIA_MAX_ITER, 30, 0.1
    _, labels, _ = cv2.kmeans(
        points, step.clusters, first.astype(np.int32)[:, None], ends, 1, cv2.KMEANS_USE_INITIAL_LABELS
    )
    light = lab[..., 0]
    clusters = labels.reshape(light.shape)
    means = [light[clusters == k].mean() if (clusters == k).any() else np.inf for k in range(step.clusters)]
    level, _ = cv2.threshold(light, 0, 255, cv2.THRESH_BINARY + cv2.THRESH_OTSU)
    inside = ((clusters == int(np.argmin(means))) & (light <= level)).astype(np.uint8)
    return _cleaned(cv2.morphologyEx(inside, cv2.MORPH_OPEN, SQUARE) > 0, step.least)


def otsu_mask(step: Otsu, image: np.ndarray) -> np.ndarray:
    """Parts darker than Otsu's threshold, by the watershed from their cores: bool [H, W]."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    _, dark = cv2.threshold(grey, 0, 255, cv2.THRESH_BINARY_INV + cv2.THRESH_OTSU)
    opened = cv2.morphologyEx(dark, cv2.MORPH_OPEN, SQUARE, iterations=2)
    return _cleaned(_watershed(image, opened), step.least)


def adaptive_mask(step: Adaptive, image: np.ndarray) -> np.ndarray:
    """Parts darker than their surroundings, by the watershed from their cores: bool [H, W]."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    block = step.block | 1
    kind = cv2.ADAPTIVE_THRESH_GAUSSIAN_C, cv2.THRESH_BINARY_INV
    dark = cv2.adaptiveThreshold(grey, 255, *kind, block, step.offset)
    opened = cv2.morphologyEx(dark, cv2.MORPH_OPEN, SQUARE, iterations=2)
    return _cleaned(_watershed(image, opened), step.least)


def _watershed(image: np.ndarray, parts: np.ndarray) -> np.ndarray:
    """OpenCV's watershed from the cores of parts (uint8 [H, W]), within the parts widened: bool [H, W]."""
    widened = cv2.dilate(parts, SQUARE, iterations=3)
    distance = cv2.distanceTransform(parts, cv2.DIST_L2, 5)
    if not distance.max() > 0:
        return np.zeros(parts.shape, bool)
    cores = (distance > CORE * distance.max()).astype(np.uint8)
    _, markers = cv2.connectedComponents(cores)
    markers = markers + 1
    markers[(widened > 0) & (cores == 0)] = 0
    return cv2.watershed(np.ascontiguousarray(image[..., ::-1]), markers) > 1


def _cleaned(mask: np.ndarray, least: float) -> np.ndarray:
    """A mask with holes filled and without parts smaller than a share of the picture: bool [H, W]."""
    outlines, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    filled = cv2.drawContours(np.zeros(mask.shape, np.uint8), outlines, -1, 1, cv2.FILLED)
    _, labels, stats, _ = cv2.connectedComponentsWithStats(filled)
    kept = stats[:, cv2.CC_STAT_AREA] >= least * mask.size
    kept[0] = False
    return np.asarray(kept[labels])


def on_ground(image: np.ndarray, mask: np.ndarray, ground: int) -> np.ndarray:
    """What a mask, bool [H, W], holds of an image uint8 [H, W, 3], on a flat ground of one grey level."""
    return cv2.copyTo(image, mask.astype(np.uint8), np.full_like(image, ground))


def _masked(mask: Callable[[Any, np.ndarray], np.ndarray]) -> Callable[[Any, Raster], np.ndarray]:
    """The operation that shows what a mask holds, on a flat ground."""

    def operation(step: Mask, raster: Raster) -> np.ndarray:
        return on_ground(raster.pixels, mask(step, raster.pixels), step.ground)

    return operation


OPERATIONS: dict[str, Callable[[Any, Raster], np.ndarray]] = {
    "reinhard_rgb": _reinhard_rgb,
    "multiscale": _multiscale,
    "enhance": _enhance,
    "denoise": _denoise,
    "edge": _edge,
    "grey": _grey,
    "white": _white,
    "hsv": _masked(hsv_mask),
    "kmeans": _masked(kmeans_mask),
    "otsu": _masked(otsu_mask),
    "adaptive": _masked(adaptive_mask),
}
"""A new operation is a section in `config.views` and a function here."""
