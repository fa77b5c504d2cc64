"""Views: geometry, scale bars, and what each rendition shows and hides."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from skimage import transform

from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.geometry import Box, letterbox, letterboxed, paint_out
from leukoflow.core.picture import Picture, Raster
from leukoflow.images.geometry import stretched
from leukoflow.images.views import FLAT, render_view

KINDS = ["plain", "normalised", "grey", "background", "masked"]
GROUND = (238, 236, 226)
WHITE_CELLS = [(40, 50), (120, 60), (70, 150), (180, 170)]
RED_CELLS = [(90, 100), (160, 110), (30, 190), (200, 40), (140, 200), (20, 110)]


def smear(size: int = 224) -> np.ndarray:
    image = np.full((224, 224, 3), GROUND, np.uint8)
    for centre in RED_CELLS:
        cv2.circle(image, centre, 9, (188, 190, 200), -1)
    for centre in WHITE_CELLS:
        cv2.circle(image, centre, 14, (130, 90, 180), -1)
    image = cv2.GaussianBlur(image, (3, 3), 0)
    return cv2.resize(image, (size, size), interpolation=cv2.INTER_CUBIC)


def discs(centres: list[tuple[int, int]], radius: int) -> np.ndarray:
    mask = np.zeros((224, 224), np.uint8)
    for centre in centres:
        cv2.circle(mask, centre, radius, 1, -1)
    return mask.astype(bool)


CELLS = discs(WHITE_CELLS, 16).astype(np.uint16) * 3
NONE = np.zeros((32, 32), np.uint16)


def view_of(image: np.ndarray, view: View, bar: Box | None = None, cells: np.ndarray | None = None) -> np.ndarray:
    return render_view(Picture(Raster(image), bar), view, cells)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", [(224, 224), (768, 1024), (300, 17), (1, 300), (1, 1), (40, 40)])
def test_every_view_of_every_shape_is_a_square_uint8_image(kind, shape):
    image = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    cells = np.random.default_rng(1).integers(0, 5, (64, 64), dtype=np.uint16)
    result = view_of(image, View(kind=kind, size=96), (1, 2, 9, 9), cells)
    assert result.shape == (96, 96, 3) and result.dtype == np.uint8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_a_blank_image_holds_no_cells(kind, level):
    result = view_of(np.full((60, 80, 3), level, np.uint8), View(kind=kind, size=64), None, NONE)
    assert np.ptp(result, axis=(0, 1)).max() <= 1


def test_the_image_is_not_changed_in_place():
    image = smear()
    copy = image.copy()
    for kind in KINDS:
        view_of(image, View(kind=kind), (190, 190, 220, 220), NONE)
    assert np.array_equal(image, copy)


def test_plain_at_native_size_is_the_image_itself():
    assert np.array_equal(view_of(smear(), View(kind="plain"), None), smear())


@pytest.mark.parametrize("wrong", [np.zeros((5, 5), np.uint8), np.zeros((5, 5, 4), np.uint8), np.zeros((5, 5, 3))])
def test_anything_but_rgb_bytes_is_refused(wrong):
    with pytest.raises(LeukoFlowError, match=r"uint8 \[H, W, 3\]"):
        view_of(wrong, View(kind="plain"), None)


def test_letterbox_keeps_the_aspect_and_pads_with_background():
    image = np.full((300, 600, 3), GROUND, np.uint8)
    cv2.circle(image, (300, 150), 100, (130, 90, 180), -1)
    result = letterbox(image, 120)
    assert (result[:30] == GROUND).all() and (result[90:] == GROUND).all()
    rows, columns = np.nonzero((result != GROUND).any(axis=2))
    assert abs(np.ptp(rows) - np.ptp(columns)) <= 1 and np.ptp(rows) == pytest.approx(40, abs=2)


@pytest.mark.parametrize("aspect", [4 / 3, 0.75])
def test_what_was_squeezed_into_a_square_is_round_again(aspect):
    disc = np.zeros((240, 240), np.uint8)
    x_axis, y_axis = (60, round(60 * aspect)) if aspect > 1 else (round(60 / aspect), 60)
    cv2.ellipse(disc, (120, 120), (x_axis, y_axis), 0, 0, 360, 1, -1)
    mask = stretched(disc, aspect)
    image = stretched(np.repeat(disc[:, :, None] * 200, 3, axis=2), aspect)
    assert mask.shape == image.shape[:2] == ((240, 320) if aspect > 1 else (320, 240))
    assert set(np.unique(mask)) == {0, 1} and ((image[:, :, 0] > 100) == mask).mean() > 0.995
    down, across = np.nonzero(mask)
    assert abs(np.ptp(down) - np.ptp(across)) <= 2
    assert stretched(image, None) is image and stretched(image, image.shape[1] / image.shape[0]) is image


def test_shrinking_averages_areas():
    image = np.random.default_rng(0).integers(0, 256, (128, 128, 3), dtype=np.uint8)
    expected = image.reshape(32, 4, 32, 4, 3).mean(axis=(1, 3))
    assert np.abs(letterbox(image, 32) - expected).max() <= 0.51


def test_a_box_follows_its_pixels_through_the_letterbox():
    image = np.full((768, 1024, 3), GROUND, np.uint8)
    image[700:740, 900:1000] = (200, 0, 0)
    x0, y0, x1, y1 = letterboxed((900, 700, 1000, 740), 768, 1024, 224)
    rows, columns = np.nonzero((letterbox(image, 224) != GROUND).any(axis=2))
    assert (columns.min(), rows.min(), columns.max() + 1, rows.max() + 1) == (x0, y0, x1, y1)


@pytest.mark.parametrize("colour", [(220, 30, 30), (10, 10, 10)])
def test_the_scale_bar_disappears_and_nothing_else_changes(colour):
    clean = smear()
    image = clean.copy()
    image[196:214, 186:216] = 255
    cv2.putText(image, "20 um", (187, 206), cv2.FONT_HERSHEY_SIMPLEX, 0.28, colour, 1)
    cv2.line(image, (190, 210), (212, 210), colour, 2)
    result = paint_out(image, (186, 196, 216, 214))
    inside = np.abs(result[196:214, 186:216].astype(int) - GROUND)
    assert inside.max() <= 2
    far = np.ones((224, 224), bool)
    far[190:, 180:] = False
    assert np.array_equal(result[far], image[far])


def test_the_bar_of_a_large_image_disappears_from_its_rendition():
    image = np.full((768, 1024, 3), GROUND, np.uint8)
    cv2.circle(image, (300, 300), 60, (130, 90, 180), -1)
    clean = view_of(image, View(kind="plain"), None)
    image[690:730, 880:1000] = (200, 0, 0)
    assert np.abs(view_of(image, View(kind="plain"), None).astype(int) - clean).max() > 100
    rendered = view_of(image, View(kind="plain"), (880, 690, 1000, 730))
    assert np.abs(rendered.astype(int) - clean).max() <= 2


def test_a_scale_bar_is_filled_with_the_background_near_it():
    ground = np.linspace(150, 250, 224)[:, None, None] * np.ones((1, 224, 3))
    image = ground.astype(np.uint8)
    image[150:165, 100:140] = (220, 0, 0)
    result = paint_out(image, (100, 150, 140, 165))
    assert np.abs(result[150:165, 100:140] - ground[150:165, 100:140]).mean() < 6


def test_boxes_beyond_the_image_are_cut_off():
    image = smear()
    assert np.array_equal(paint_out(image, (500, 500, 600, 600)), image)
    assert np.array_equal(paint_out(image, (-10, -10, 400, 400)), image), "nothing is left to paint from"
    assert paint_out(image, (200, 200, 400, 400)).shape == image.shape


def test_grey_is_luminance_three_times():
    image = smear()
    result = view_of(image, View(kind="grey"), None).astype(float)
    expected = image @ np.array([0.299, 0.587, 0.114])
    assert np.abs(result - expected[..., None]).max() <= 1


def test_masked_shows_white_cells_and_nothing_else():
    image = smear()
    result = view_of(image, View(kind="masked"), None, CELLS)
    assert np.array_equal(result[discs(WHITE_CELLS, 11)], image[discs(WHITE_CELLS, 11)])
    assert (result[~discs(WHITE_CELLS, 18)] == FLAT).all()


def test_masked_hides_the_background_colour():
    image = smear()
    other = image.copy()
    other[~discs([*WHITE_CELLS, *RED_CELLS], 20)] -= 6
    outside = ~discs(WHITE_CELLS, 18)
    first, second = (view_of(picture, View(kind="masked"), None, CELLS)[outside] for picture in (image, other))
    assert np.array_equal(first, second)


def test_background_shows_no_cell_and_keeps_the_ground():
    image = smear()
    result = view_of(image, View(kind="background"), None, CELLS)
    assert np.abs(result.astype(int) - GROUND).max() <= 4
    ground = ~discs([*WHITE_CELLS, *RED_CELLS], 22)
    assert np.array_equal(result[ground], image[ground])


def test_an_image_without_white_cells_is_masked_to_nothing():
    image = np.full((224, 224, 3), GROUND, np.uint8)
    for centre in RED_CELLS:
        cv2.circle(image, centre, 9, (188, 190, 200), -1)
    assert (view_of(image, View(kind="masked"), None, NONE) == FLAT).all()


@pytest.mark.parametrize("margin", [0.0, 0.1, 0.5])
def test_cropped_is_the_square_about_all_white_cells(margin):
    cells = discs(WHITE_CELLS[:2], 14)
    view = View.model_validate({"kind": "chain", "steps": [{"cells": {"show": "cropped", "margin": margin}}]})
    result = view_of(smear(), view, None, cells.astype(np.uint16) * 2)
    rows, columns = np.nonzero(cells.any(axis=1))[0], np.nonzero(cells.any(axis=0))[0]
    side = max(np.ptp(rows), np.ptp(columns)) + 1
    middle = (columns[0] + columns[-1]) / 2, (rows[0] + rows[-1]) / 2
    step = side * (1 + 2 * margin) / 224
    inverse = transform.AffineTransform(scale=step, translation=[centre - step * 111.5 for centre in middle])
    expected = 255 * transform.warp(smear(), inverse, order=1, mode="edge")
    assert np.abs(result - expected).max() < 12 and np.abs(result - expected).mean() < 0.5


def test_without_white_cells_nothing_is_cropped():
    view = View.model_validate({"kind": "chain", "steps": [{"cells": {"show": "cropped"}}]})
    assert np.array_equal(view_of(smear(), view, None, NONE), smear())


def test_masks_of_another_size_lie_where_the_cells_are():
    small = cv2.resize(CELLS, (112, 112), interpolation=cv2.INTER_NEAREST)
    one, two = (view_of(smear(), View(kind="masked"), None, cells) for cells in (CELLS, small))
    assert ((one == FLAT).all(axis=2) != (two == FLAT).all(axis=2)).mean() < 0.01


@pytest.mark.parametrize("kind", ["masked", "background"])
def test_views_of_cells_need_label_maps(kind):
    with pytest.raises(LeukoFlowError, match="needs the label maps"):
        view_of(smear(), View(kind=kind), None)


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA names no folder of real images")
@pytest.mark.parametrize(("cohort", "least"), [("zheng_wbc", 0.58), ("bcisc", 0.70)])
def test_white_cells_agree_with_expert_masks(cohort, least):
    folder = Path(os.environ["LEUKOFLOW_DATA"]) / cohort
    scores = []
    for mask_file in sorted((folder / "masks").iterdir())[::9]:
        (image_file,) = (folder / "images").glob(f"{mask_file.stem}.*")
        expert = cv2.imread(str(mask_file), cv2.IMREAD_GRAYSCALE) > 64
        ours = Raster(cv2.cvtColor(cv2.imread(str(image_file)), cv2.COLOR_BGR2RGB)).stained
        scores.append(2 * (ours & expert).sum() / max(1, ours.sum() + expert.sum()))
    assert np.mean(scores) > least
