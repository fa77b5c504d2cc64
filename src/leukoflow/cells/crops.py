"""Single cells: one picture for each white cell, all at the same scale."""

import math

import cv2
import numpy as np
from skimage.measure import regionprops

from leukoflow.cells.morphology import Box, centroid
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.foreground import background_colour, check_rgb


def crop_cells(
    image: np.ndarray,
    labels: np.ndarray,
    um_per_pixel: float,
    size: int,
    target_um_per_pixel: float,
    least_visible: float = 0.5,
    content: Box | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Every white cell in the middle of a picture of its own: uint8 [k, size, size, 3], and their numbers int64 [k].

    image: uint8 [H, W, 3], RGB; labels: uint16 [H, W], its label map; um_per_pixel: scale of the image;
    target_um_per_pixel: scale of the pictures; least_visible: share of its diameter that a cell at the picture's edge
    must show to be taken (0 all, 1 none that is cut); content: where the picture lies in a letterboxed image. What
    lies beyond the image has the colour of its background. Resampled once, averaging over areas where it shrinks.
    Raises LeukoFlowError where image and labels differ in size or a scale is not positive.
    """
    check_rgb(image)
    if labels.shape != image.shape[:2]:
        raise LeukoFlowError(f"a label map {list(labels.shape)} was given for an image {list(image.shape[:2])}")
    if not (0 < um_per_pixel < math.inf and 0 < target_um_per_pixel < math.inf):
        raise LeukoFlowError(f"{um_per_pixel} and {target_um_per_pixel} are no scales; give micrometres a pixel")
    colour = [int(level) for level in background_colour(image)]
    whole = content or (0, 0, labels.shape[1], labels.shape[0])
    pictures, numbers = [], []
    for region in regionprops(labels >> 1):
        if visible(region.bbox, whole) < least_visible:
            continue
        x, y = centroid(region.image)
        middle = (region.bbox[1] + x, region.bbox[0] + y)
        pictures.append(_crop(image, middle, size, target_um_per_pixel / um_per_pixel, colour))
        numbers.append(region.label)
    stack = np.stack(pictures) if pictures else np.empty((0, size, size, 3), np.uint8)
    return stack, np.array(numbers, np.int64)


def visible(bbox: tuple[int, int, int, int], content: Box) -> float:
    """Share of a round cell's diameter that is within the picture, 0 to 1, from its bounding box (rows first).

    A circle cut by an edge shows a segment: of height h on a chord c = 2 sqrt(h (D - h)) where less than half of the
    diameter D is seen (so D = h + c² / 4 h), and as wide as D where more is.
    """
    top, left, bottom, right = bbox
    x0, y0, x1, y1 = content
    width, height = right - left, bottom - top
    share = 1.0
    if left <= x0 or right >= x1:
        share = min(share, _shown(width, height))
    if top <= y0 or bottom >= y1:
        share = min(share, _shown(height, width))
    return share


def _shown(across: int, along: int) -> float:
    """Share of the diameter seen, from the extents across and along the edge."""
    diameter = along if 2 * across >= along else across + along**2 / (4 * across)
    return min(1.0, across / diameter)


def _crop(image: np.ndarray, middle: tuple[float, float], size: int, step: float, colour: list[int]) -> np.ndarray:
    """A square of `size` pixels, each `step` pixels of the image wide, about a point (x, y)."""
    # Where it shrinks, several points of each pixel are looked up and averaged, as area interpolation does.
    fine = max(1, math.ceil(step))
    wide, stride = size * fine, step / fine
    start = [centre - stride * (wide - 1) / 2 for centre in middle]
    matrix = np.array([[stride, 0, start[0]], [0, stride, start[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    found = cv2.warpAffine(image, matrix, (wide, wide), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=colour)
    return found if fine == 1 else cv2.resize(found, (size, size), interpolation=cv2.INTER_AREA)
