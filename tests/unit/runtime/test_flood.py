"""The flood without scikit-image, against scikit-image's."""

import numpy as np
import pytest
from scipy.ndimage import binary_fill_holes, gaussian_filter
from skimage.filters import threshold_otsu
from skimage.segmentation import watershed

from leukoflow.cells.threshold import _filled
from leukoflow.cells.watershed import separate
from leukoflow.core.foreground import otsu
from leukoflow.runtime.flood import flooded


@pytest.mark.parametrize("seed", range(5))
def test_floods_meet_where_scikit_image_says(seed: int) -> None:
    random = np.random.default_rng(seed)
    height = gaussian_filter(random.normal(size=(60, 80)), 3)
    mask = gaussian_filter(random.normal(size=(60, 80)), 4) > -0.05
    markers = np.zeros((60, 80), np.int32)
    markers.flat[random.choice(np.flatnonzero(mask), 8, replace=False)] = np.arange(1, 9)
    wanted = watershed(height, markers, mask=mask)
    assert len(np.unique(wanted)) > 3
    assert np.array_equal(flooded(height, markers, mask), wanted)


def test_touching_cells_come_apart_as_in_the_pipeline() -> None:
    parts = np.zeros((64, 96), np.uint8)
    y, x = np.mgrid[:64, :96]
    for middle in (34, 58):
        parts[(y - 32) ** 2 + (x - middle) ** 2 < 15**2] = 1
    for middle in (34, 58):
        parts[(y - 32) ** 2 + (x - middle) ** 2 < 7**2] = 2
    labels = separate(parts, 10, 60, flooded)
    assert labels.max() // 2 == 2
    assert (labels != separate(parts, 10, 60)).mean() < 0.002  # ties along the line between them


def test_otsu_and_filled_holes_are_those_of_the_libraries() -> None:
    random = np.random.default_rng(0)
    values = np.concatenate([random.normal(70, 9, 900), random.normal(150, 20, 400)]).clip(0, 255).astype(np.uint8)
    assert otsu(np.bincount(values, minlength=256).astype(float))[0] == threshold_otsu(values)
    mask = gaussian_filter(random.normal(size=(70, 90)), 3) > 0
    assert (binary_fill_holes(mask) != mask).any()
    assert np.array_equal(_filled(mask.astype(np.uint8)) > 0, binary_fill_holes(mask))
