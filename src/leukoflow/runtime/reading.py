"""A field read cell by cell: its white cells found at one physical scale, whatever its size and magnification."""

import math
from dataclasses import replace

import cv2
import numpy as np
import onnxruntime

from leukoflow.cells.nuclei import with_nuclei
from leukoflow.core.picture import Picture
from leukoflow.runtime.cells import label_map
from leukoflow.runtime.schema import Reader, Segmenter

WHITE_CELL_UM = 12.5
"""Diameter of the usual white cell on a smear, micrometres: what a picture without other scale is measured by."""
PLAUSIBLE_UM = (7.0, 19.0)
"""Median diameters of white cells that agree with a scale; beyond them the cells are believed."""
LEAST_SHARE = 0.1
"""Area below which a stained object counts for nothing, as a share of the largest: platelets."""
LEAST_SIDE, MOST_SIDE = 64, 1536
"""Sides in which cells are looked for, pixels: a field of 460 micrometres at 0.3 micrometres a pixel."""


def read_field(
    picture: Picture, settings: Segmenter, reader: Reader, network: onnxruntime.InferenceSession | None
) -> tuple[Picture, np.ndarray]:
    """The picture with the scale that it is read at, and the label map uint16 [S, S] of its white cells.

    The scale is that of its red cells if they show one with which the white cells found agree; else that at which the
    median white cell has `WHITE_CELL_UM`. `scale_known` of the picture says which.
    """
    if not picture.scale_known:
        picture = replace(picture, um_per_pixel=_stained_scale(picture))
    labels = _find(picture, settings, reader, network)
    diameter = _median_diameter(picture, labels)
    low, high = PLAUSIBLE_UM
    if math.isnan(diameter) or (picture.scale_known and low <= diameter <= high):
        return picture, labels
    picture = replace(picture, um_per_pixel=picture.um_per_pixel * WHITE_CELL_UM / diameter, scale_known=False)
    return picture, _find(picture, settings, reader, network)


def _find(
    picture: Picture, settings: Segmenter, reader: Reader, network: onnxruntime.InferenceSession | None
) -> np.ndarray:
    height, width = picture.raster.pixels.shape[:2]
    side = max(height, width) * picture.um_per_pixel / reader.um_per_pixel
    side = 16 * round(min(max(side, LEAST_SIDE), MOST_SIDE) / 16)
    labels = label_map(picture, settings, network, side)
    shown = picture.rendition(side)
    return with_nuclei(shown.raster, labels, shown.um_per_pixel)


def _median_diameter(picture: Picture, labels: np.ndarray) -> float:
    """Of the white cells that the edge does not cut, micrometres; NaN without any."""
    shown = picture.rendition(labels.shape[0])
    x0, y0, x1, y1 = shown.content
    inside = labels[y0:y1, x0:x1] >> 1
    areas = np.bincount(inside.ravel())
    rim = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    areas[np.unique(rim)] = 0
    areas[:1] = 0
    whole = areas[areas > 0]
    return float(2 * np.sqrt(np.median(whole) / np.pi) * shown.um_per_pixel) if len(whole) else math.nan


def _stained_scale(picture: Picture) -> float:
    """Micrometres a pixel at which the median stained object has the size of a white cell; the assumed scale if nothing
    is stained."""
    _, _, statistics, _ = cv2.connectedComponentsWithStats(picture.raster.stained.astype(np.uint8))
    areas = statistics[1:, cv2.CC_STAT_AREA]
    if not len(areas):
        return picture.um_per_pixel
    large = areas[areas >= LEAST_SHARE * areas.max()]
    return float(WHITE_CELL_UM / (2 * np.sqrt(np.median(large) / np.pi)))
