"""Scale from red cells: on drawn discs, on synthetic smears of known scale, and on real ones."""

import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from leukoflow.cohorts import synthetic
from leukoflow.cohorts.optics import FIELD
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.foreground import foreground_mask, stained_mask
from leukoflow.core.picture import Raster
from leukoflow.quality.measure import measure
from leukoflow.quality.scale import (
    CONFIDENT,
    Scale,
    assumed_um_per_pixel,
    red_cell_scale,
    red_cells,
    settle,
    summarise,
    usual_of,
)

GROUND, RED, PALE, WHITE = (240, 238, 230), (200, 165, 160), (228, 212, 206), (120, 70, 160)
REAL = os.environ.get("LEUKOFLOW_DATA")


def smear(middles, diameter: float, side: int = 224, oval: float = 1.0, ring: bool = False) -> np.ndarray:
    """Red discs (or rings, or upright ellipses) and one white cell, drawn four times as large and averaged down."""
    image = np.full((4 * side, 4 * side, 3), GROUND, np.uint8)
    axes = (round(2 * diameter / oval**0.5), round(2 * diameter * oval**0.5))
    for x, y in middles:
        cv2.ellipse(image, (round(4 * x), round(4 * y)), axes, 0, 0, 360, RED, -1)
        if ring:
            cv2.ellipse(image, (round(4 * x), round(4 * y)), (axes[0] // 2, axes[1] // 2), 0, 0, 360, GROUND, -1)
    cv2.circle(image, (round(3.4 * side), round(3.4 * side)), round(0.24 * side), WHITE, -1)
    return np.asarray(cv2.resize(image, (side, side), interpolation=cv2.INTER_AREA))


def scale_of(image: np.ndarray) -> Scale:
    return measure(image).scale


def lattice(step: int, side: int = 224, edge: int = 20) -> list[tuple[int, int]]:
    return [(x, y) for x in range(edge, side - edge, step) for y in range(edge, round(0.65 * side), step)]


@pytest.mark.parametrize("diameter", [11, 16, 24])
@pytest.mark.parametrize("form", [{}, {"ring": True}, {"oval": 1.33}])
def test_diameter_of_separate_cells(diameter: int, form: dict) -> None:
    middles = lattice(34)
    scale = scale_of(smear(middles, diameter, **form))
    # The outline is known to a fraction of a pixel, the thin rim of a small ring less well.
    assert scale.diameter_px == pytest.approx(diameter, rel=0.05, abs=1.0 if form.get("ring") else 0.5)
    assert scale.cells >= 0.9 * len(middles) and scale.confidence > 0.9 and scale.spread < 0.05
    assert scale.um_per_pixel == pytest.approx(7.5 / scale.diameter_px)


@pytest.mark.parametrize("gap", [0.7, 0.85, 0.98])
def test_cells_in_chains_count_and_do_not_seem_larger(gap: float) -> None:
    middles = [(20 + 18 * gap * k, y) for k in range(8) for y in (20, 60, 100, 140)]
    scale = scale_of(smear(middles, 18))
    assert scale.cells >= 8 and scale.diameter_px == pytest.approx(18, rel=0.06)


def test_a_clump_is_not_a_cell() -> None:
    clump = [(60 + 11 * a, 60 + 11 * b) for a in range(8) for b in range(6)]
    assert scale_of(smear(clump, 18)).confidence < CONFIDENT


def test_cut_cells_and_white_cells_are_left_out() -> None:
    image = smear([(k, 0) for k in range(10, 220, 30)] + [(112, 112)], 18)
    middles, diameters = red_cells(image, foreground_mask(image), Raster(image).stained)
    assert np.allclose(middles, [[112, 112]], atol=1) and diameters == pytest.approx([18], rel=0.06)
    assert scale_of(image).cells == 0


def test_large_images_are_measured_in_their_own_pixels() -> None:
    image = smear(lattice(34), 18)
    large = cv2.resize(image, None, fx=4, fy=4, interpolation=cv2.INTER_CUBIC)
    assert scale_of(large).diameter_px == pytest.approx(72, rel=0.05)


def test_the_given_foreground_is_what_counts() -> None:
    image = smear(lattice(34), 18)
    left = foreground_mask(image)
    left[:, 112:] = False
    assert 3 <= red_cell_scale(image, left, stained_mask(image, left)).cells < 0.6 * scale_of(image).cells


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (64, 64), (600, 3)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_nothing_is_measured_in_a_blank_image(shape: tuple[int, int], level: int) -> None:
    scale = scale_of(np.full((*shape, 3), level, np.uint8))
    assert scale.cells == 0 and scale.confidence == 0 and np.isnan(scale.um_per_pixel) and np.isnan(scale.spread)


def test_noise_gives_no_confident_scale() -> None:
    rng = np.random.default_rng(0)
    for _ in range(5):
        assert scale_of(rng.integers(0, 256, (128, 128, 3), dtype=np.uint8)).confidence < CONFIDENT


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(LeukoFlowError, match="uint8"):
        scale_of(np.zeros((8, 8), np.uint8))


def test_confidence_grows_with_number_and_agreement() -> None:
    rng = np.random.default_rng(1)
    numbers = [summarise(np.full(n, 16.0)).confidence for n in (0, 2, 3, 5, 10, 40)]
    assert numbers[:2] == [0, 0] and numbers == sorted(numbers) and numbers[3] > CONFIDENT and numbers[-1] > 0.99
    spreads = [summarise(16 * np.exp(rng.uniform(-s, s, 30))).confidence for s in (0.02, 0.2, 0.29)]
    assert spreads[0] > spreads[1] > spreads[2]
    dirt = np.r_[np.full(10, 16.0), np.full(30, 5.0)]
    assert summarise(dirt).diameter_px == 16 and summarise(dirt).confidence < CONFIDENT


@pytest.mark.parametrize(("site", "size"), [("home", 224), ("away", 224), ("home", 400)])
def test_synthetic_smears_of_known_scale(site: str, size: int) -> None:
    cohort = SyntheticCohort(kind="synthetic", images=24, site=site, size=size, seed=3)
    true = FIELD[site] / size
    drawings = [synthetic.draw(cohort, row).image for row in synthetic.rows(synthetic.plan(cohort))]
    confident = [scale for scale in map(scale_of, drawings) if scale.confidence >= CONFIDENT]
    error = np.abs([scale.um_per_pixel / true - 1 for scale in confident])
    assert len(confident) >= 0.8 * len(drawings)
    assert np.median(error) < 0.05 and np.mean(error < 0.12) >= 0.9


def read(pattern: str, step: int = 1) -> list[np.ndarray]:
    files = sorted(Path(REAL or "").glob(pattern))[::step]
    assert files, pattern
    return [np.asarray(cv2.imread(str(file), cv2.IMREAD_COLOR_RGB)) for file in files]


@pytest.mark.skipif(not REAL, reason="LEUKOFLOW_DATA names no folder of real images")
@pytest.mark.parametrize(
    ("pattern", "step", "low", "high", "share"),
    [
        ("taleqani/Original/Benign/*.jpg", 20, 13, 19, 0.6),
        ("taleqani/Original/Early/*.jpg", 40, 15.5, 21.5, 0.8),
        ("taleqani/Original/Pre/*.jpg", 40, 17, 22, 0.8),
        ("taleqani/Original/Pro/*.jpg", 40, 14, 18, 0.8),
        ("bcisc/images/*.jpg", 8, 48, 66, 0.08),
        ("pbc/*/*.jpg", 80, 64, 84, 0.4),
    ],
)
def test_real_red_cells_have_the_size_seen_by_eye(
    pattern: str, step: int, low: float, high: float, share: float
) -> None:
    scales = [scale_of(image) for image in read(pattern, step)]
    sure = [scale.diameter_px for scale in scales if scale.confidence >= CONFIDENT]
    assert len(sure) >= share * len(scales)
    assert np.mean([low <= diameter <= high for diameter in sure]) >= 0.9


@pytest.mark.skipif(not REAL, reason="LEUKOFLOW_DATA names no folder of real images")
def test_pictures_without_red_cells_have_no_scale() -> None:
    assert all(scale_of(image).confidence < CONFIDENT for image in read("zheng_wbc/images/*.png", 6))


@pytest.mark.skipif(not REAL, reason="LEUKOFLOW_DATA names no folder of real images")
def test_a_field_has_one_scale_in_two_resolutions() -> None:
    ratios = []
    for image in read("hosseini_samples/unlabelled/*.jpg"):
        height, width = image.shape[:2]
        whole = scale_of(image)
        squashed = scale_of(cv2.resize(image, (224, 224), interpolation=cv2.INTER_AREA))
        if min(whole.confidence, squashed.confidence) > 0.8:
            ratios.append(squashed.diameter_px / (whole.diameter_px * 224 / np.sqrt(width * height)))
    assert len(ratios) >= 4 and np.abs(np.log(ratios)).max() < 0.1


def cohort(um: list[float], confidence: list[float], **more: list) -> pd.DataFrame:
    red = [10] * len(um)
    return pd.DataFrame({"um_per_pixel": um, "scale_confidence": confidence, "red_cells": red, **more})


def test_own_scale_where_sure_and_near_the_cohorts() -> None:
    table = cohort([0.30, 0.32, 0.34, 0.9, 0.1, np.nan], [0.9, 0.8, 0.6, 0.95, 0.2, 0.0])
    before = table.copy()
    settled = settle(table)
    assert settled["scale_source"].tolist() == ["own", "own", "own", "cohort", "cohort", "cohort"]
    # Weights 0.9, 0.8, 0.6, 0.95: half of 3.25 is passed at the second.
    assert settled["um_per_pixel"].tolist() == [0.30, 0.32, 0.34, 0.32, 0.32, 0.32]
    pd.testing.assert_frame_equal(table, before)


def test_a_cohort_without_a_sure_image_is_left_to_assume() -> None:
    settled = settle(cohort([0.3, np.nan], [0.4, 0.0]))
    assert settled["um_per_pixel"].isna().all() and set(settled["scale_source"]) == {"assumed"}
    assert settle(cohort([], []))["scale_source"].tolist() == []
    assert assumed_um_per_pixel(224, 100) == pytest.approx(72 / 224)


@pytest.mark.parametrize("fixed", ["field", "pixel"])
def test_two_sizes_share_a_field_or_a_pixel(fixed: str) -> None:
    side = np.array([500] * 6 + [1000] * 4)
    um = 70 / side if fixed == "field" else np.full(10, 0.2)
    measured = um * np.exp(np.random.default_rng(0).normal(0, 0.03, 10))
    confidence = np.array([0.9] * 5 + [0.1] + [0.9, 0.1, 0.1, 0.1])
    settled = settle(cohort(measured.tolist(), confidence.tolist(), width=side.tolist(), height=(side // 2).tolist()))
    assert settled["um_per_pixel"].to_numpy() == pytest.approx(um, rel=0.1)
    assert settled["scale_source"].tolist() == ["own"] * 5 + ["cohort", "own"] + ["cohort"] * 3


def test_a_picture_of_foreground_alone_has_no_red_cells() -> None:
    """Every pixel would be as deep as the others, and compared with all of them."""
    image = np.full((224, 224, 3), (231, 150, 190), np.uint8)
    whole = np.ones((224, 224), bool)
    middles, diameters = red_cells(image, whole, stained_mask(image, whole))
    assert middles.shape == (0, 2) and diameters.shape == (0,)


@pytest.mark.parametrize("of_side", [False, True])
def test_a_cohorts_scale_gives_each_image_what_it_was_settled_on(of_side: bool) -> None:
    """Images of several sizes, one that shows no cells, one whose own scale is beyond belief."""
    random = np.random.default_rng(3)
    width = np.array([200, 400, 800, 400, 200, 800, 400, 600])
    measured = (72 / width if of_side else np.full(8, 0.3)) * random.uniform(0.97, 1.03, 8)
    measured[2], measured[3] = np.nan, measured[3] * 3
    confidence = np.where(np.isnan(measured), 0, 0.9)
    table = pd.DataFrame(
        {"um_per_pixel": measured, "scale_confidence": confidence, "width": width, "height": width // 2}
    )
    settled = settle(table)
    usual = usual_of(settled)
    assert usual is not None and usual.of_side == of_side and list(settled["scale_source"])[2:4] == ["cohort"] * 2
    sure = confidence >= CONFIDENT
    again = [usual.settled(*values) for values in zip(measured, sure, width, width // 2, strict=True)]
    assert np.allclose(again, settled["um_per_pixel"], rtol=1e-12)
    from_config = usual_of(settled.assign(um_per_pixel=0.25, scale_source="given"))
    assert from_config is not None and from_config.settled(0.3, True, 400, 200) == 0.25
    assert usual_of(settled.assign(scale_source="assumed")) is None
