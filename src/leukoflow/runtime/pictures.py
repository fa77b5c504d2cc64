"""An image on its way to the network: measured as the pipeline does it, by the same functions."""

import numpy as np

from leukoflow.core.foreground import check_rgb
from leukoflow.images.geometry import stretched
from leukoflow.quality.measure import Measurement, measure

SQUARE = 1.01
"""Ratio of the sides up to which an image is square."""


def measured(image: np.ndarray, aspect: float | None, with_scale: bool) -> Measurement:
    """Measure an image uint8 [H, W, 3] as read; a square one is stretched to the aspect first, if there is one.

    The pipeline stretches every file of a cohort that was squeezed; a new image that is not square was not squeezed.
    with_scale: as `quality.measure.measure`. LeukoFlowError if the image is not uint8 RGB.
    """
    check_rgb(image)
    height, width = image.shape[:2]
    if max(height, width) <= SQUARE * min(height, width):
        image = stretched(image, aspect)
    return measure(image, with_scale)
