"""Shape of an image: stretched if it was squeezed."""

import cv2
import numpy as np


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
