"""Fields read cell by cell: drawn smears with known cells, at several magnifications, with and without red cells."""

from dataclasses import replace

import cv2
import numpy as np
import pytest

from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.quality.measure import measure
from leukoflow.runtime.cells import found_cells
from leukoflow.runtime.reading import PLAUSIBLE_UM, WHITE_CELL_UM, read_field
from leukoflow.runtime.schema import Reader, Rule, Segmenter

SETTINGS = Segmenter(
    method="threshold",
    size=224,
    cell_um=(5.0, 30.0),
    cell_rule=Rule(method="stained"),
    nucleus_rule=Rule(method="otsu", channel="darkness"),
)
READER = Reader(um_per_pixel=0.3, confusion=((1,),))


@pytest.fixture(scope="module")
def drawings():
    cohort = SyntheticCohort.model_validate({"kind": "synthetic", "images": 8, "patients": 8, "size": 448, "seed": 3})
    return [draw(cohort, row) for row in rows(plan(cohort))]


def cells_of(image: np.ndarray):
    picture, labels = read_field(measure(image, True).picture, SETTINGS, READER, None)
    return picture, found_cells(picture, labels, image.shape[:2])


def matched(drawing, cells) -> tuple[int, int, int]:
    """True cells that are wholly inside, those of them that hold the middle of a cell found, and cells found."""
    mask = drawing.mask >> 1
    rim = set(np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).tolist())
    sizes = np.bincount(mask.ravel())
    whole = {number for number in range(1, len(sizes)) if number not in rim and sizes[number] > 400}
    last = len(mask) - 1
    at = {int(mask[min(int(cell.facts["y"]), last), min(int(cell.facts["x"]), last)]) for cell in cells}
    return len(whole), len(whole & at), len(cells)


def test_cells_of_drawn_fields_are_found(drawings):
    whole, hit, found, true = 0, 0, 0, 0
    for drawing in drawings:
        _, cells = cells_of(drawing.image)
        here = matched(drawing, cells)
        whole, hit, found = whole + here[0], hit + here[1], found + here[2]
        true += int(drawing.mask.max()) // 2
    assert whole > 20 and hit / whole > 0.9
    assert found <= 1.15 * true


@pytest.mark.parametrize("zoom", [0.5, 2.0])
def test_another_magnification_gives_the_same_cells(drawings, zoom):
    drawing = drawings[0]
    kind = cv2.INTER_AREA if zoom < 1 else cv2.INTER_CUBIC
    picture, cells = cells_of(drawing.image)
    scaled, others = cells_of(cv2.resize(drawing.image, None, fx=zoom, fy=zoom, interpolation=kind))
    assert abs(len(cells) - len(others)) <= max(1, len(cells) // 5)
    assert scaled.um_per_pixel * zoom == pytest.approx(picture.um_per_pixel, rel=0.25)


def test_a_single_cell_without_red_cells_is_brought_to_the_usual_size(drawings):
    drawing = max(drawings, key=lambda each: int((each.mask > 0).sum()))
    mask = drawing.mask >> 1
    number = int(np.bincount(mask[mask > 0]).argmax())
    ys, xs = np.nonzero(mask == number)
    inside = mask == number
    ground = np.median(drawing.image[drawing.image.mean(2) > 200], axis=0).astype(np.uint8)
    alone = np.where(inside[..., None], drawing.image, ground)
    crop = alone[max(0, ys.min() - 20) : ys.max() + 20, max(0, xs.min() - 20) : xs.max() + 20]
    picture, cells = cells_of(np.ascontiguousarray(crop))
    assert len(cells) == 1 and not picture.scale_known
    assert cells[0].facts["diameter_um"] == pytest.approx(WHITE_CELL_UM, rel=0.2)


def test_an_empty_field_has_no_cells():
    picture, cells = cells_of(np.full((300, 400, 3), 235, np.uint8))
    assert cells == () and picture.um_per_pixel > 0


def test_a_wrong_scale_gives_way_to_the_cells(drawings):
    drawing = drawings[0]
    known = measure(drawing.image, True).picture
    assert known.scale_known
    right, _ = read_field(known, SETTINGS, READER, None)
    wrong, labels = read_field(replace(known, um_per_pixel=known.um_per_pixel * 2.5), SETTINGS, READER, None)
    cells = found_cells(wrong, labels, drawing.image.shape[:2])
    median = float(np.median([cell.facts["diameter_um"] for cell in cells]))
    assert PLAUSIBLE_UM[0] < median < PLAUSIBLE_UM[1]
    assert wrong.um_per_pixel == pytest.approx(right.um_per_pixel, rel=0.45) and not wrong.scale_known
