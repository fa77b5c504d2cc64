"""Single cells from parts maps: cells that touch, lobed nuclei, small cells, and the truth of synthetic smears."""

import os
import tracemalloc
from pathlib import Path

import cv2
import numpy as np
import pytest

from leukoflow.cells.agreement import Matches, match, pooled
from leukoflow.cells.labels import parts_of
from leukoflow.cells.watershed import COARSEST, separate
from leukoflow.cohorts import synthetic
from leukoflow.cohorts.optics import FIELD
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.core.errors import LeukoFlowError

REAL = os.environ.get("LEUKOFLOW_DATA")
LEAST, LARGEST = 5.0, 30.0
"""Micrometres."""


def draw(cells: list[tuple[int, int, int]], nuclei: list[tuple[int, int, int]], side: int = 120) -> np.ndarray:
    """Parts map of discs (x, y, radius)."""
    parts = np.zeros((side, side), np.uint8)
    for code, discs in ((1, cells), (2, nuclei)):
        for x, y, radius in discs:
            cv2.circle(parts, (x, y), radius, code, -1)
    return parts


def count(parts: np.ndarray, least: float = 14, largest: float | None = 90) -> int:
    return int(separate(parts, least, largest).max()) // 2


def test_parts_of_one_cell() -> None:
    labels = separate(draw([(40, 40, 15)], [(44, 40, 8)]), 14)
    assert labels.dtype == np.uint16 and set(np.unique(labels)) == {0, 2, 3}
    assert labels[40, 44] == 3 and labels[40, 28] == 2 and labels[0, 0] == 0


@pytest.mark.parametrize("apart", [22, 26, 29])
@pytest.mark.parametrize("nuclei", [0, 6, 10])
def test_touching_cells_come_apart_at_the_neck(apart: int, nuclei: int) -> None:
    middles = [(40, 60), (40 + apart, 60)]
    parts = draw([(*middle, 15) for middle in middles], [(*middle, nuclei) for middle in middles] if nuclei else [])
    labels = separate(parts, 14, 90)
    assert labels.max() // 2 == 2
    ids = labels >> 1
    assert ids[60, 40 + apart // 2 - 4] != ids[60, 40 + apart // 2 + 4]
    areas = np.bincount(ids.ravel())[1:]
    assert areas.min() > 0.85 * areas.max() and areas.sum() > 0.97 * (parts > 0).sum()


def test_nuclei_part_cells_without_a_neck() -> None:
    block = np.zeros((60, 100), np.uint8)
    block[20:40, 10:90] = 1
    for x in (20, 40, 60, 80):
        cv2.circle(block, (x, 30), 7, 2, -1)
    assert count(block) == 4


def test_a_clump_comes_apart_by_its_nuclei() -> None:
    middles = [(40 + 24 * a + 12 * (b % 2), 40 + 21 * b) for a in range(3) for b in range(3)]
    parts = draw([(*middle, 14) for middle in middles], [(*middle, 10) for middle in middles], 150)
    assert count(parts, 12, 70) == 9


@pytest.mark.parametrize("lobes", [2, 3, 4, 5])
def test_lobes_of_one_nucleus_stay_together(lobes: int) -> None:
    around = 2 * np.pi * np.arange(lobes) / lobes
    nuclei = [(round(60 + 9 * np.cos(a)), round(60 + 9 * np.sin(a)), 5 if lobes < 4 else 4) for a in around]
    assert count(draw([(60, 60, 19)], nuclei)) == 1


def test_a_band_of_nucleus_stays_together() -> None:
    parts = draw([(60, 60, 20)], [])
    cv2.ellipse(parts, (60, 60), (11, 11), 0, 30, 290, 2, 6)
    assert count(parts) == 1


def test_a_lobed_cell_and_its_neighbour() -> None:
    nuclei = [(46, 54, 5), (54, 66, 5), (42, 68, 4), (82, 60, 11)]
    assert count(draw([(47, 60, 19), (82, 60, 17)], nuclei)) == 2


def test_small_cells_beside_large_ones_stay() -> None:
    parts = draw([(40, 40, 30), (100, 100, 8), (71, 71, 9)], [(40, 40, 24), (71, 71, 6)])
    assert count(parts) == 3


def test_dirt_is_dropped_holes_are_filled_and_large_objects_are_refused() -> None:
    parts = draw([(40, 40, 15), (90, 90, 5)], [(40, 40, 9)])
    parts[39:42, 30:34] = 0
    labels = separate(parts, 14, 90)
    assert labels.max() // 2 == 1 and labels[90, 90] == 0
    assert (labels[39:42, 30:34] == 2).all()
    assert count(draw([(60, 60, 40)], [(60, 60, 30)]), 14, 60) == 0 and count(draw([(60, 60, 40)], []), 14, None) == 1


def test_background_within_a_ring_of_cells_is_kept() -> None:
    around = 2 * np.pi * np.arange(8) / 8
    middles = [(round(60 + 36 * np.cos(a)), round(60 + 36 * np.sin(a))) for a in around]
    labels = separate(draw([(*middle, 15) for middle in middles], [(*middle, 10) for middle in middles]), 14, 90)
    assert labels[60, 60] == 0 and labels.max() // 2 == 8


def test_nothing_gives_nothing() -> None:
    assert not separate(np.zeros((30, 40), np.uint8), 5, 20).any()
    assert not separate(draw([(60, 60, 3)], []), 14).any()
    everything = separate(np.ones((40, 40), np.uint8), 5)
    assert (everything == 2).all()


def crowded(kind: str, side: int = 128) -> np.ndarray:
    """Parts maps with as many deepest points as there can be."""
    rng, (rows, columns) = np.random.default_rng(0), np.indices((side, side)) // 5
    return {
        "one part": np.full((side, side), 2),
        "a part strewn with nuclei": 1 + (rng.random((side, side)) < 0.3),
        "noise": rng.integers(0, 3, (side, side)),
        "squares": (rows + columns) % 2 * 2,
        "stripes": rows % 2 * 2,
    }[kind].astype(np.uint8)


@pytest.mark.parametrize("kind", ["one part", "a part strewn with nuclei", "noise", "squares", "stripes"])
def test_no_map_takes_more_memory_than_there_is(kind: str) -> None:
    tracemalloc.start()
    try:
        separate(crowded(kind), COARSEST)
        assert tracemalloc.get_traced_memory()[1] < 500e6
    finally:
        tracemalloc.stop()


def test_a_picture_too_coarse_for_cells_has_none() -> None:
    parts = draw([(40, 40, 15)], [(40, 40, 8)])
    assert count(parts, COARSEST) == 1 and count(parts, COARSEST - 0.1) == 0


def test_ids_run_from_one_without_gaps_from_top_to_bottom() -> None:
    labels = separate(draw([(90, 90, 12), (30, 60, 12), (60, 20, 12), (100, 30, 4)], []), 14)
    assert np.unique(labels >> 1).tolist() == [0, 1, 2, 3]
    assert [(labels >> 1)[y, x] for x, y in ((60, 20), (30, 60), (90, 90))] == [1, 2, 3]


def test_parts_of_a_label_map() -> None:
    labels = np.array([[0, 2, 3], [0, 4, 5]], np.uint16)
    assert parts_of(labels).tolist() == [[0, 1, 2], [0, 1, 2]] and parts_of(labels).dtype == np.uint8
    clean = draw([(40, 40, 15), (90, 90, 15)], [(40, 40, 8)])
    again = parts_of(separate(clean, 14))
    assert (again == clean).mean() > 0.998


@pytest.mark.parametrize("seed", range(3))
def test_any_map_gives_connected_cells_of_the_sizes_asked_for(seed: int) -> None:
    rng = np.random.default_rng(seed)
    noise = cv2.GaussianBlur(rng.normal(size=(90, 110)).astype(np.float32), (0, 0), 4)
    parts = (noise > 0).astype(np.uint8) + (noise > noise.std()).astype(np.uint8)
    ids = separate(parts, 9, 40) >> 1
    areas = np.bincount(ids.ravel())[1:]
    assert len(areas) and areas.min() >= np.pi / 4 * 81 and areas.max() <= np.pi / 4 * 1600
    for k in range(1, len(areas) + 1):
        assert cv2.connectedComponents((ids == k).astype(np.uint8), connectivity=8)[0] == 2


def test_what_is_no_parts_map_is_refused() -> None:
    for wrong in (np.zeros((4, 4), np.uint16), np.zeros((4, 4, 3), np.uint8)):
        with pytest.raises(LeukoFlowError, match="uint8"):
            separate(wrong, 5)
    for sizes in ((0, 5), (5, 5), (-1, None)):
        with pytest.raises(LeukoFlowError, match="diameters"):
            separate(np.zeros((4, 4), np.uint8), *sizes)


def degraded(parts: np.ndarray, how: str) -> np.ndarray:
    masks = [(parts > 0).astype(np.uint8), (parts == 2).astype(np.uint8)]
    if how == "no nuclei":
        masks[1][:] = 0
    elif how in ("dilated", "eroded"):
        change = cv2.dilate if how == "dilated" else cv2.erode
        masks = [change(mask, np.ones((3, 3), np.uint8)) for mask in masks]
    elif how == "blurred":
        noise = cv2.GaussianBlur(np.random.default_rng(0).normal(size=parts.shape), (0, 0), 2)
        masks = [(cv2.GaussianBlur(mask * 1.0, (0, 0), 2) + 0.6 * noise > 0.5).astype(np.uint8) for mask in masks]
    return np.asarray(masks[0] + cv2.bitwise_and(*masks), np.uint8)


@pytest.fixture(scope="module")
def smears() -> list[tuple[np.ndarray, float]]:
    """Label maps and micrometres a pixel."""
    fields = []
    for site in ("home", "away"):
        cohort = SyntheticCohort(kind="synthetic", images=24, site=site, seed=5)
        rows = synthetic.rows(synthetic.plan(cohort))
        fields += [(synthetic.draw(cohort, row).mask, FIELD[site] / cohort.size) for row in rows]
    return fields


@pytest.mark.parametrize("how", ["true", "dilated", "eroded", "blurred", "no nuclei"])
def test_cells_of_synthetic_smears(smears: list[tuple[np.ndarray, float]], how: str) -> None:
    matches: list[Matches] = []
    for mask, scale in smears:
        least = LEAST / scale
        small = np.bincount((mask >> 1).ravel()) < np.pi / 4 * least**2
        truth = np.where(small[(mask >> 1)], 0, mask)
        matches.append(match(separate(degraded(parts_of(mask), how), least, LARGEST / scale), truth))
    total = pooled(matches)
    assert total.ap50 > (0.99 if how == "true" else 0.96), total
    assert abs(total.count_error) <= 0.1 * len(smears), total


@pytest.mark.skipif(not REAL, reason="LEUKOFLOW_DATA names no folder of real images")
def test_real_lobed_cells_stay_whole() -> None:
    """Experts' masks of single cells, most of them with lobed nuclei; a cell is about 75 pixels wide."""
    files = sorted(Path(REAL or "").glob("zheng_wbc/masks/*.png"))[::5]
    counts = []
    for path in files:
        mask = np.asarray(cv2.imread(str(path), cv2.IMREAD_GRAYSCALE))
        parts = np.select([mask == 255, mask == 128], [2, 1], 0).astype(np.uint8)
        counts.append([count(parts, LEAST / scale, LARGEST / scale) for scale in (0.12, 0.16, 0.22)])
    assert (np.mean(np.array(counts) == 1, axis=0) > 0.97).all()
