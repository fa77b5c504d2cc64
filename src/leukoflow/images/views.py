"""Renditions of an image: what a network sees, and what the audits let it see."""

import cv2
import numpy as np

from leukoflow.config.views import View
from leukoflow.core.foreground import background_colour, foreground_mask, stained_mask
from leukoflow.images.geometry import Box, letterbox, letterboxed, local_background, paint_out
from leukoflow.images.stain import normalise

FLAT = 255
"""Grey level of everything but the cells in `masked`: the same for every image, as it must tell nothing."""


def render_view(image: np.ndarray, view: View, bar: Box | None = None) -> np.ndarray:
    """One rendition: letterboxed, scale bar painted out, then what the view's kind says.

    image: uint8 [H, W, 3], RGB; bar: box of a burnt-in scale bar in pixels of the image, if it has one.
    Returns uint8 [size, size, 3]. Raises LeukoFlowError where the image is not uint8 RGB.
    """
    height, width = image.shape[:2]
    image = letterbox(image, view.size)
    if bar is not None:
        image = paint_out(image, letterboxed(bar, height, width, view.size))
    match view.kind:
        case "normalised":
            return normalise(image, view.reinhard, view.clahe)
        case "grey":
            return cv2.cvtColor(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY), cv2.COLOR_GRAY2RGB)
        case "background":
            return without_cells(image)
        case "masked":
            return only_cells(image)
    return image


def without_cells(image: np.ndarray) -> np.ndarray:
    """Empty background: every cell, red or white, and a rim around it, filled with the background near it."""
    side = max(3, round(min(image.shape[:2]) / 32) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    cells = cv2.dilate(foreground_mask(image).astype(np.uint8), kernel)
    reach = max(8.0, min(image.shape[:2]) / 8)
    field = local_background(image, cells == 0, background_colour(image), reach)
    return cv2.copyTo(field, cells, image.copy())


def only_cells(image: np.ndarray) -> np.ndarray:
    """White cells on a flat ground. Their mask is a threshold's (`core.foreground.stained_mask`)."""
    return cv2.copyTo(image, stained_mask(image).astype(np.uint8), np.full_like(image, FLAT))
