"""Scale bars that a microscope's software burnt into the lower right corner of a picture.

Two kinds are looked for: red ink drawn over the picture, and dark ink on a white box. Both are found by their colour,
their thin strokes and their place, not by a template, so that resized copies are found as well: if a picture was
shrunk without averaging, the bar itself may be gone and only its end marks and pieces of its lettering are left.
"""

from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from leukoflow.core.foreground import check_rgb
from leukoflow.core.geometry import Box

LEFT, TOP = 0.55, 0.75
"""Fractions of the image's width and height where the searched corner begins."""
SMALLEST_SIDE = 48
"""Images with a shorter side (pixels) are not searched: no lettering could be told in them."""
LONGEST_CORNER = 512
"""A larger corner is searched at this length (pixels) of its longer side."""
STROKE = 0.05
"""Strokes are thinner than this fraction of the image's width."""
WIDTH, HEIGHT, ASPECT = (0.05, 0.42), 0.16, 1.5
"""Width (least, most) and greatest height of the ink, fractions of the image; least width over height."""
REACH_RIGHT, REACH_DOWN = 0.85, 0.90
"""The ink's right and lower edges lie beyond these fractions of the image."""
GAP_X, GAP_Y = 0.022, 0.012
"""Half of the gaps (fractions of the image's width) over which pieces of ink belong together."""
STRONG_SHARE = 0.2
"""Least fraction of the ink that has full strength."""
DARK_LEVELS = (110, 160, 205)
"""Dark ink is no brighter than these grey levels (tried in turn: crisp, resized, faint)."""
WHITE, WHITE_SHARE = 235, 0.5
"""A white box: at least this grey level in every channel, over at least this fraction of the ink's box."""
MARGIN = 0.04
"""A white box and end marks are followed at most this far (fraction of the width or height) beyond the ink."""


@dataclass(frozen=True)
class ScaleBar:
    """A scale bar with its lettering and white ground, and the colour of its ink, which may go with a class."""

    box: Box
    colour: Literal["red", "dark"]


def find_scale_bar(image: NDArray[np.uint8]) -> ScaleBar | None:
    """The scale bar burnt into `image` (RGB uint8 [H, W, 3]), in its pixels; None if there is none."""
    check_rgb(image)
    height, width = image.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        return None
    left, top = int(LEFT * width), int(TOP * height)
    corner = image[top:, left:]
    scale = max(1.0, max(corner.shape[:2]) / LONGEST_CORNER)
    if scale > 1:
        size = (round(corner.shape[1] / scale), round(corner.shape[0] / scale))
        corner = np.asarray(cv2.resize(corner, size, interpolation=cv2.INTER_AREA), np.uint8)
    bar = _in_corner(corner, width / scale, height / scale)
    if bar is None:
        return None
    x0, y0, x1, y1 = (edge * scale for edge in bar.box)
    right, bottom = min(width, left + int(np.ceil(x1))), min(height, top + int(np.ceil(y1)))
    return ScaleBar((left + int(x0), top + int(y0), right, bottom), bar.colour)


def _in_corner(corner: np.ndarray, width: float, height: float) -> ScaleBar | None:
    """The bar in the corner; width and height are the whole image's, in the corner's pixels."""
    margin = max(1, round(0.004 * width))
    lettering = _lettering(*_red_ink(corner, width), corner, width, height)
    # Cells are cut by the edge.
    if lettering is not None and lettering[2] < corner.shape[1] and lettering[3] < corner.shape[0]:
        return ScaleBar(_widened(_with_end_marks(lettering, corner, width), margin, corner), "red")
    white = corner.min(axis=2) >= WHITE
    for level in DARK_LEVELS:
        lettering = _lettering(*_dark_ink(corner, width, level), corner, width, height, white)
        if lettering is not None:
            box = _white_box(lettering, corner, round(MARGIN * width), round(MARGIN * height))
            return ScaleBar(_widened(box, margin, corner), "dark")
    return None


def _kernel(width: float) -> np.ndarray:
    side = 2 * round(STROKE * width / 2) + 1
    return np.ones((side, side), np.uint8)


def _redness(corner: np.ndarray, width: float) -> tuple[np.ndarray, ...]:
    """Red over the greater of green and blue, thin strokes of that, red - green, green - blue: int16 [h, w] each."""
    red, green, blue = (channel.astype(np.int16) for channel in cv2.split(corner))
    redness = red - np.maximum(green, blue)
    return redness, cv2.morphologyEx(redness, cv2.MORPH_TOPHAT, _kernel(width)), red - green, green - blue


def _red_ink(corner: np.ndarray, width: float) -> tuple[np.ndarray, np.ndarray]:
    """Ink and strong ink, bool [h, w]: thin strokes in which red stands out from green and blue."""
    redness, thin, over_green, over_blue = _redness(corner, width)
    # Over purple cells half-covered pixels stay bluish: the stroke must only be redder than its surroundings there.
    ink = (redness > -12) & (thin > 30) & (over_green > 15) & (over_blue < 25)
    return ink, ink & (thin > 50) & (redness > 10)


def _with_end_marks(box: Box, corner: np.ndarray, width: float) -> Box:
    """Widen a red bar's box to the faint marks at its ends, which compression may have nearly wiped out."""
    x0, y0, x1, y1 = box
    _, thin, over_green, _ = _redness(corner, width)
    faint = ((thin > 15) & (over_green > 8))[y0:y1].sum(axis=0) >= 2
    start = max(0, x0 - round(MARGIN * width))
    left = np.flatnonzero(faint[start:x0])
    right = np.flatnonzero(faint[x1 : x1 + round(MARGIN * width)])
    return (start + int(left[0]) if len(left) else x0), y0, (x1 + int(right[-1]) + 1 if len(right) else x1), y1


def _dark_ink(corner: np.ndarray, width: float, level: int) -> tuple[np.ndarray, np.ndarray]:
    """Ink and strong ink, bool [h, w]: dark and colourless; fainter ink must be in thin strokes, unlike red cells."""
    brightest = corner.max(axis=2)
    ink = (brightest < level) & (brightest - corner.min(axis=2) < 50)
    if level > DARK_LEVELS[0]:
        ink &= cv2.morphologyEx(brightest, cv2.MORPH_BLACKHAT, _kernel(width)) > 40
    return ink, ink & (brightest < 130)


def _lettering(
    ink: np.ndarray,
    strong: np.ndarray,
    corner: np.ndarray,
    width: float,
    height: float,
    white: np.ndarray | None = None,
) -> Box | None:
    """The largest group of ink pieces with the shape, place and (where `white` is given) ground of a scale bar."""
    if not strong.any():
        return None
    join = np.ones((2 * round(GAP_Y * height) + 1, 2 * round(GAP_X * width) + 1), np.uint8)
    count, labels, boxes, _ = cv2.connectedComponentsWithStats(cv2.dilate(ink.astype(np.uint8), join))
    best, most = None, 0
    for label in range(1, count):
        x, y, w, h, _ = boxes[label]
        inside = np.s_[y : y + h, x : x + w]
        group = ink[inside] & (labels[inside] == label)
        columns, rows = np.flatnonzero(group.any(axis=0)), np.flatnonzero(group.any(axis=1))
        box = (int(x + columns[0]), int(y + rows[0]), int(x + columns[-1] + 1), int(y + rows[-1] + 1))
        amount = int(group.sum())
        if amount <= most or not _placed(box, corner, width, height):
            continue
        if (group & strong[inside]).sum() < STRONG_SHARE * amount:
            continue
        if white is not None and white[box[1] : box[3], box[0] : box[2]].mean() < WHITE_SHARE:
            continue
        best, most = box, amount
    return best


def _placed(box: Box, corner: np.ndarray, width: float, height: float) -> bool:
    x0, y0, x1, y1 = box
    w, h = x1 - x0, y1 - y0
    right, lower = width - (corner.shape[1] - x1), height - (corner.shape[0] - y1)
    shaped = WIDTH[0] * width <= w <= WIDTH[1] * width and h <= HEIGHT * height and w >= ASPECT * h
    return shaped and right >= REACH_RIGHT * width and lower >= REACH_DOWN * height


def _white_box(box: Box, corner: np.ndarray, most_x: int, most_y: int) -> Box:
    """Follow the white ground outwards from the ink; end marks of a bar (dark, colourless) do not stop it."""
    brightest, darkest = corner.max(axis=2), corner.min(axis=2)
    ground = (darkest >= WHITE) | ((brightest < 215) & (brightest - darkest < 40))
    x0, y0, x1, y1 = box
    for _ in range(most_x):
        if x0 > 0 and ground[y0:y1, x0 - 1].mean() >= 0.95:
            x0 -= 1
        if x1 < ground.shape[1] and ground[y0:y1, x1].mean() >= 0.95:
            x1 += 1
    for _ in range(most_y):
        if y0 > 0 and ground[y0 - 1, x0:x1].mean() >= 0.95:
            y0 -= 1
        if y1 < ground.shape[0] and ground[y1, x0:x1].mean() >= 0.95:
            y1 += 1
    return x0, y0, x1, y1


def _widened(box: Box, margin: int, corner: np.ndarray) -> Box:
    height, width = corner.shape[:2]
    return max(0, box[0] - margin), max(0, box[1] - margin), min(width, box[2] + margin), min(height, box[3] + margin)
