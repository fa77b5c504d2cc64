"""Where an exported model looked: Grad-CAM by its exported gradient."""

import cv2
import numpy as np
import onnxruntime

from leukoflow.core.geometry import Box


def gradcam(network: onnxruntime.InferenceSession, picture: np.ndarray, maps: np.ndarray, label: int) -> np.ndarray:
    """Grad-CAM float32 [h, w] for a class, not yet stretched: the network's tail and its gradient, as exported.

    picture: uint8 [S, S, 3], which the tail takes where it looks past the maps.
    """
    known = {"maps": maps, "label": np.array([label], np.int64), "images": picture[None]}
    (heat,) = network.run(None, {each.name: known[each.name] for each in network.get_inputs()})
    return np.asarray(heat[0])


def over_image(heat: np.ndarray, content: Box, size: int) -> np.ndarray:
    """Heat of a rendition as it lies over the image that it was made of: float32 [h, w], least 0, most 1.

    heat: [a, b] over the rendition of this size; content: where the image lies in it. The padding of the letterbox is
    cut off. A map without any heat is 0.
    """
    x0, y0, x1, y1 = content
    whole = cv2.resize(heat.astype(np.float32), (size, size), interpolation=cv2.INTER_LINEAR)[y0:y1, x0:x1]
    low, high = float(whole.min()), float(whole.max())
    if high - low <= 1e-6 * max(abs(high), abs(low)):
        return np.zeros_like(whole)
    return (whole - low) / (high - low)
