"""Thresholds are tuned on images in which there is something to find."""

import numpy as np
import pytest

from leukoflow.cells.labels import CYTOPLASM, NUCLEUS
from leukoflow.cells.threshold import tune


def test_images_without_a_cell_on_either_side_do_not_raise_the_dice() -> None:
    y, x = np.mgrid[:64, :64]
    distance = np.hypot(y - 30, x - 33)
    parts = np.where(distance < 9, NUCLEUS, np.where(distance < 15, CYTOPLASM, 0)).astype(np.uint8)
    image = np.array([[235, 230, 240], [190, 150, 200], [90, 50, 130]], np.uint8)[parts]
    blurred = np.clip(image + np.random.default_rng(0).normal(0, 25, image.shape), 0, 255).astype(np.uint8)
    images, masks = blurred[None], parts[None]
    rules, dice = tune([(images, masks)])
    blank = np.full_like(images, 240)
    more = (np.concatenate([images, blank]), np.concatenate([masks, np.zeros_like(masks)]))
    assert dice["cell"] < 0.99 and tune([more]) == (rules, pytest.approx(dice))
    assert tune([(blank, np.zeros_like(masks))])[1].get("cell", 0) < 1
