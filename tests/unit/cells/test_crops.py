"""Crops of single cells: centre, scale, fill, and which cells are taken."""

import numpy as np
import pytest
from skimage.measure import regionprops

from leukoflow.cells.crops import crop_cells, visible
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.picture import Picture, Raster

GROUND, CELL = np.array([236, 234, 220], np.uint8), np.array([120, 70, 160], np.uint8)


def field(side: int, *discs: tuple[float, float, float]) -> tuple[np.ndarray, np.ndarray]:
    """Discs (x, y, radius), cell 1, 2, ..., on an even ground."""
    rows, columns = np.mgrid[:side, :side]
    image = np.tile(GROUND, (side, side, 1))
    labels = np.zeros((side, side), np.uint16)
    for number, (x, y, radius) in enumerate(discs, start=1):
        inside = (columns - x) ** 2 + (rows - y) ** 2 <= radius**2
        image[inside], labels[inside] = CELL, 2 * number
    return image, labels


def crops_of(image, labels, um_per_pixel, size, target, placed=None, **more) -> tuple[np.ndarray, np.ndarray]:
    picture = Picture(Raster(image), None, um_per_pixel, placed=placed)
    return crop_cells(picture, labels, size, target, **more)


def blob(crop: np.ndarray) -> tuple[float, float, float]:
    """Centroid and equivalent diameter of what is dark."""
    (region,) = regionprops((crop[..., 1] < 150).astype(np.uint8))
    return region.centroid[1], region.centroid[0], region.equivalent_diameter_area


@pytest.mark.parametrize(("target", "size"), [(0.1, 64), (0.25, 64), (0.37, 64), (0.9, 24)])
def test_every_cell_is_in_the_middle_at_the_scale_asked_for(target: float, size: int):
    image, labels = field(200, (60.4, 90.7, 20), (140.2, 60.1, 12))
    crops, numbers = crops_of(image, labels, 0.25, size, target)
    assert crops.shape == (2, size, size, 3) and crops.dtype == np.uint8 and numbers.tolist() == [1, 2]
    for crop, radius in zip(crops, (20, 12), strict=True):
        if 2 * radius * 0.25 / target > size - 4:
            continue
        x, y, diameter = blob(crop)
        assert (x, y) == pytest.approx(((size - 1) / 2, (size - 1) / 2), abs=0.3)
        assert diameter == pytest.approx(2 * radius * 0.25 / target, rel=0.05, abs=0.4)


def test_the_same_scale_at_the_same_place_is_a_plain_copy():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (64, 64, 3)).astype(np.uint8)
    labels = np.zeros((64, 64), np.uint16)
    labels[20:30, 30:40] = 2  # centred on (34.5, 24.5)
    crops, _ = crops_of(image, labels, 0.2, 20, 0.2)
    assert np.array_equal(crops[0], image[15:35, 25:45])


def test_shrinking_averages_areas():
    # A fine chequerboard of 0 and 200 becomes an even grey; picking single points would give stripes or spots.
    image = np.where(np.indices((128, 128)).sum(0) % 2, 200, 0).astype(np.uint8)[..., None].repeat(3, axis=2)
    labels = np.zeros((128, 128), np.uint16)
    labels[54:74, 54:74] = 2
    crops, _ = crops_of(image, labels, 0.1, 20, 0.4)
    assert np.abs(crops[0].astype(int) - 100).max() <= 2


def test_beyond_the_image_lies_its_background():
    image, labels = field(80, (14, 40, 12))
    crops, _ = crops_of(image, labels, 0.25, 64, 0.25)
    assert (crops[0, :, :17] == GROUND).all()


def test_cells_of_which_less_than_half_is_seen_are_left_out():
    image, labels = field(120, (60, 60, 12), (5, 20, 12), (-5, 80, 12), (118, 118, 12))
    assert crops_of(image, labels, 0.25, 32, 0.25)[1].tolist() == [1, 2]
    assert crops_of(image, labels, 0.25, 32, 0.25, least_visible=0)[1].tolist() == [1, 2, 3, 4]
    assert crops_of(image, labels, 0.25, 32, 0.25, least_visible=1)[1].tolist() == [1]
    # The edge that counts is that of the picture, not of the letterbox around it.
    assert 1 not in crops_of(image, labels, 0.25, 32, 0.25, least_visible=1, placed=(48, 0, 120, 120))[1]


@pytest.mark.parametrize("centre", [(-5, 50), (-1, 50), (1, 50), (5, 50), (9, 50), (3, 2), (97, 95), (50, 102)])
def test_the_share_seen_is_that_of_the_area(centre: tuple[int, int]):
    _, labels = field(100, (*centre, 14))
    (region,) = regionprops((labels > 0).astype(np.uint8))
    rows, columns = np.mgrid[-40:140, -40:140]
    whole = np.count_nonzero((columns - centre[0]) ** 2 + (rows - centre[1]) ** 2 <= 14**2)
    share = visible(region.image, region.bbox, (0, 0, 100, 100))
    assert share == pytest.approx(region.area / whole, abs=0.08)


def test_a_sliver_at_the_edge_is_hardly_seen():
    for sliver in (np.ones((1, 9), bool), np.ones((1, 1), bool)):
        assert visible(sliver, (0, 10, 1, 10 + sliver.shape[1]), (0, 0, 100, 100)) == 0
    assert visible(np.ones((3, 3), bool), (5, 5, 8, 8), (0, 0, 100, 100)) == 1


def test_no_cells_give_no_crops():
    image, labels = field(40)
    crops, numbers = crops_of(image, labels, 0.25, 32, 0.25)
    assert crops.shape == (0, 32, 32, 3) and numbers.shape == (0,)


def test_bad_arguments_are_refused():
    image, labels = field(40, (20, 20, 8))
    with pytest.raises(LeukoFlowError, match="label map"):
        crops_of(image, labels[1:], 0.25, 32, 0.25)
    with pytest.raises(LeukoFlowError, match="no scale"):
        crops_of(image, labels, 0.25, 32, 0.0)
