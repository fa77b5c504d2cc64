"""A field read cell by cell: its white cells found at one physical scale, whatever its size and magnification."""

import math
from collections.abc import Iterable
from dataclasses import replace

import cv2
import numpy as np
import onnxruntime

from leukoflow.cells.nuclei import with_nuclei
from leukoflow.core.picture import Picture
from leukoflow.quality.scale import Usual
from leukoflow.runtime.cells import label_map
from leukoflow.runtime.schema import Reader, Segmenter

WHITE_CELL_UM = 12.5
"""Diameter of the usual white cell on a smear, micrometres: what a picture without other scale is measured by."""
PLAUSIBLE_UM = (7.0, 19.0)
"""Median diameters of white cells that agree with a scale; beyond them the cells are believed."""
LEAST_SHARE = 0.1
"""Area below which a stained object counts for nothing, as a share of the largest: platelets."""
LEAST_SURE = 3
"""Pictures that must show their scale for the others to take it."""
ALIKE = 1.25
"""Largest factor by which half of them may differ from their median."""
LOOKS = 3
"""Times that the scale is corrected by the cells found."""
FEW_OBJECTS = 4
"""Stained objects up to which a picture may show the lobes of a single nucleus."""
CLOSE = 0.5
"""Gap up to which they are one, in diameters of the largest."""
LEAST_SIDE, MOST_SIDE = 64, 1536
"""Sides in which cells are looked for, pixels: a field of 460 micrometres at 0.3 micrometres a pixel."""


def common_scale(pictures: Iterable[Picture]) -> Usual | None:
    """The scale of pictures of one microscope, for those that do not show their own; None if fewer than `LEAST_SURE`
    show it, or they differ too much. It is a number of micrometres to a pixel or to the longer side, whichever they
    agree on better: crops of one camera share the one, one field in several resolutions the other."""
    shown = [picture for picture in pictures if picture.scale_known]
    if len(shown) < LEAST_SURE:
        return None
    scales = np.array([picture.um_per_pixel for picture in shown])
    sides = np.array([max(picture.raster.pixels.shape[:2]) for picture in shown])
    found = []
    for of_side, values in ((False, scales), (True, scales * sides)):
        usual = float(np.median(values))
        found.append((float(np.median(np.abs(np.log(values / usual)))), of_side, usual))
    apart, of_side, usual = min(found)
    return Usual(usual, of_side) if apart <= math.log(ALIKE) else None


def read_field(
    picture: Picture, settings: Segmenter, reader: Reader, network: onnxruntime.InferenceSession | None
) -> tuple[Picture, np.ndarray]:
    """The picture with the scale that it is read at, and the label map uint16 [S, S] of its white cells.

    The scale is that of its red cells if they show one with which the white cells found agree; else that at which the
    median white cell has `WHITE_CELL_UM`. `scale_known` of the picture says which.
    """
    known = picture.scale_known
    if not known:
        picture = replace(picture, um_per_pixel=_stained_scale(picture))
    labels = _find(picture, settings, reader, network)
    low, high = PLAUSIBLE_UM
    for look in range(LOOKS):
        diameter = _median_diameter(picture, labels, joined=not known and look == 0)
        if math.isnan(diameter) or ((known or look) and low <= diameter <= high):
            break
        known = False
        picture = replace(picture, um_per_pixel=picture.um_per_pixel * WHITE_CELL_UM / diameter, scale_known=False)
        labels = _find(picture, settings, reader, network)
    return picture, labels


def _find(
    picture: Picture, settings: Segmenter, reader: Reader, network: onnxruntime.InferenceSession | None
) -> np.ndarray:
    height, width = picture.raster.pixels.shape[:2]
    side = max(height, width) * picture.um_per_pixel / reader.um_per_pixel
    side = 16 * round(min(max(side, LEAST_SIDE), MOST_SIDE) / 16)
    labels = label_map(picture, settings, network, side, stained=True)
    shown = picture.rendition(side)
    return with_nuclei(shown.raster, labels, shown.um_per_pixel)


def _median_diameter(picture: Picture, labels: np.ndarray, joined: bool) -> float:
    """Of the white cells that the edge does not cut, micrometres; NaN without any. `joined`: if there are few, those
    that lie close together are one, as lobes of a nucleus look like small cells at a wrong scale."""
    shown = picture.rendition(labels.shape[0])
    x0, y0, x1, y1 = shown.content
    inside: np.ndarray = labels[y0:y1, x0:x1] >> 1
    if joined and 1 < int(inside.max()) <= FEW_OBJECTS:
        mask = _joined((inside > 0).astype(np.uint8), np.bincount(inside.ravel())[1:])
        inside = np.asarray(cv2.connectedComponents(mask)[1])
    areas = np.bincount(inside.ravel())
    rim = np.concatenate([inside[0], inside[-1], inside[:, 0], inside[:, -1]])
    areas[np.unique(rim)] = 0
    areas[:1] = 0
    whole = areas[areas > 0]
    return _diameter(float(np.median(whole))) * shown.um_per_pixel if len(whole) else math.nan


def _stained_scale(picture: Picture) -> float:
    """Micrometres a pixel at which the median stained object has the size of a white cell; the assumed scale if nothing
    is stained. If there are few objects, those that lie close together are one: lobes of a nucleus."""
    stained = picture.raster.stained.astype(np.uint8)
    areas = _areas(stained)
    if not len(areas):
        return picture.um_per_pixel
    if len(areas) <= FEW_OBJECTS:
        areas = _areas(_joined(stained, areas))
    return WHITE_CELL_UM / _diameter(float(np.median(areas)))


def _joined(mask: np.ndarray, areas: np.ndarray) -> np.ndarray:
    """A mask uint8 [H, W] whose objects of these areas are one if a gap of `CLOSE` is between them."""
    gap = round(CLOSE * _diameter(areas.max())) | 1
    padded = cv2.copyMakeBorder(mask, gap, gap, gap, gap, cv2.BORDER_CONSTANT, value=0)
    closed = cv2.morphologyEx(padded, cv2.MORPH_CLOSE, np.ones((gap, gap), np.uint8))
    return closed[gap:-gap, gap:-gap]


def _areas(mask: np.ndarray) -> np.ndarray:
    """Areas of the objects of a mask uint8 [H, W] that are no specks next to the largest, pixels."""
    areas = cv2.connectedComponentsWithStats(mask)[2][1:, cv2.CC_STAT_AREA]
    return areas[areas >= LEAST_SHARE * areas.max(initial=0)]


def _diameter(area: float) -> float:
    """Of a circle of this area."""
    return 2 * math.sqrt(area / math.pi)
