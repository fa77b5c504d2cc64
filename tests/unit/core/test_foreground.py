"""Foreground and stained cells on drawn smears, and on images with nothing to find."""

import cv2
import numpy as np
import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.foreground import background_colour, foreground_mask
from leukoflow.core.picture import Raster

STAINS = {
    "purple on cream": ((238, 236, 226), (188, 190, 200), (130, 90, 180)),
    "pale pink on white": ((252, 252, 252), (222, 228, 226), (236, 180, 240)),
    "purple next to pink red cells": ((252, 226, 200), (205, 160, 155), (90, 60, 130)),
}


def smear(ground, red, white, size=224):
    image = np.full((size, size, 3), ground, np.uint8)
    masks = []
    for colour, centres in ((red, [(60, 60), (150, 60), (60, 150)]), (white, [(150, 150), (200, 40)])):
        mask = np.zeros((size, size), np.uint8)
        for centre in centres:
            cv2.circle(mask, tuple(coordinate * size // 224 for coordinate in centre), 15 * size // 224, 1, -1)
        image[mask > 0] = colour
        masks.append(mask.astype(bool))
    return image, *masks


def overlap(one: np.ndarray, two: np.ndarray) -> float:
    return 2 * (one & two).sum() / (one.sum() + two.sum())


@pytest.mark.parametrize("stain", STAINS)
@pytest.mark.parametrize("size", [112, 224, 900])
def test_cells_are_found(stain, size):
    image, red, white = smear(*STAINS[stain], size)
    assert background_colour(image).tolist() == list(STAINS[stain][0])
    assert overlap(foreground_mask(image), red | white) > 0.9  # a rim of one pixel counts as cell
    assert overlap(Raster(image).stained, white) > 0.9


@pytest.mark.parametrize("level", [0, 90, 255])
def test_nothing_is_found_in_a_blank_image(level):
    image = np.full((50, 60, 3), level, np.uint8)
    assert not foreground_mask(image).any() and not Raster(image).stained.any()


def test_red_cells_alone_are_not_stained():
    ground, red, _ = STAINS["purple on cream"]
    image, _, _ = smear(ground, red, red)
    assert foreground_mask(image).any() and not Raster(image).stained.any()


def test_white_cells_alone_are_stained():
    ground, _, white = STAINS["purple on cream"]
    image, one, two = smear(ground, white, white)
    assert overlap(Raster(image).stained, one | two) > 0.93


@pytest.mark.parametrize("shape", [(0, 4, 3), (4, 4), (4, 4, 4)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(LeukoFlowError, match=r"uint8 \[H, W, 3\]"):
        foreground_mask(np.zeros(shape, np.uint8))
    with pytest.raises(LeukoFlowError, match=r"uint8 \[H, W, 3\]"):
        Raster(np.zeros(shape, np.uint8))
