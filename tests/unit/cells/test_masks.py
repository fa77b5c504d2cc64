"""Masks of every coding are brought to the same form, and what is not listed is named."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from pydantic import ValidationError

from leukoflow.cells.labels import BACKGROUND, CELL, CYTOPLASM, NUCLEUS, UNKNOWN, fit_map, parts_of
from leukoflow.cells.masks import infer_codes, known, read_instances, read_mask
from leukoflow.config.masks import Masks
from leukoflow.core.errors import LeukoFlowError
from leukoflow.images.geometry import letterbox

TRUTH = np.zeros((24, 32), np.uint8)
TRUTH[4:20, 6:26] = CYTOPLASM
TRUTH[8:16, 10:20] = NUCLEUS
GREYS = Masks(path="x", nucleus=(255,), cytoplasm=(128,))


def write(path: Path, mask: np.ndarray) -> Path:
    cv2.imwrite(str(path), mask if mask.ndim == 2 else mask[:, :, ::-1])
    return path


def painted(colours: dict[int, tuple[int, int, int]]) -> np.ndarray:
    mask = np.zeros((*TRUTH.shape, 3), np.uint8)
    for part, colour in colours.items():
        mask[part == TRUTH] = colour
    return mask


def test_grey_levels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.array([0, 128, 255], np.uint8)[TRUTH])
    np.testing.assert_array_equal(read_mask(path, GREYS, TRUTH.shape), TRUTH)


def test_colours_also_after_lossy_saving(tmp_path: Path) -> None:
    masks = Masks(path="x", nucleus=("#ff0000",), cytoplasm=("#00ff00",), background=("#0000ff",))
    exact = painted({BACKGROUND: (0, 0, 255), CYTOPLASM: (0, 255, 0), NUCLEUS: (255, 0, 0)})
    np.testing.assert_array_equal(read_mask(write(tmp_path / "a.png", exact), masks, TRUTH.shape), TRUTH)
    noisy = np.clip(exact.astype(int) + np.random.default_rng(0).integers(-8, 9, exact.shape), 0, 255)
    found = read_mask(write(tmp_path / "b.png", noisy.astype(np.uint8)), masks, TRUTH.shape)
    np.testing.assert_array_equal(found, TRUTH)


def test_cells_without_nucleus_and_what_is_known(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.where(TRUTH > 0, 255, 0).astype(np.uint8))
    found = read_mask(path, Masks(path="x", cell=(255,)), TRUTH.shape)
    np.testing.assert_array_equal(found, np.where(TRUTH > 0, CELL, BACKGROUND))
    found[0] = UNKNOWN
    annotated, told_apart = known(found)
    assert not annotated[0].any() and annotated[1:].all()
    np.testing.assert_array_equal(told_apart[1:], found[1:] != CELL)


def test_instances_and_foreground(tmp_path: Path) -> None:
    labels = np.array([0, 6, 7], np.uint16)[TRUTH]
    path = write(tmp_path / "a.png", labels)
    np.testing.assert_array_equal(read_mask(path, Masks(path="x", coding="instances"), TRUTH.shape), TRUTH)
    np.testing.assert_array_equal(read_instances(path), labels)
    np.testing.assert_array_equal(parts_of(labels), TRUTH)
    picture = painted({CYTOPLASM: (90, 60, 120), NUCLEUS: (60, 30, 90), BACKGROUND: (3, 0, 5)})
    found = read_mask(write(tmp_path / "b.png", picture), Masks(path="x", coding="foreground"), TRUTH.shape)
    np.testing.assert_array_equal(found > 0, TRUTH > 0)


@pytest.mark.parametrize("swapped", [False, True])
def test_codes_are_inferred_whatever_the_colours(tmp_path: Path, swapped: bool) -> None:
    """A nucleus is darker than its cytoplasm, and the border is background: colours alone decide nothing."""
    first, second = ((255, 0, 0), (0, 0, 255))[:: -1 if swapped else 1]
    path = write(tmp_path / "a.png", painted({BACKGROUND: (255, 255, 255), CYTOPLASM: first, NUCLEUS: second}))
    image = np.array([230, 150, 60], np.uint8)[TRUTH][:, :, None].repeat(3, axis=2)
    masks = infer_codes([(image, path)] * 3)
    np.testing.assert_array_equal(read_mask(path, masks, TRUTH.shape), TRUTH)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    grey = write(tmp_path / "grey.png", np.array([0, 77, 255], np.uint8)[TRUTH])
    with pytest.raises(LeukoFlowError, match=r"grey\.png: .* code 77"):
        read_mask(grey, GREYS, TRUTH.shape)
    with pytest.raises(LeukoFlowError, match=r"the mask is 32 x 24, its image 10 x 12"):
        read_mask(grey, GREYS, (12, 10))
    (tmp_path / "text.png").write_text("no image")
    with pytest.raises(LeukoFlowError, match=r"text\.png: the mask is no image"):
        read_mask(tmp_path / "text.png", GREYS, TRUTH.shape)
    with pytest.raises(LeukoFlowError, match=r"none\.png: the mask cannot be read"):
        read_mask(tmp_path / "none.png", GREYS, TRUTH.shape)
    with pytest.raises(LeukoFlowError, match="1 common codes"):
        infer_codes([(np.zeros((24, 32, 3), np.uint8), write(tmp_path / "flat.png", np.zeros((24, 32), np.uint8)))])


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "needs grey levels or colours"),
        ({"nucleus": (300,)}, "no grey level"),
        ({"nucleus": ("red",)}, "write it as"),
        ({"nucleus": (255,), "cytoplasm": (255,)}, "two things"),
        ({"nucleus": (0,)}, "two things"),
    ],
)
def test_codes_are_checked(keys: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Masks(path="masks/{stem}.png", **keys)


@pytest.mark.parametrize("shape", [(24, 32), (40, 20), (16, 16)])
def test_maps_lie_on_their_letterboxed_images(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.uint16)
    mask[shape[0] // 4 : -shape[0] // 4, shape[1] // 4 : -shape[1] // 4] = 7
    image = np.where(mask[:, :, None] > 0, 40, 240).astype(np.uint8).repeat(3, axis=2)
    fitted, picture = fit_map(mask, 64), letterbox(image, 64)
    assert fitted.shape == (64, 64) and set(np.unique(fitted)) == {0, 7}
    assert ((picture[:, :, 0] < 140) != (fitted > 0)).mean() < 0.04


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA is not set")
def test_real_masks() -> None:
    root = Path(os.environ["LEUKOFLOW_DATA"])
    zheng, image = root / "zheng_wbc/masks/001.png", cv2.imread(str(root / "zheng_wbc/images/001.png"))
    listed = read_mask(zheng, GREYS, image.shape[:2])
    assert set(np.unique(listed)) == {BACKGROUND, CYTOPLASM, NUCLEUS}
    pairs = [
        (cv2.imread(str(root / f"zheng_wbc/images/{n:03d}.png"))[:, :, ::-1], root / f"zheng_wbc/masks/{n:03d}.png")
        for n in range(1, 20)
    ]
    np.testing.assert_array_equal(read_mask(zheng, infer_codes(pairs), image.shape[:2]), listed)
