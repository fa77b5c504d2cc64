"""A picture: what is found in it is found once, and is what the functions find."""

import cv2
import numpy as np
import pytest

from leukoflow.core import picture as module
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.foreground import background_colour, foreground_mask, stained_mask, white_balanced
from leukoflow.core.geometry import content_box, letterbox, letterboxed, middle_cell, paint_out
from leukoflow.core.picture import Picture, Raster


def smear(height: int = 200, width: int = 240) -> np.ndarray:
    image = np.full((height, width, 3), (238, 236, 226), np.uint8)
    cv2.circle(image, (60, 60), 20, (188, 160, 180), -1)
    return cv2.circle(image, (150, 90), 30, (130, 90, 180), -1)


def test_parts_are_what_the_functions_find(monkeypatch: pytest.MonkeyPatch) -> None:
    image = smear()
    foreground, background = foreground_mask(image), background_colour(image)
    wanted = [background, foreground, stained_mask(image, foreground), white_balanced(image, background)]
    raster = Raster(image)
    parts = [raster.background, raster.foreground, raster.stained, raster.balanced]
    assert all(np.array_equal(one, other) for one, other in zip(parts, wanted, strict=True))
    for name in ("background_colour", "foreground_mask", "stained_mask", "white_balanced"):
        monkeypatch.delattr(module, name)
    again = [raster.background, raster.foreground, raster.stained, raster.balanced]
    assert all(one is other for one, other in zip(parts, again, strict=True))


def test_a_rendition_knows_its_place_and_scale_and_is_made_once() -> None:
    image, bar = smear(), (180, 170, 230, 190)
    picture = Picture(Raster(image), bar, 0.5, True)
    assert picture.content == (0, 0, 240, 200)
    made = picture.rendition(120)
    assert picture.rendition(120) is made and picture.rendition(60) is not made
    wanted = paint_out(letterbox(image, 120), letterboxed(bar, 200, 240, 120))
    assert np.array_equal(made.raster.pixels, wanted)
    assert made.content == content_box(200, 240, 120) == (0, 10, 120, 110)
    assert made.bar is None and made.um_per_pixel == 1.0 and made.scale_known


def test_nothing_is_found_again_in_a_picture_that_is_its_own_rendition() -> None:
    picture = Picture(Raster(smear(128, 128)))
    assert picture.rendition(128).raster is picture.raster
    assert Picture(picture.raster, (500, 500, 510, 505)).rendition(128).raster is picture.raster
    assert picture.rendition(64).raster is not picture.raster


@pytest.mark.parametrize("wrong", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 3)), np.zeros((0, 4, 3), np.uint8)])
def test_anything_but_rgb_bytes_is_refused(wrong: np.ndarray) -> None:
    with pytest.raises(LeukoFlowError, match=r"uint8 \[H, W, 3\]"):
        Raster(wrong)


def test_a_centred_picture_is_the_cell_in_the_middle_at_the_scale_asked_for() -> None:
    made = Picture(Raster(smear()), None, 0.5, True).centred(64, 1.0)
    # The stained cell, 60 pixels wide at 0.5 micrometres a pixel, is 30 wide in the middle of the square.
    across, down = (np.flatnonzero((made.raster.pixels[..., 1] < 120).any(axis)) for axis in (0, 1))
    for places in (across, down):
        assert abs(len(places) - 30) <= 2 and abs(places.mean() - 31.5) <= 1
    assert made.um_per_pixel == 1.0 and made.scale_known
    # The square reaches beyond the picture, where it has the colour of the background.
    # 75 micrometres of the picture are left of the cell's middle, 45 right of it, 32 are seen on each side.
    assert made.content == (0, 0, 64, 64)
    wide = Picture(Raster(smear()), None, 0.5, True).centred(128, 1.0)
    assert wide.content == pytest.approx((0, 19, 109, 119), abs=1)
    assert np.array_equal(wide.raster.pixels[64, -1], background_colour(smear()))
    empty = np.full((90, 120, 3), 230, np.uint8)
    assert middle_cell(stained_mask(empty, foreground_mask(empty)), 3.0) == (59.5, 44.5)
    with pytest.raises(LeukoFlowError, match="scale is not known"):
        Picture(Raster(smear())).centred(64, 1.0)


def test_lobes_are_one_cell_and_a_neighbour_at_the_edge_is_another() -> None:
    stained = np.zeros((100, 100), bool)
    stained[40:50, 40:48] = stained[40:50, 51:59] = True
    assert middle_cell(stained, 4.0) == pytest.approx((49, 44.5), abs=0.6)
    assert middle_cell(stained, 0.5)[0] in (43.5, 54.5)
    stained[80:98, 84:98] = True
    assert middle_cell(stained, 4.0) == pytest.approx((49, 44.5), abs=0.6)
