"""Nuclei derived from masks of whole cells: on drawn smears, whose nuclei are known."""

import numpy as np
import pytest

from leukoflow.cells.labels import CELL, CYTOPLASM, NUCLEUS, parts_of
from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.training.canvases import Source, median_diameter
from leukoflow.training.masked import derive_nuclei


@pytest.fixture
def drawn() -> tuple[np.ndarray, np.ndarray]:
    cohort = SyntheticCohort.model_validate({"kind": "synthetic", "images": 8, "patients": 8, "size": 224, "seed": 4})
    drawings = [draw(cohort, row) for row in rows(plan(cohort))]
    return np.stack([each.image for each in drawings]), np.stack([parts_of(each.mask) for each in drawings])


def test_the_darker_part_of_a_cell_is_its_nucleus(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    images, truth = drawn
    source = Source("smears", images, np.where(truth > 0, CELL, 0).astype(np.uint8), median_diameter(truth))
    derive_nuclei([source])
    assert set(np.unique(source.parts)) == {0, CYTOPLASM, NUCLEUS}
    assert ((source.parts > 0) == (truth > 0)).all()  # no pixel was won or lost
    found, true = source.parts == NUCLEUS, truth == NUCLEUS
    assert 2 * (found & true).sum() / (found.sum() + true.sum()) > 0.8


def test_masks_that_tell_nuclei_are_left_as_they_are(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    images, truth = drawn
    source = Source("smears", images, truth.copy(), median_diameter(truth))
    derive_nuclei([source])
    assert (source.parts == truth).all()
