"""The orientation that an image file states, and turning its samples upright."""

import struct

import numpy as np
from PIL import ImageFile

from leukoflow.images.samples import Samples, Stored

TAG = 274


def stated_orientation(image: ImageFile.ImageFile) -> int:
    """Of a JPEG or PNG, 1 to 8; 1 if there is none or it cannot be read."""
    if "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(TAG, 1)
    except (SyntaxError, ValueError, LookupError, TypeError, OSError, struct.error):
        # A damaged EXIF block says nothing about the pixels.
        return 1
    return value if value in range(1, 9) else 1


def upright(samples: Samples, orientation: int) -> Samples:
    """Samples turned or mirrored as their orientation asks."""
    if orientation == 1:
        return samples
    alpha = None if samples.alpha is None else _turned(samples.alpha, orientation)
    return samples._replace(values=_turned(samples.values, orientation), alpha=alpha)


def _turned(values: Stored, orientation: int) -> Stored:
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)
