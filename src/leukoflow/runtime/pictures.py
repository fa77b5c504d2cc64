"""What the network sees of an image: measured and rendered as the pipeline does it, byte for byte."""

from dataclasses import dataclass

import numpy as np

from leukoflow.config.views import View
from leukoflow.core.foreground import check_rgb
from leukoflow.images.geometry import Box, stretched
from leukoflow.images.views import render_view
from leukoflow.quality.measure import Measurement, measure

SQUARE = 1.01
"""Ratio of the sides up to which an image is square."""


@dataclass(frozen=True)
class Seen:
    """An image on its way to the network."""

    image: np.ndarray
    """As read, or stretched: uint8 [H, W, 3]."""
    measured: Measurement
    """Its quality, and its scale where that was asked for."""

    @property
    def bar(self) -> Box | None:
        """Box of a burnt-in scale bar in pixels of the image."""
        return self.measured.bar.box if self.measured.bar else None

    def picture(self, view: View) -> np.ndarray:
        """What the network takes: uint8 [S, S, 3]."""
        return render_view(self.image, view, self.bar)


def seen(image: np.ndarray, aspect: float | None, with_scale: bool) -> Seen:
    """An image uint8 [H, W, 3] as read, measured; a square one is stretched to the aspect, where there is one.

    LeukoFlowError where the image is not uint8 RGB.
    """
    check_rgb(image)
    height, width = image.shape[:2]
    if max(height, width) <= SQUARE * min(height, width):
        image = stretched(image, aspect)
    return Seen(image, measure(image, with_scale))
