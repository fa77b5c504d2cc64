"""Pictures for the page keep what they show and drop what is not needed."""

import base64

import cv2
import numpy as np

from leukoflow.serve.pictures import HEAT_SIDE, heat_overlay, preview


def decoded(address: str) -> np.ndarray:
    data = np.frombuffer(base64.b64decode(address.partition(",")[2]), np.uint8)
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))


def test_large_heat_is_sent_small_and_stays_in_its_place() -> None:
    y, x = np.mgrid[:600, :900]
    heat = np.exp(-(((x - 600) / 90) ** 2) - ((y - 150) / 60) ** 2).astype(np.float32)
    alpha = decoded(heat_overlay(heat))[:, :, 3]
    assert alpha.shape == (round(600 * HEAT_SIDE / 900), HEAT_SIDE)
    row, column = np.unravel_index(alpha.argmax(), alpha.shape)
    assert abs(column / alpha.shape[1] - 600 / 900) < 0.01 and abs(row / alpha.shape[0] - 150 / 600) < 0.02
    assert 240 <= alpha.max() <= 255


def test_a_preview_has_the_colours_of_the_image() -> None:
    image = np.zeros((40, 60, 3), np.uint8)
    image[:, :30], image[:, 30:] = (200, 30, 60), (40, 160, 220)
    shown = decoded(preview(image))[:, :, ::-1].astype(int)
    assert shown.shape == image.shape
    assert np.abs(shown[20, 10] - image[20, 10]).max() < 12 and np.abs(shown[20, 50] - image[20, 50]).max() < 12


def test_a_very_thin_image_keeps_a_pixel_of_width() -> None:
    assert decoded(preview(np.zeros((5000, 1, 3), np.uint8))).shape[:2] == (1600, 1)
