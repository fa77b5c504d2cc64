"""Reinhard and CLAHE against independent floating-point references, and their guards."""

import cv2
import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from skimage.color import lab2rgb, rgb2lab

from leukoflow.config.views import Clahe, Reinhard
from leukoflow.core.foreground import foreground_mask
from leukoflow.core.picture import Raster
from leukoflow.images.stain import match_stain, normalise

REFERENCE = Reinhard(mean=(60.0, 20.0, -15.0), sd=(9.0, 8.0, 7.0))


def smear(seed: int = 0, size: int = 224) -> np.ndarray:
    """Purple and grey discs on a bright ground, with a little noise."""
    rng = np.random.default_rng(seed)
    image = np.full((size, size, 3), (236.0, 232.0, 240.0))
    for number in range(30):
        colour = (128, 84, 170) if number % 3 == 0 else (196, 186, 205)
        centre = tuple(int(value) for value in rng.integers(0, size, 2))
        cv2.circle(image, centre, int(rng.integers(size // 28, size // 14)), colour, -1)
    image += gaussian_filter(rng.normal(0, 12, image.shape), (1, 1, 0))
    return np.clip(image, 0, 255).astype(np.uint8)


def test_reinhard_equals_the_float_formula():
    image = smear()
    mask = foreground_mask(image)
    ours = cv2.cvtColor(match_stain(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), mask, REFERENCE), cv2.COLOR_LAB2RGB)
    lab = rgb2lab(image)
    mean, sd = lab[mask].mean(axis=0), lab[mask].std(axis=0)
    expected = lab2rgb((lab - mean) * np.array(REFERENCE.sd) / sd + np.array(REFERENCE.mean)) * 255
    difference = np.abs(ours.astype(float) - expected)
    assert difference.mean() < 2.0
    assert np.percentile(difference, 99) < 8.0


def test_foreground_gets_the_reference_statistics():
    image = smear(1)
    mask = foreground_mask(image)
    lab = match_stain(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), mask, REFERENCE)[mask].astype(float)
    assert lab.mean(axis=0) / [2.55, 1, 1] - [0, 128, 128] == pytest.approx(REFERENCE.mean, abs=0.6)
    assert lab.std(axis=0) / [2.55, 1, 1] == pytest.approx(REFERENCE.sd, abs=0.6)


def clahe_reference(channel: np.ndarray, clip: float, tiles: int) -> np.ndarray:
    """CLAHE written out in numpy for a side that the tiles divide."""
    side = channel.shape[0] // tiles
    limit = max(int(clip * side * side / 256), 1)
    tables = np.empty((tiles, tiles, 256))
    for row in range(tiles):
        for column in range(tiles):
            tile = channel[row * side : (row + 1) * side, column * side : (column + 1) * side]
            histogram = np.bincount(tile.ravel(), minlength=256)
            excess = int(np.maximum(histogram - limit, 0).sum())
            histogram = np.minimum(histogram, limit) + excess // 256
            rest = excess % 256
            if rest:
                histogram[:: max(256 // rest, 1)][:rest] += 1
            tables[row, column] = np.clip(np.rint(np.cumsum(histogram) * 255 / side**2), 0, 255)
    position = np.arange(channel.shape[0]) / side - 0.5
    low = np.floor(position).astype(int)
    share = position - low
    first, second = np.clip(low, 0, tiles - 1), np.clip(low + 1, 0, tiles - 1)

    def look(y: np.ndarray, x: np.ndarray) -> np.ndarray:
        return tables[y[:, None], x[None, :], channel]

    down, right = share[:, None], share[None, :]
    upper = look(first, first) * (1 - right) + look(first, second) * right
    lower = look(second, first) * (1 - right) + look(second, second) * right
    return np.rint(upper * (1 - down) + lower * down)


def test_clahe_works_on_lightness_alone_and_equals_the_reference():
    image = smear(2)
    lab = match_stain(cv2.cvtColor(image, cv2.COLOR_RGB2LAB), foreground_mask(image), REFERENCE)
    expected = lab.copy()
    expected[..., 0] = clahe_reference(lab[..., 0], 2.0, 8)
    ours = normalise(Raster(image), REFERENCE, Clahe())
    difference = np.abs(ours.astype(int) - cv2.cvtColor(expected, cv2.COLOR_LAB2RGB).astype(int))
    assert difference.mean() < 0.3
    assert difference.max() <= 8


@pytest.mark.parametrize("level", [0, 1, 127, 254, 255])
def test_a_blank_image_stays_blank(level):
    result = normalise(Raster(np.full((64, 64, 3), level, np.uint8)), REFERENCE, Clahe())
    assert result.shape == (64, 64, 3) and result.dtype == np.uint8
    assert np.ptp(result, axis=(0, 1)).max() <= 1
    assert np.ptp(result[0, 0].astype(int)) <= 3, "colours of an image without foreground are kept"


def test_statistics_of_a_channel_that_does_not_vary_shift_it_only():
    lab = np.full((8, 8, 3), (100, 128, 128), np.uint8)
    lab[:4, :, 0] = 200
    result = match_stain(lab, np.ones((8, 8), bool), REFERENCE)
    assert set(result[..., 1].ravel()) == {148} and set(result[..., 2].ravel()) == {113}


def test_noise_of_a_nearly_blank_image_is_not_blown_up():
    lab = np.full((64, 64, 3), 128, np.uint8)
    lab += np.random.default_rng(0).integers(0, 2, lab.shape, dtype=np.uint8)
    result = match_stain(lab, np.ones((64, 64), bool), Reinhard(mean=(50, 0, 0), sd=(30, 30, 30)))
    assert np.ptp(result, axis=(0, 1)).max() <= 3


@pytest.mark.parametrize("shape", [(16, 16), (17, 31), (224, 3), (1, 1)])
def test_any_size_and_content_gives_an_image(shape):
    image = np.random.default_rng(1).integers(0, 256, (*shape, 3), dtype=np.uint8)
    result = normalise(Raster(image), Reinhard(), Clahe(tiles=64))
    assert result.shape == image.shape and result.dtype == np.uint8


def test_the_same_stain_results_from_two_stains():
    image = smear(3)
    other = np.clip(image * np.array([0.93, 0.85, 0.97]) + [4, 6, 0], 0, 255).astype(np.uint8)
    before = np.abs(image.astype(int) - other).mean()
    one, two = (normalise(Raster(picture), REFERENCE, Clahe()).astype(int) for picture in (image, other))
    after = np.abs(one - two).mean()
    assert after < before / 3
