"""Cells without a stained nucleus are dropped: red cells that a segmenter took for white ones, on drawn smears."""

import numpy as np
import pytest

from leukoflow.cells.labels import parts_of
from leukoflow.cells.nuclei import add_stained, with_nuclei
from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.core.picture import Raster

SIZE = 256
UM = 72 / SIZE
"""Scale of drawn smears of this size, near enough."""


@pytest.fixture(scope="module")
def fields():
    cohort = SyntheticCohort.model_validate(
        {
            "kind": "synthetic",
            "images": 16,
            "patients": 8,
            "size": SIZE,
            "seed": 5,
            "faults": {"stain_confounding": 0.5},
        }
    )
    return [draw(cohort, row) for row in rows(plan(cohort))]


def planted(mask: np.ndarray, image: np.ndarray) -> tuple[np.ndarray, int]:
    """Label map of the white cells and of discs on red cells, which come last; and how many white cells there are."""
    labels = mask.copy()
    white = int(mask.max()) // 2
    red = Raster(image).foreground & (mask == 0)
    generator, number = np.random.default_rng(0), white
    ys, xs = np.nonzero(red)
    grid = np.mgrid[:SIZE, :SIZE]
    for pick in generator.choice(len(ys), 60):
        away = np.hypot(grid[0] - ys[pick], grid[1] - xs[pick])
        disc = away < 10
        if (labels[disc] > 0).any() or red[disc].mean() < 0.7:
            continue
        number += 1
        labels[disc] = 2 * number
        labels[away < 7] = 2 * number + 1
    return labels, white


def test_white_cells_stay_and_red_ones_go(fields):
    kept = lost = invented = planted_cells = 0
    for drawing in fields:
        labels, white = planted(drawing.mask, drawing.image)
        found = with_nuclei(Raster(drawing.image), labels, UM)
        left = {int(number) // 2 for number in np.unique(labels[found > 0])} - {0}
        sizes = np.bincount(drawing.mask.ravel(), minlength=2 * white + 2)
        whole = {cell for cell in range(1, white + 1) if sizes[2 * cell + 1] * UM**2 > 15}
        kept += len(whole & left)
        lost += len(whole - left)
        invented += sum(cell > white for cell in left)
        planted_cells += int(labels.max()) // 2 - white
    assert planted_cells > 50 and kept + lost > 50
    assert lost / (kept + lost) < 0.05
    assert invented / planted_cells < 0.05


def test_cells_are_numbered_again_in_order(fields):
    drawing = fields[0]
    labels, _ = planted(drawing.mask, drawing.image)
    found = with_nuclei(Raster(drawing.image), labels, UM)
    numbers = np.unique(found // 2)
    assert list(numbers) == list(range(len(numbers))) and found.dtype == labels.dtype
    before = [int(labels[found == value].min()) for value in np.unique(found) if value]
    assert before == sorted(before)


def test_nothing_found_stays_nothing(fields):
    empty = np.zeros((SIZE, SIZE), np.uint16)
    assert not with_nuclei(Raster(fields[0].image), empty, UM).any()


def test_a_nucleus_smaller_than_a_platelet_is_none(fields):
    image = fields[0].image
    labels = np.where(fields[0].mask > 0, 2, 0).astype(np.uint16)  # cytoplasm alone
    assert not with_nuclei(Raster(image), labels, UM).any()


def test_white_cells_that_the_segmenter_missed_are_found_by_their_stain(fields):
    missed = seen = red = 0
    for drawing in fields:
        parts = parts_of(drawing.mask)
        cells = drawing.mask >> 1
        sizes = np.bincount((cells * (drawing.mask & 1)).ravel())
        large = [cell for cell in range(1, len(sizes)) if sizes[cell] * UM**2 > 30]
        lost = large[::2]
        without = np.where(np.isin(cells, lost), 0, parts).astype(np.uint8)
        made = add_stained(Raster(drawing.image), without, UM)
        seen += sum((made[cells == cell] > 0).mean() > 0.4 for cell in lost)
        missed += len(lost)
        kept = np.isin(cells, lost, invert=True) & (cells > 0)
        assert not kept.any() or (made[kept] == without[kept]).mean() > 0.98  # what was seen stays as it was
        red += ((made > 0) & (cells == 0)).mean() > 0.01
    assert missed > 20 and seen / missed > 0.8
    assert red <= 0.2 * len(fields)


def test_a_field_that_was_seen_whole_stays_as_it_was(fields):
    for drawing in fields[:4]:
        parts = parts_of(drawing.mask)
        made = add_stained(Raster(drawing.image), parts, UM)
        whole = drawing.mask > 0
        assert (made[whole] == parts[whole]).mean() > 0.98
        # Smudged cells, which no mask counts, are stained as well.
        assert (made[~whole] > 0).mean() < 0.04
