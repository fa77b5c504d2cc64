"""Pictures for the page, made in memory: the image as read, and the heat that goes over it."""

import base64

import cv2
import numpy as np

LONGEST_SIDE = 1600
HEAT_SIDE = 128
JPEG_QUALITY = 88


def preview(image: np.ndarray) -> str:
    """RGB uint8 [H, W, 3] as data address of a JPEG without any metadata, no side longer than `LONGEST_SIDE`."""
    image = _within(image, LONGEST_SIDE)
    return _address("jpeg", _encoded(".jpg", image[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]))


def heat_overlay(heat: np.ndarray) -> str:
    """Heat float32 [h, w] in [0, 1] as data address of a PNG: the hotter, the brighter and the less transparent.

    Heat is smooth: no side need be longer than `HEAT_SIDE`.
    """
    heat = _within(heat, HEAT_SIDE)
    level = np.clip(np.rint(255 * heat), 0, 255).astype(np.uint8)
    colours = cv2.applyColorMap(level, cv2.COLORMAP_INFERNO)
    return _address("png", _encoded(".png", np.dstack([colours, level]), []))


def thumbnail(data: bytes) -> str:
    """Data address of a JPEG that is one already."""
    return _address("jpeg", data)


def _within(pixels: np.ndarray, longest: int) -> np.ndarray:
    """Made smaller if a side is longer."""
    scale = longest / max(pixels.shape[:2])
    if scale >= 1:
        return pixels
    size = [max(1, round(side * scale)) for side in pixels.shape[1::-1]]
    return np.asarray(cv2.resize(pixels, size, interpolation=cv2.INTER_AREA))


def _encoded(suffix: str, pixels: np.ndarray, options: list[int]) -> bytes:
    done, data = cv2.imencode(suffix, pixels, options)
    if not done:
        raise ValueError(f"cannot encode {pixels.shape} as {suffix}")
    return data.tobytes()


def _address(kind: str, data: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(data).decode('ascii')}"
