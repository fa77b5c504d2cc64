"""Where an exported model looked, by its exported gradient or by covering parts of the picture."""

from collections.abc import Callable

import cv2
import numpy as np
import onnxruntime

from leukoflow.images.geometry import content_box

GRID = 8
"""Rows and columns in which the picture is covered."""
Logits = Callable[[np.ndarray], np.ndarray]


def gradcam(network: onnxruntime.InferenceSession, maps: np.ndarray, label: int) -> np.ndarray:
    """Grad-CAM [h, w] for a class, not yet stretched: the exported tail of the network and its gradient."""
    (heat,) = network.run(None, {"maps": maps, "label": np.array([label], np.int64)})
    return np.asarray(heat[0])


def occlusion(picture: np.ndarray, logits: Logits, label: int) -> np.ndarray:
    """Loss of a class's probability where a patch is covered by the picture's mean colour: float32 [8, 8], 0 or more.

    picture: uint8 [S, S, 3]; logits: of pictures uint8 [n, S, S, 3], float [n, K].
    """
    edges = np.linspace(0, len(picture), GRID + 1).round().astype(int)
    covered = np.repeat(picture[None], GRID**2 + 1, axis=0)
    colour = np.rint(picture.reshape(-1, 3).mean(axis=0)).astype(np.uint8)
    for place in range(GRID**2):
        row, column = divmod(place, GRID)
        covered[place + 1, edges[row] : edges[row + 1], edges[column] : edges[column + 1]] = colour
    found = np.concatenate([logits(part) for part in np.array_split(covered, 5)]).astype(np.float64)
    shares = np.exp(found - np.logaddexp.reduce(found, axis=1)[:, None])[:, label]
    return np.maximum(shares[0] - shares[1:], 0).reshape(GRID, GRID).astype(np.float32)


def over_image(heat: np.ndarray, height: int, width: int, size: int) -> np.ndarray:
    """Heat of a rendition as it lies over the image that it was made of: float32 [h, w], least 0, most 1.

    heat: [a, b] over the rendition of this size; the padding of the letterbox is cut off. A map without any heat is 0.
    """
    x0, y0, x1, y1 = content_box(height, width, size)
    whole = cv2.resize(heat.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)[y0:y1, x0:x1]
    low, high = float(whole.min()), float(whole.max())
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        return np.zeros_like(whole)
    return (whole - low) / (high - low)
