"""Quality of images: against known answers, and finite whatever comes."""

from itertools import pairwise

import cv2
import numpy as np
import pytest
from skimage.color import rgb2lab

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.foreground import foreground_mask
from leukoflow.quality.measure import STAIN_COLUMNS, measure

GROUND, CELL = (240, 238, 230), (150, 90, 170)


def field(side: int = 224, cells: int = 12, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    image = np.full((side, side, 3), GROUND, np.uint8)
    for _ in range(cells):
        cv2.circle(image, tuple(map(int, rng.integers(20, 150, 2))), 11, CELL, -1, cv2.LINE_AA)
    return image


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 2), (224, 224), (2000, 3)])
@pytest.mark.parametrize("level", [0, 7, 128, 255])
def test_blank_images_have_finite_numbers_and_no_foreground(shape: tuple[int, int], level: int) -> None:
    row = measure(np.full((*shape, 3), level, np.uint8)).columns()
    assert all(value is None or np.isfinite(value) for value in row.values())
    assert row["foreground_fraction"] == row["focus"] == 0
    assert row["exposure"] == pytest.approx(level / 255, abs=1e-6)
    assert row["dark_fraction"] == float(level <= 5) and row["bright_fraction"] == float(level >= 250)


def test_stain_of_cells_and_background_against_scikit_image() -> None:
    image = field()
    row, cells, lab = measure(image).columns(), foreground_mask(image), rgb2lab(image)
    for part, mask in (("foreground", cells), ("background", ~cells)):
        for index, channel in enumerate("Lab"):
            # 8-bit Lab is exact to about half a unit.
            assert row[f"{part}_{channel}_mean"] == pytest.approx(lab[mask][:, index].mean(), abs=0.7)
            assert row[f"{part}_{channel}_sd"] == pytest.approx(lab[mask][:, index].std(), abs=0.7)
    assert row["foreground_fraction"] == pytest.approx(cells.mean()) and set(STAIN_COLUMNS) < set(row)


def test_focus_falls_with_every_blur() -> None:
    image = field()
    values = [measure(image).focus, *(measure(cv2.GaussianBlur(image, (0, 0), s)).focus for s in (0.7, 1.5, 3, 6))]
    assert all(sharper > 1.3 * softer for sharper, softer in pairwise(values))


def test_empty_background_and_contrast_play_no_part_in_focus() -> None:
    image = field()
    wide = cv2.copyMakeBorder(image, 100, 100, 100, 100, cv2.BORDER_CONSTANT, value=GROUND)
    pale = np.rint(np.array(GROUND) + 0.6 * (image.astype(float) - GROUND)).astype(np.uint8)
    assert measure(wide).focus == pytest.approx(measure(image).focus, rel=0.03)
    # Without the division by contrast it would fall to 0.36; the threshold of the cells moves a little.
    assert measure(pale).focus == pytest.approx(measure(image).focus, rel=0.25)


def test_a_burnt_in_bar_changes_nothing_but_its_own_columns() -> None:
    image = field()
    barred = image.copy()
    cv2.line(barred, (170, 214), (214, 214), (226, 24, 32), 2)
    cv2.putText(barred, "10 um", (174, 208), cv2.FONT_HERSHEY_SIMPLEX, 0.35, (226, 24, 32), 1, cv2.LINE_AA)
    plain, marked = measure(image).columns(), measure(barred).columns()
    assert plain["bar_x0"] is None and marked["bar_x0"] is not None
    for name, value in plain.items():
        if name == "um_per_pixel" and (value is None or marked[name] is None):
            continue  # a red cell more or less under the bar may decide whether there is a scale
        if not name.startswith(("bar", "red_cells", "scale")):
            assert marked[name] == pytest.approx(value, rel=0.02, abs=0.02), name


def test_what_is_no_image_is_refused() -> None:
    for wrong in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3), np.float32), np.zeros((0, 4, 3), np.uint8)):
        with pytest.raises(LeukoFlowError, match="uint8"):
            measure(wrong)
