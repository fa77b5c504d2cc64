"""Cells told from empty background by thresholds, with no model and no training.

Two masks of an RGB image: `foreground_mask` (every cell, red or white) and `stained_mask` (cells with a purple or pink
nuclear stain: the white cells). Thresholds are Otsu's (1979, doi 10.1109/TSMC.1979.4310076), taken in each image.
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
SMALLEST_CELL = 0.0008
"""Smallest stained object kept, fraction of the image (5 x 8 pixels of 224 x 224)."""


def check_rgb(image: np.ndarray) -> None:
    """Raise LeukoFlowError unless the image is uint8 [H, W, 3] with at least one pixel."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise LeukoFlowError(f"an image must be uint8 [H, W, 3], this is {image.dtype} {list(image.shape)}")


def background_colour(image: np.ndarray) -> np.ndarray:
    """Colour of the empty background: the median, channel by channel, of the brightest quarter. uint8 [3] (RGB)."""
    luminance = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    level = _quantile(luminance, 1 - BRIGHTEST, None)
    bright = cv2.compare(luminance, level, cv2.CMP_GE)
    return np.array([_quantile(channel, 0.5, bright) for channel in cv2.split(image)], np.uint8)


def foreground_mask(image: np.ndarray) -> np.ndarray:
    """Every cell: pixels darker than the background in at least one channel. uint8 [H, W, 3] -> bool [H, W].

    All false where nothing differs from the background, as in a blank image.
    """
    check_rgb(image)
    smooth = cv2.blur(image, (3, 3))
    colour = background_colour(smooth)
    darker = cv2.subtract(np.broadcast_to(colour, image.shape), smooth)
    darkening = np.minimum(darker.max(axis=2), MOST_DARKENING)
    threshold, _ = cv2.threshold(darkening, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    return darkening > max(threshold, LEAST_DARKENING)


def stained_mask(image: np.ndarray, foreground: np.ndarray | None = None) -> np.ndarray:
    """White cells: the foreground that is more magenta, min(R, B) - G, than the rest of it. Bool [H, W].

    Where the foreground is of one kind, all of it is stained if it is more magenta than the background, else none.
    Small objects are dropped. `foreground` is `foreground_mask(image)` where that is at hand.
    """
    check_rgb(image)
    if foreground is None:
        foreground = foreground_mask(image)
    if not foreground.any():
        return foreground.copy()
    red, green, blue = cv2.split(cv2.blur(image, (3, 3)).astype(np.int16))
    magenta = np.clip(np.minimum(red, blue) - green + 128, 0, 255).astype(np.uint8)
    inside = magenta[foreground]
    threshold, _ = cv2.threshold(inside.reshape(1, -1), 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    high, low = inside[inside > threshold], inside[inside <= threshold]
    if high.size and low.size and high.mean() - low.mean() >= LEAST_MAGENTA_STEP:
        stained = foreground & (magenta > threshold)
    elif foreground.all() or inside.mean() - magenta[~foreground].mean() < LEAST_MAGENTA_STEP:
        return np.zeros_like(foreground)
    else:
        stained = foreground
    return _objects(stained)


def _objects(mask: np.ndarray) -> np.ndarray:
    """Open, close, and drop what is smaller than a cell; kernels grow with the image (5 pixels at 224)."""
    side = max(3, round(min(mask.shape) / 45) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    smooth = cv2.morphologyEx(mask.astype(np.uint8), cv2.MORPH_OPEN, kernel)
    smooth = cv2.morphologyEx(smooth, cv2.MORPH_CLOSE, kernel)
    _, labels, statistics, _ = cv2.connectedComponentsWithStats(smooth, connectivity=4)
    keep = statistics[:, cv2.CC_STAT_AREA] >= SMALLEST_CELL * mask.size
    keep[0] = False
    return keep[labels]


def _quantile(channel: np.ndarray, fraction: float, mask: np.ndarray | None) -> int:
    """Smallest grey level that at least this fraction of the (masked) pixels do not exceed."""
    histogram = cv2.calcHist([channel], [0], mask, [256], [0, 256]).ravel()
    cumulated = np.cumsum(histogram, dtype=np.float64)
    return int(np.searchsorted(cumulated, fraction * cumulated[-1]))
