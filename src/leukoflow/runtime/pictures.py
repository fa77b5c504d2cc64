"""An image on its way to the network: measured as the pipeline does it, by the same functions."""

from dataclasses import replace

import numpy as np

from leukoflow.core.foreground import check_rgb
from leukoflow.images.geometry import stretched
from leukoflow.quality.measure import Measurement, measure
from leukoflow.quality.scale import Usual

SQUARE = 1.01
"""Ratio of the sides up to which an image is square."""


def measured(image: np.ndarray, aspect: float | None, with_scale: bool, usual: Usual | None = None) -> Measurement:
    """Measure an image uint8 [H, W, 3] as read; a square one is stretched to the aspect first, if there is one.

    The pipeline stretches every file of a cohort that was squeezed; a new image that is not square was not squeezed.
    with_scale: as `quality.measure.measure`; usual: the scale of the cohort, which an image gets that does not show its
    own. LeukoFlowError if the image is not uint8 RGB.
    """
    check_rgb(image)
    height, width = image.shape[:2]
    if max(height, width) <= SQUARE * min(height, width):
        image = stretched(image, aspect)
    measurement = measure(image, with_scale)
    if usual is None or not with_scale:
        return measurement
    height, width = image.shape[:2]
    um = usual.settled(measurement.picture.um_per_pixel, measurement.picture.scale_known, width, height)
    return replace(measurement, picture=replace(measurement.picture, um_per_pixel=um, scale_known=True))
