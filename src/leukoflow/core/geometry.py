"""Size and surroundings: scale bars painted out, images letterboxed, empty background filled in."""

from math import ceil, floor

import cv2
import numpy as np

from leukoflow.core.foreground import background_colour, foreground_mask

Box = tuple[int, int, int, int]
"""x0, y0, x1, y1 in pixels, half-open."""
NEAR = 0.35
"""Share of a picture's side within which a cell counts as near its middle."""


def local_background(image: np.ndarray, background: np.ndarray, colour: np.ndarray, reach: float) -> np.ndarray:
    """The background colour around each pixel: a smooth field that ignores everything else.

    image: uint8 [H, W, 3]; background: bool [H, W], the pixels averaged; colour: [3], what holds if none is near;
    reach: pixels over which is averaged. Returns uint8 [H, W, 3].
    """
    height, width = background.shape
    shrink = max(1.0, reach / 4)
    small = (max(1, round(width / shrink)), max(1, round(height / shrink)))
    mask = background.astype(np.uint8)
    weight, total = (
        cv2.GaussianBlur(
            cv2.resize(array.astype(np.float32), small, interpolation=cv2.INTER_AREA), (0, 0), reach / shrink / 2
        )
        for array in (mask, cv2.bitwise_and(image, image, mask=mask))
    )
    # The small constant lets the field fade to the given colour far from any background.
    field = (total + 1e-3 * colour) / (weight[..., None] + 1e-3)
    return cv2.resize(np.rint(field).astype(np.uint8), (width, height), interpolation=cv2.INTER_LINEAR)


def paint_out(image: np.ndarray, box: Box) -> np.ndarray:
    """Replace a burnt-in scale bar by the background around it, with a soft edge. A new uint8 [H, W, 3].

    The box is widened a little, for what compression smears around letters; outside the image it is cut off. The image
    itself is returned if nothing of it is in the box, or all of it.
    """
    height, width = image.shape[:2]
    margin = max(2, min(height, width) // 100)
    x0, y0, x1, y1 = (max(0, edge) for edge in (box[0] - margin, box[1] - margin, box[2] + margin, box[3] + margin))
    hidden = np.zeros((height, width), np.uint8)
    hidden[y0:y1, x0:x1] = 1
    if not hidden.any() or hidden.all():
        return image
    colour = background_colour(image)
    painted = image.copy()
    painted[y0:y1, x0:x1] = colour
    cells = cv2.dilate(foreground_mask(painted).astype(np.uint8), np.ones((3, 3), np.uint8))
    reach = max(16, min(x1 - x0, y1 - y0))
    field = local_background(image, cv2.max(cells, hidden) == 0, colour, reach)
    rim = 2 * margin
    window = np.s_[max(0, y0 - rim) : y1 + rim, max(0, x0 - rim) : x1 + rim]
    inside = hidden[window].astype(np.float32)
    alpha = np.maximum(cv2.GaussianBlur(inside, (0, 0), margin / 2), inside)[..., None]
    painted[window] = np.rint(alpha * field[window] + (1 - alpha) * image[window])
    return painted


def letterbox(image: np.ndarray, size: int) -> np.ndarray:
    """Scale to fit size x size keeping the aspect, centred, padded with the image's own background colour.

    Area interpolation when shrinking, linear when enlarging. uint8 [H, W, 3] -> uint8 [size, size, 3].
    """
    height, width = image.shape[:2]
    x0, y0, x1, y1 = content_box(height, width, size)
    scale = size / max(height, width)
    if scale != 1:
        kind = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        image = cv2.resize(image, (x1 - x0, y1 - y0), interpolation=kind)
    if height == width:
        return image
    colour = [int(level) for level in background_colour(image)]
    return cv2.copyMakeBorder(image, y0, size - y1, x0, size - x1, cv2.BORDER_CONSTANT, value=colour)


def content_box(height: int, width: int, size: int) -> Box:
    """Where an image of this height and width lies after `letterbox`."""
    scale = size / max(height, width)
    inner_height, inner_width = max(1, round(height * scale)), max(1, round(width * scale))
    top, left = (size - inner_height) // 2, (size - inner_width) // 2
    return left, top, left + inner_width, top + inner_height


def letterboxed(box: Box, height: int, width: int, size: int) -> Box:
    """Where a box of an image of this height and width lies after `letterbox`, rounded outwards."""
    scale = size / max(height, width)
    left, top, _, _ = content_box(height, width, size)
    x0, y0, x1, y1 = (edge * scale for edge in box)
    return left + floor(x0), top + floor(y0), left + ceil(x1), top + ceil(y1)


def resized(image: np.ndarray, size: int) -> np.ndarray:
    """Squeezed or stretched to size x size: uint8 [H, W, 3] -> uint8 [size, size, 3]; the image itself if it is so."""
    height, width = image.shape[:2]
    if height == width == size:
        return image
    kind = cv2.INTER_AREA if max(height, width) > size else cv2.INTER_LINEAR
    return cv2.resize(image, (size, size), interpolation=kind)


def squeezed_box(box: Box, height: int, width: int, size: int) -> Box:
    """Where a box of an image of this height and width lies after `resized`, rounded outwards."""
    x0, y0, x1, y1 = box
    return floor(x0 * size / width), floor(y0 * size / height), ceil(x1 * size / width), ceil(y1 * size / height)


def middle_cell(stained: np.ndarray, gap: float) -> tuple[float, float]:
    """Middle (x, y) of the stained part, bool [H, W], that is large and near the middle; parts up to `gap` pixels apart
    are one. The middle of the picture if nothing is stained."""
    height, width = stained.shape
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    side = 2 * ceil(gap / 2) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    joined = cv2.morphologyEx(stained.astype(np.uint8), cv2.MORPH_CLOSE, kernel)
    number, _, sizes, middles = cv2.connectedComponentsWithStats(joined)
    if number == 1:
        return float(middle[0]), float(middle[1])
    away = np.linalg.norm((middles[1:] - middle) / [width, height], axis=1)
    best = 1 + int(np.argmax(sizes[1:, cv2.CC_STAT_AREA] * np.exp(-((away / NEAR) ** 2))))
    return float(middles[best, 0]), float(middles[best, 1])


def square_about(
    image: np.ndarray, middle: tuple[float, float], size: int, step: float, colour: np.ndarray
) -> np.ndarray:
    """A square of `size` pixels, each `step` pixels of the image wide, about a point (x, y): uint8 [size, size, 3].

    What lies beyond the image has one colour. Resampled once, averaging over areas if it shrinks.
    """
    # Where it shrinks, several points of each pixel are looked up and averaged, as area interpolation does.
    fine = max(1, ceil(step))
    wide, stride = size * fine, step / fine
    start = [centre - stride * (wide - 1) / 2 for centre in middle]
    matrix = np.array([[stride, 0, start[0]], [0, stride, start[1]]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    fill = [int(level) for level in colour]
    crop = cv2.warpAffine(image, matrix, (wide, wide), flags=flags, borderMode=cv2.BORDER_CONSTANT, borderValue=fill)
    return crop if fine == 1 else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
