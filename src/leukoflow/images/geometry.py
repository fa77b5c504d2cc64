"""Shape of an image: stretched if it was squeezed, or as pixels of a square."""

import cv2
import numpy as np

from leukoflow.core.geometry import Box
from leukoflow.core.picture import Picture, Raster


def stretched(image: np.ndarray, aspect: float | None) -> np.ndarray:
    """An image [H, W, ...] at another ratio of width to height, one side enlarged; as it is if `aspect` is None.

    Linear between the pixels of an image, nearest for a mask (uint8 or uint16 [H, W]).
    """
    height, width = image.shape[:2]
    if aspect is None:
        return image
    size = (max(width, round(height * aspect)), max(height, round(width / aspect)))
    kind = cv2.INTER_LINEAR if image.ndim == 3 else cv2.INTER_NEAREST_EXACT
    return image if size == (width, height) else cv2.resize(image, size, interpolation=kind)


def rendition(image: np.ndarray, size: int, bar: Box | None) -> np.ndarray:
    """The pixels of `Picture.rendition`, if nothing else of an image uint8 [H, W, 3] is needed: uint8 [S, S, 3]."""
    return Picture(Raster(image), bar).rendition(size).raster.pixels
