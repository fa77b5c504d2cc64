"""White cells of one image, by the exported segmenter or by thresholds, as outlines on the image as read."""

import math

import cv2
import numpy as np
import onnxruntime

from leukoflow.cells import threshold
from leukoflow.cells.nuclei import add_stained
from leukoflow.cells.watershed import diameters, separate
from leukoflow.core.picture import Picture, Raster
from leukoflow.images.views import to_segment
from leukoflow.runtime.answers import Cell, Point
from leukoflow.runtime.flood import flooded
from leukoflow.runtime.schema import Rule, Segmenter


def label_map(
    picture: Picture,
    settings: Segmenter,
    network: onnxruntime.InferenceSession | None,
    side: int = 0,
    stained: bool = False,
) -> np.ndarray:
    """Label map of the letterboxed picture, uint16 [S, S], as the pipeline makes it.

    picture: measured with its scale; network: of method `unet`; side: another S than the settings have, a multiple of
    16; stained: also take what is stained like a nucleus for one (`cells.nuclei.add_stained`).
    """
    shown = picture.rendition(side or settings.size)
    parts = _parts(to_segment(shown.raster, settings.steps), settings, network)
    if stained:
        parts = add_stained(shown.raster, parts, shown.um_per_pixel)
    return separate(parts, *diameters(shown, settings.cell_um), flooded)


def found_cells(picture: Picture, labels: np.ndarray, read: tuple[int, int]) -> tuple[Cell, ...]:
    """White cells of a picture's label map from top to bottom, in pixels of the image as read, of this height and width
    before it was stretched."""
    shown = picture.rendition(labels.shape[0])
    x0, y0, x1, y1 = shown.content
    frame = np.array([read[1] / (x1 - x0), read[0] / (y1 - y0)]), np.array([x0, y0])
    return tuple(_cell(labels, number, frame, shown.um_per_pixel) for number in range(1, int(labels.max()) // 2 + 1))


def _parts(raster: Raster, settings: Segmenter, network: onnxruntime.InferenceSession | None) -> np.ndarray:
    """Parts map uint8 [S, S] of a rendition."""
    if network is not None:
        (parts,) = network.run(None, {"images": raster.balanced[None]})
        return np.asarray(parts[0])
    rules = threshold.Thresholds(_rule(settings.cell_rule), _rule(settings.nucleus_rule))
    return threshold.segment_by_threshold(raster, rules)


def _rule(rule: Rule) -> threshold.Rule:
    return threshold.Rule(**rule.model_dump())


def _cell(labels: np.ndarray, number: int, frame: tuple[np.ndarray, np.ndarray], um: float) -> Cell:
    """Cell of a label map; um: micrometres a pixel there."""
    nucleus = labels == 2 * number + 1
    whole = (nucleus | (labels == 2 * number)).astype(np.uint8)
    # What follows looks at the cell alone: a field may hold dozens.
    x0, y0, width, height = cv2.boundingRect(whole)
    box = np.s_[y0 : y0 + height, x0 : x0 + width]
    whole, nucleus = whole[box], nucleus[box].astype(np.uint8)
    corner = frame[1] - (x0, y0)
    contour = _contour(whole)
    area, inside = float(np.count_nonzero(whole)) * um**2, float(np.count_nonzero(nucleus)) * um**2
    perimeter = cv2.arcLength(contour, True) if len(contour) > 2 else 0.0
    rows, columns = np.nonzero(whole)
    x, y = (np.array([columns.mean(), rows.mean()]) + 0.5 - corner) * frame[0]
    facts = {
        "area_um2": area,
        "diameter_um": math.sqrt(4 * area / math.pi),
        "nucleus_area_um2": inside,
        "nucleus_share": inside / area,
        "circularity": min(1.0, 4 * math.pi * cv2.contourArea(contour) / perimeter**2) if perimeter else 0.0,
        "x": float(x),
        "y": float(y),
    }
    return Cell(_points(contour, corner, frame[0]), _points(_contour(nucleus), corner, frame[0]), facts)


def _contour(mask: np.ndarray) -> np.ndarray:
    """The longest outer outline of a mask uint8: int [n, 1, 2] x, y of its outermost pixels; none of an empty mask."""
    contours, _ = cv2.findContours(mask, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    return np.asarray(max(contours, key=len)) if contours else np.empty((0, 1, 2), np.int32)


def _points(contour: np.ndarray, corner: np.ndarray, scale: np.ndarray) -> tuple[Point, ...]:
    """Points of an outline on the image as read."""
    return tuple(map(tuple, ((contour[:, 0] + 0.5 - corner) * scale).tolist()))
