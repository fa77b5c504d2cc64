"""Renditions of an image: what a network sees, and what the audits let it see."""

import cv2
import numpy as np

from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.foreground import background_colour, foreground_mask
from leukoflow.images.geometry import Box, local_background, rendition
from leukoflow.images.stain import coloured

FLAT = 255
"""Grey level of everything but the cells in `masked`: the same for every image, as it must tell nothing."""


def render_view(image: np.ndarray, view: View, bar: Box | None = None, cells: np.ndarray | None = None) -> np.ndarray:
    """One rendition: letterboxed, scale bar painted out, then what the view's kind says.

    image: uint8 [H, W, 3], RGB; bar: box of a burnt-in scale bar in pixels of the image, if it has one; cells: label
    map of the letterboxed image, of any size, which `background` and `masked` need.
    Returns uint8 [size, size, 3]. Raises LeukoFlowError where the image is not uint8 RGB, or cells are missing.
    """
    image = rendition(image, view.size, bar)
    if view.kind in ("background", "masked"):
        if cells is None:
            raise LeukoFlowError(f"view {view.kind!r} needs the label maps of its images; segment them first")
        inside = resized_mask(cells > 0, view.size)
        return without_cells(image, inside) if view.kind == "background" else only_cells(image, inside)
    return coloured(image, view)


def resized_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """A mask of a square picture at another size: bool [S, S] -> bool [size, size]; half covered counts as in."""
    if mask.shape[0] == size:
        return mask
    kind = cv2.INTER_AREA if mask.shape[0] > size else cv2.INTER_LINEAR
    share = cv2.resize(mask.astype(np.float32), (size, size), interpolation=kind)
    return np.asarray(share >= 0.5)


def without_cells(image: np.ndarray, white_cells: np.ndarray) -> np.ndarray:
    """Empty background: every cell, red or white, and a rim around it, filled with the background near it.

    image: uint8 [H, W, 3]; white_cells: bool [H, W]. Red cells are found by `core.foreground.foreground_mask`.
    """
    side = max(3, round(min(image.shape[:2]) / 32) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    cells = cv2.dilate((foreground_mask(image) | white_cells).astype(np.uint8), kernel)
    reach = max(8.0, min(image.shape[:2]) / 8)
    field = local_background(image, cells == 0, background_colour(image), reach)
    return cv2.copyTo(field, cells, image.copy())


def only_cells(image: np.ndarray, white_cells: np.ndarray) -> np.ndarray:
    """White cells, bool [H, W], of an image uint8 [H, W, 3] on a flat ground."""
    return cv2.copyTo(image, white_cells.astype(np.uint8), np.full_like(image, FLAT))
