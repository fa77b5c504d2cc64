"""What probes see of a picture: colours without shapes, the background without cells, a few counts."""

import cv2
import numpy as np

from leukoflow.core.picture import Raster

BINS = 16
THUMBNAIL = 16
"""Side of the thumbnail, pixels."""
CORNER = (0.55, 0.75)
"""Where the lower right corner begins, fractions of width and height: there scale bars are burnt in."""
CORNER_SIZE = (12, 6)
"""Width and height that the corner is averaged down to, pixels."""
PICTURE_FEATURES = {
    "colour_statistics": 6,
    "colour_histogram": 3 * BINS,
    "background": 6 + 3 * BINS,
    "thumbnail": 3 * THUMBNAIL**2,
    "corner": 3 * CORNER_SIZE[0] * CORNER_SIZE[1],
    "cell_size": 2,
    "cell_density": 3,
}
"""Numbers that each probe sees of a picture."""


def picture_features(image: np.ndarray) -> dict[str, np.ndarray]:
    """The features of `PICTURE_FEATURES`, each float32 [k], of an image uint8 [H, W, 3] (RGB) without letterbox."""
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    raster = Raster(image)
    cells = raster.foreground
    everything = np.ones(cells.shape, np.uint8)
    empty = _empty(cells)
    features = {
        "colour_statistics": _statistics(lab, everything),
        "colour_histogram": _histogram(lab, everything),
        "background": np.concatenate([_statistics(lab, empty), _histogram(lab, empty)]),
        "thumbnail": cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA).ravel(),
        "corner": _corner(image),
    }
    features |= _cells(raster.stained, cells)
    return {name: values.astype(np.float32) for name, values in features.items()}


def _empty(cells: np.ndarray) -> np.ndarray:
    """The background without a rim around the cells, which blur and compression tint: uint8 [H, W]."""
    side = max(5, round(min(cells.shape) / 24) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    empty = 1 - cv2.dilate(cells.astype(np.uint8), kernel)
    return empty if empty.any() else (~cells).astype(np.uint8)


def _statistics(lab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    mean, deviation = cv2.meanStdDev(lab, mask=mask)
    return np.concatenate([mean.ravel(), deviation.ravel()])


def _histogram(lab: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Shares of the masked pixels in 16 bins each of L (0 to 100), a and b (-64 to 64), as the colour baseline has."""
    parts = []
    for channel, (low, high) in zip(cv2.split(lab), ((0, 256), (64, 192), (64, 192)), strict=True):
        inside = channel[mask > 0].astype(np.int64).clip(low, high - 1)
        parts.append(np.bincount((inside - low) * BINS // (high - low), minlength=BINS) / max(1, len(inside)))
    return np.concatenate(parts)


def _corner(image: np.ndarray) -> np.ndarray:
    """The lower right corner, averaged down, less the picture's mean colour: a stain alone leaves no trace in it."""
    height, width = image.shape[:2]
    corner = image[int(CORNER[1] * height) :, int(CORNER[0] * width) :]
    small = cv2.resize(corner.astype(np.float32), CORNER_SIZE, interpolation=cv2.INTER_AREA)
    return (small - np.array(cv2.mean(image)[:3])).ravel()


def _cells(white: np.ndarray, cells: np.ndarray) -> dict[str, np.ndarray]:
    """Diameters of the stained objects (median and ninth decile, shares of the side), and how much there is of them."""
    count, _, boxes, _ = cv2.connectedComponentsWithStats(white.astype(np.uint8))
    diameters = np.sqrt(4 / np.pi * boxes[1:, cv2.CC_STAT_AREA] / white.size)
    sizes = np.quantile(diameters, [0.5, 0.9]) if count > 1 else np.zeros(2)
    return {"cell_size": sizes, "cell_density": np.array([cells.mean(), white.mean(), count - 1])}
