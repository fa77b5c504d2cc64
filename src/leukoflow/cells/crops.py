"""Single cells: one picture for each white cell, all at the same scale."""

import math

import cv2
import numpy as np
from skimage.measure import CircleModel, regionprops

from leukoflow.cells.morphology import centroid, check_labels
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.geometry import Box, square_about
from leukoflow.core.picture import Picture

LEAST_EXTENT = 4
"""Pixels: what is thinner, and cut by the picture's edge, is a sliver that no circle can be laid through."""


def crop_cells(
    picture: Picture, labels: np.ndarray, size: int, target_um_per_pixel: float, least_visible: float = 0.5
) -> tuple[np.ndarray, np.ndarray]:
    """Every white cell in the middle of a picture of its own: uint8 [k, size, size, 3], and their numbers int64 [k].

    picture: a rendition; labels: uint16 [H, W], its label map; target_um_per_pixel: scale of the cells' pictures;
    least_visible: share of a cell at the image's edge that must be seen for it to be taken (0 all, 1 none that the edge
    touches). What lies beyond the image has the colour of its background. Resampled once, averaging over areas if it
    shrinks. LeukoFlowError if picture and labels differ in size or a scale is not positive.
    """
    check_labels(picture, labels)
    if not 0 < target_um_per_pixel < math.inf:
        raise LeukoFlowError(f"{target_um_per_pixel} is no scale; give micrometres a pixel")
    step = target_um_per_pixel / picture.um_per_pixel
    pictures, numbers = [], []
    for region in regionprops(labels >> 1):
        if visible(region.image, region.bbox, picture.content) < least_visible:
            continue
        x, y = centroid(region.image)
        middle = (region.bbox[1] + x, region.bbox[0] + y)
        pictures.append(square_about(picture.raster.pixels, middle, size, step, picture.raster.background))
        numbers.append(region.label)
    stack = np.stack(pictures) if pictures else np.empty((0, size, size, 3), np.uint8)
    return stack, np.array(numbers, np.int64)


def visible(cell: np.ndarray, bbox: tuple[int, int, int, int], content: Box) -> float:
    """Share of a cell that is within the picture, 0 to 1: its area over that of the circle through its free outline.

    cell: bool [h, w] on its bounding box (top, left, bottom, right); 1 if no edge of the picture touches it, less
    in any other case.
    """
    top, left, bottom, right = bbox
    x0, y0, x1, y1 = content
    cut = (top <= y0, left <= x0, bottom >= y1, right >= x1)
    if not any(cut):
        return 1.0
    if min(cell.shape) < LEAST_EXTENT:
        return 0.0
    contours, _ = cv2.findContours(cell.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    x, y = np.concatenate(contours).reshape(-1, 2).T
    free = np.ones(len(x), bool)
    for is_cut, row in zip(cut, (y == 0, x == 0, y == cell.shape[0] - 1, x == cell.shape[1] - 1), strict=True):
        free &= ~(is_cut & row)
    circle = CircleModel.from_estimate(np.stack([x[free], y[free]], axis=1).astype(float))
    return 0.0 if not circle else float(min(0.99, np.count_nonzero(cell) / (np.pi * (circle.radius + 0.5) ** 2)))
