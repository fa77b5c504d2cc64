"""Renditions of an image: what a network sees, and what the audits let it see."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

import cv2
import numpy as np

from leukoflow.config.views import Cells, Clahe, Operation, Reinhard, View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.geometry import local_background
from leukoflow.core.picture import Picture, Raster
from leukoflow.images.operations import apply, on_ground
from leukoflow.images.stain import normalise

FLAT = 255
"""Grey level of everything but the cells in `masked`: the same for every image, as it must tell nothing."""


def render_view(picture: Picture, view: View, cells: np.ndarray | None = None) -> np.ndarray:
    """One rendition: a square, then the view's chain of operations.

    cells: label map of the letterboxed image, of any size, which operation `cells` needs.
    Returns uint8 [size, size, 3]. LeukoFlowError if cells are missing.
    """
    return through(square_of(picture, view).raster, view.chain, cells)


def square_of(picture: Picture, view: View) -> Picture:
    """The square that a view's chain of operations starts from."""
    if view.kind == "centred":
        return picture.centred(view.size, view.um_per_pixel, view.bar)
    return picture.rendition(view.size, view.fit, view.bar)


def before_cells(picture: Picture, view: View) -> Picture:
    """A letterboxed picture after the operations of a view of kind `cells`, before its cells are cut out."""
    return replace(picture, raster=Raster(through(picture.raster, view.chain))) if view.chain else picture


def through(raster: Raster, chain: Sequence[Operation], cells: np.ndarray | None = None) -> np.ndarray:
    """What a chain makes of a square picture: uint8 [H, W, 3]. `cells` as for `render_view`."""
    for in_lab, group in groupby(chain, key=lambda step: isinstance(step, (Reinhard, Clahe))):
        if in_lab:
            raster = Raster(normalise(raster, *group))  # in Lab at a stretch, without rounding to RGB in between
            continue
        for step in group:
            made = _with_cells(raster, step, cells) if isinstance(step, Cells) else apply(step, raster)
            raster = Raster(made)
    return raster.pixels


def to_segment(raster: Raster, chain: Sequence[Operation]) -> Raster:
    """What a segmenter looks for cells in: a square picture as it is, or after a chain of operations."""
    return Raster(through(raster, chain)) if chain else raster


def _with_cells(raster: Raster, step: Cells, cells: np.ndarray | None) -> np.ndarray:
    if cells is None:
        raise LeukoFlowError("a view of cells needs the label maps of its images; segment them first")
    inside = resized_mask(cells > 0, raster.pixels.shape[0])
    match step.show:
        case "background":
            return without_cells(raster, inside)
        case "cropped":
            return cropped(raster, inside, step.margin)
    return on_ground(raster.pixels, inside, FLAT)


def resized_mask(mask: np.ndarray, size: int) -> np.ndarray:
    """A mask of a square picture at another size: bool [S, S] -> bool [size, size]; half covered counts as in."""
    if mask.shape[0] == size:
        return mask
    kind = cv2.INTER_AREA if mask.shape[0] > size else cv2.INTER_LINEAR
    share = cv2.resize(mask.astype(np.float32), (size, size), interpolation=kind)
    return np.asarray(share >= 0.5)


def cropped(raster: Raster, white_cells: np.ndarray, margin: float) -> np.ndarray:
    """The smallest square with all white cells, bool [S, S], and a margin (share of its side) around them, at the size
    of the picture: uint8 [S, S, 3]. What lies beyond the picture has the colour of its background."""
    size = raster.pixels.shape[0]
    x, y, width, height = cv2.boundingRect(white_cells.astype(np.uint8))
    if not width:
        return raster.pixels.copy()
    step = max(width, height) * (1 + 2 * margin) / size
    # Pixels' centres are at whole numbers: the middle of the square's pixels comes to lie in the middle of the cells.
    start = [middle - step * (size - 1) / 2 for middle in (x + (width - 1) / 2, y + (height - 1) / 2)]
    matrix = np.array([[step, 0, start[0]], [0, step, start[1]]])
    colour = [int(level) for level in raster.background]
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(
        raster.pixels, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=colour
    )


def without_cells(raster: Raster, white_cells: np.ndarray) -> np.ndarray:
    """Empty background: every cell, red or white, and a rim around it, filled with the background near it.

    white_cells: bool [H, W]; red cells are the raster's foreground. Returns uint8 [H, W, 3].
    """
    shortest = min(white_cells.shape)
    side = max(3, round(shortest / 32) | 1)
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    cells = cv2.dilate((raster.foreground | white_cells).astype(np.uint8), kernel)
    field = local_background(raster.pixels, cells == 0, raster.background, max(8.0, shortest / 8))
    return cv2.copyTo(field, cells, raster.pixels.copy())
