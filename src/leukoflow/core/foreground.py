"""Cells told from empty background by thresholds, with no model and no training.

Two masks of an RGB image: `foreground_mask` (every cell, red or white) and `stained_mask` (cells with a purple or pink
nuclear stain: the white cells). Thresholds are Otsu's (1979, doi 10.1109/TSMC.1979.4310076), taken in each image.
`core.picture.Raster` keeps what is found in an image, so that it is found once.
"""

import cv2
import numpy as np

from leukoflow.core.errors import LeukoFlowError

BRIGHTEST = 0.25
"""Fraction of the pixels, the brightest, that is taken for empty background at first."""
LEAST_DARKENING = 8
"""Grey levels by which a pixel must at least be darker than the background, in some channel, to be a cell's."""
MOST_DARKENING = 80
"""Darker pixels count as this dark, so that the threshold falls below the red cells, not between red and white."""
LEAST_MAGENTA_STEP = 16
"""Grey levels of magenta by which stained cells must at least differ from the other cells."""
WHITE = 240
"""Grey level that `white_balanced` gives the empty background."""
MOST_BALANCE = 3.0
"""A channel is brightened at most this many times."""
SMALLEST_CELL = 0.0008
"""Smallest stained object kept, fraction of the image (5 x 8 pixels of 224 x 224)."""


def check_rgb(image: np.ndarray) -> None:
    """Raise LeukoFlowError unless the image is uint8 [H, W, 3] with at least one pixel."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise LeukoFlowError(f"an image must be uint8 [H, W, 3], this is {image.dtype} {list(image.shape)}")


def background_colour(image: np.ndarray) -> np.ndarray:
    """Colour of the empty background: the median, channel by channel, of the brightest quarter. uint8 [3] (RGB).

    Of large images every n-th pixel is looked at, about 112 along the shorter side.
    """
    step = max(1, min(image.shape[:2]) // 112)
    if step > 1:
        image = cv2.resize(image, None, fx=1 / step, fy=1 / step, interpolation=cv2.INTER_NEAREST)
    luminance = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    level = _quantile(_histogram(luminance), 1 - BRIGHTEST)
    bright = cv2.inRange(luminance, np.array([level]), np.array([255]))
    return np.array([_quantile(_histogram(channel, bright), 0.5) for channel in cv2.split(image)], np.uint8)


def white_balanced(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """The image as under a white lamp: each channel scaled so that the empty background has level `WHITE`.

    uint8 [H, W, 3], uint8 [3] -> uint8 [H, W, 3]; brighter pixels are clipped at 255.
    """
    gain = WHITE / np.maximum(background.astype(np.float64), WHITE / MOST_BALANCE)
    levels = np.rint(np.minimum(np.arange(256)[:, None] * gain, 255)).astype(np.uint8)
    return cv2.LUT(image, levels[None])


def foreground_mask(image: np.ndarray) -> np.ndarray:
    """Every cell: pixels darker than the background in at least one channel. uint8 [H, W, 3] -> bool [H, W].

    All false if nothing differs from the background, as in a blank image.
    """
    check_rgb(image)
    smooth = cv2.blur(image, (3, 3))
    colour = background_colour(smooth)
    red, green, blue = (
        cv2.subtract(np.full_like(channel, level), channel)
        for channel, level in zip(cv2.split(smooth), colour, strict=True)
    )
    darkening = cv2.min(cv2.max(cv2.max(red, green), blue), np.full_like(red, MOST_DARKENING))
    threshold, _, _ = otsu(_histogram(darkening))
    return darkening > max(threshold, LEAST_DARKENING)


def stained_mask(image: np.ndarray, foreground: np.ndarray) -> np.ndarray:
    """White cells: the foreground that is more magenta, min(R, B) - G, than the rest of it. Bool [H, W].

    If the foreground is of one kind, all of it is stained if it is more magenta than the background, else none.
    Small objects are dropped. image: uint8 [H, W, 3]; foreground: bool [H, W], by `foreground_mask`.
    """
    inside = foreground.astype(np.uint8)
    red, green, blue = cv2.split(cv2.blur(image, (3, 3)))
    magenta = cv2.addWeighted(cv2.min(red, blue), 1, green, -1, 128)
    threshold, low, high = otsu(_histogram(magenta, inside))
    if high - low >= LEAST_MAGENTA_STEP:
        return large_objects(smoothed(cv2.bitwise_and(inside, (magenta > threshold).astype(np.uint8))))
    step = cv2.mean(magenta, inside)[0] - cv2.mean(magenta, 1 - inside)[0]
    return large_objects(smoothed(inside if step >= LEAST_MAGENTA_STEP else np.zeros_like(inside)))


def smoothed(mask: np.ndarray) -> np.ndarray:
    """Opened, then closed, by kernels that grow with the image (5 pixels at 224): uint8 0 or 1 [H, W] -> the same."""
    side = max(3, round(min(mask.shape) / 45) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    return cv2.morphologyEx(cv2.morphologyEx(mask, cv2.MORPH_OPEN, kernel), cv2.MORPH_CLOSE, kernel)


def large_objects(mask: np.ndarray) -> np.ndarray:
    """A mask without what is smaller than a cell: uint8 0 or 1 [H, W] -> bool."""
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=4)
    keep: np.ndarray = statistics[:, cv2.CC_STAT_AREA] >= SMALLEST_CELL * mask.size
    keep[0] = False
    return keep[labels]


def _histogram(channel: np.ndarray, mask: np.ndarray | None = None) -> np.ndarray:
    """Number of (masked) pixels at each grey level: float64 [256]."""
    return cv2.calcHist([channel], [0], mask, [256], [0, 256]).ravel().astype(np.float64)


def _quantile(histogram: np.ndarray, fraction: float) -> int:
    """Smallest grey level that at least this fraction of the pixels do not exceed."""
    cumulated = np.cumsum(histogram)
    return int(np.searchsorted(cumulated, fraction * cumulated[-1]))


def otsu(histogram: np.ndarray) -> tuple[int, float, float]:
    """Otsu's threshold (the upper class is above it) and the means of both classes; (255, 0, 0) for a single level."""
    below = np.cumsum(histogram)
    above = below[-1] - below
    sums = np.cumsum(histogram * np.arange(256))
    valid = (below > 0) & (above > 0)
    if not valid.any():
        return 255, 0.0, 0.0
    low = sums / np.maximum(below, 1)
    high = (sums[-1] - sums) / np.maximum(above, 1)
    threshold = int(np.argmax(np.where(valid, below * above * (high - low) ** 2, -1.0)))
    return threshold, float(low[threshold]), float(high[threshold])
