"""Cell morphology against shapes of known measures, the library's own formulas, and planted cells."""

import math

import cv2
import numpy as np
import pandas as pd
import pytest
from scipy.special import ellipe
from skimage.feature import graycomatrix, graycoprops, local_binary_pattern
from skimage.measure import perimeter_crofton, regionprops

from leukoflow.cells import texture
from leukoflow.cells.morphology import FEATURE_NAMES, FEATURES, PLACE, measure_cells
from leukoflow.cohorts.optics import FIELD
from leukoflow.cohorts.synthetic import draw, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.picture import Picture, Raster

BACKGROUND, PLASM, CHROMATIN = (240, 238, 230), (150, 140, 200), (110, 60, 150)


def ellipse(side: int, a: float, b: float, x: float, y: float) -> np.ndarray:
    rows, columns = np.mgrid[:side, :side]
    return ((columns - x) / a) ** 2 + ((rows - y) / b) ** 2 <= 1


def picture(cell: np.ndarray, nucleus: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A flat cell, and its label map."""
    image = np.full((*cell.shape, 3), BACKGROUND, np.uint8)
    image[cell], image[cell & nucleus] = PLASM, CHROMATIN
    labels = (2 * cell + (cell & nucleus)).astype(np.uint16)
    return image, labels


def measured(image: np.ndarray, labels: np.ndarray, um_per_pixel: float, placed=None) -> list[dict[str, float]]:
    return measure_cells(Picture(Raster(image), None, um_per_pixel, placed=placed), labels)


def one(image: np.ndarray, labels: np.ndarray, um_per_pixel: float) -> dict[str, float]:
    (row,) = measured(image, labels, um_per_pixel)
    return row


def drawn(size: int, images: int = 6) -> list[tuple[str, np.ndarray, np.ndarray]]:
    cohort = SyntheticCohort(kind="synthetic", images=images, patients=4, size=size)
    return [(row.label, *(lambda d: (d.image, d.mask))(draw(cohort, row))) for row in rows(plan(cohort))]


def test_a_disc_in_a_disc_has_the_numbers_of_geometry():
    features = one(*picture(ellipse(101, 40, 40, 50.3, 49.6), ellipse(101, 30, 30, 52.3, 49.6)), 0.15)
    expected = {
        "cell_area_um2": math.pi * 6**2,
        "cell_perimeter_um": 2 * math.pi * 6,
        "cell_diameter_um": 12,
        "cell_circularity": 1,
        "nucleus_area_um2": math.pi * 4.5**2,
        "nucleus_perimeter_um": 2 * math.pi * 4.5,
        "nc_ratio": (30 / 40) ** 2,
        "nuclear_irregularity": 1,
        "nucleus_offset": 2 / 40,
        "nuclear_lobes": 1,
        "nucleoli": 0,
    }
    assert {name: features[name] for name in expected} == pytest.approx(expected, rel=0.02)
    assert features["cell_eccentricity"] < 0.1 and features["cell_solidity"] > 0.98
    assert (features["x"], features["y"]) == pytest.approx((50.3, 49.6), abs=0.05)


def test_an_ellipse_and_a_square_too():
    a, b = 36, 18
    features = one(*picture(ellipse(91, a, b, 45, 45), np.zeros((91, 91), bool)), 0.25)
    eccentricity = math.sqrt(1 - (b / a) ** 2)
    assert features["cell_eccentricity"] == pytest.approx(eccentricity, abs=0.005)
    assert features["cell_perimeter_um"] == pytest.approx(4 * a * ellipe(eccentricity**2) * 0.25, rel=0.02)
    square = np.zeros((60, 60), bool)
    square[10:50, 10:50] = True
    features = one(*picture(square, np.zeros((60, 60), bool)), 0.5)
    assert features["cell_area_um2"] == 400 and features["cell_solidity"] == 1 and features["cell_eccentricity"] == 0
    # Crofton's formula in four directions gives a square pi (1 + sqrt 2) / 8 of its perimeter.
    assert features["cell_perimeter_um"] == pytest.approx(80 * math.pi * (1 + math.sqrt(2)) / 8, rel=0.02)


def test_shapes_agree_with_scikit_image():
    for _, image, labels in drawn(224):
        cells = {row["cell"]: row for row in measured(image, labels, 0.3)}
        for region in regionprops(labels >> 1):
            row = cells.get(region.label)
            if row is None:
                continue
            assert row["cell_area_um2"] == pytest.approx(region.area * 0.09)
            assert row["cell_eccentricity"] == pytest.approx(region.eccentricity, abs=1e-6)
            assert row["cell_perimeter_um"] == pytest.approx(0.3 * perimeter_crofton(region.image, 4))
            assert row["cell_solidity"] == pytest.approx(region.solidity, abs=0.015)
            assert (row["y"], row["x"]) == pytest.approx(region.centroid)


def test_the_same_cells_at_twice_the_magnification_measure_the_same():
    for _, image, labels in drawn(256, 4):
        fine = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        fine_labels = np.zeros((512, 512), np.uint16)
        for value in range(2, 2 * (int(labels.max()) // 2) + 2, 2):
            for part, mask in ((value, labels >> 1 == value >> 1), (value + 1, labels == value + 1)):
                share = cv2.resize(mask.astype(np.float32), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
                fine_labels[cv2.GaussianBlur(share, (0, 0), 1.5) >= 0.5] = part  # no stairs along the outline
        small = pd.DataFrame(measured(image, labels, 0.28)).set_index("cell")
        large = pd.DataFrame(measured(fine, fine_labels, 0.14)).set_index("cell")
        whole = small.index[(small["border"] == 0) & (large["border"] == 0)]
        small, large = small.loc[whole], large.loc[whole]
        exact = ["cell_area_um2", "cell_diameter_um", "nucleus_area_um2", "nc_ratio", "cell_eccentricity"]
        close = ["cell_perimeter_um", "cell_solidity", "chromatin_homogeneity", "chromatin_sd", "lbp_entropy"]
        close += ["nucleus_od_green_mean", "cytoplasm_od_red_mean"]
        assert np.allclose(large[exact], small[exact], rtol=0.01, atol=0.005)
        assert np.allclose(large[close], small[close], rtol=0.1)


def test_a_quarter_turn_changes_nothing_but_the_place():
    for _, image, labels in drawn(224, 4):
        there = measured(image, labels, 72 / 224)
        turned = measured(np.ascontiguousarray(np.rot90(image)), np.ascontiguousarray(np.rot90(labels)), 72 / 224)
        again = {row["cell"]: row for row in turned}
        for row in there:
            other = again[row["cell"]]
            assert (other["x"], other["y"]) == pytest.approx((row["y"], 223 - row["x"]))
            names = [name for name in FEATURE_NAMES if not math.isnan(row[name])]
            assert [other[name] for name in names] == pytest.approx([row[name] for name in names], rel=1e-3, abs=2e-3)


def test_a_dimmer_lamp_leaves_optical_densities_as_they_are():
    _, image, labels = drawn(224)[3]
    dim = np.rint(image * np.array([0.8, 0.75, 0.7])).astype(np.uint8)
    bright, dimmed = (pd.DataFrame(measured(pixels, labels, 72 / 224)) for pixels in (image, dim))
    colours = [name for name in FEATURE_NAMES if "_od_" in name and name.endswith("_mean")]
    assert np.abs(dimmed[colours] - bright[colours]).max().max() < 0.01
    assert np.allclose(dimmed["od_contrast"], bright["od_contrast"], atol=0.01)
    assert np.allclose(dimmed["chromatin_sd"], bright["chromatin_sd"], rtol=0.1)
    assert bright["nucleus_od_green_mean"].min() > 0.2


def test_optical_density_is_beer_and_lamberts():
    image = np.array([[[24, 119, 239]]], np.uint8)
    density = texture.optical_density(image, np.array([249, 239, 239], np.uint8))
    assert density[0, 0] == pytest.approx([1.0, math.log10(2), 0.0], abs=1e-6)


def test_glcm_features_are_haralicks_inside_the_nucleus_only():
    rng = np.random.default_rng(3)
    relative = (rng.integers(8, 24, (40, 40)) / 16 + 1 / 32).astype(np.float32)
    everywhere = np.ones((40, 40), bool)
    levels = (relative * 16).astype(np.uint8)
    counts = graycomatrix(levels, [2], texture.ANGLES, levels=32, symmetric=True).sum(axis=3, keepdims=True)
    features = texture._pairs(relative, everywhere)
    for name in ("homogeneity", "energy", "correlation"):
        assert features[f"chromatin_{name}"] == pytest.approx(graycoprops(counts, name).item())
    assert features["chromatin_contrast"] == pytest.approx(graycoprops(counts, "contrast").item() / 256)
    # Whatever lies outside the nucleus changes nothing.
    inside = np.zeros((40, 40), bool)
    inside[5:30, 8:33] = True
    other = np.where(inside, relative, np.float32(1.9))
    assert texture._pairs(relative, inside) == texture._pairs(other, inside)


def test_stripes_have_the_contrast_that_was_painted():
    # Columns two apart differ by a quarter of the mean: horizontal and slanted pairs see it, vertical ones do not.
    stripes = np.where(np.arange(48) % 4 < 2, 0.875 + 1 / 32, 1.125 + 1 / 32).astype(np.float32)
    relative = np.tile(stripes, (48, 1))
    contrast = texture._pairs(relative, np.ones((48, 48), bool))["chromatin_contrast"]
    pairs = {"along": (48 * 46, 0.25**2), "down": (46 * 48, 0.0)}
    slanted = 2 * 47 * 47, 0.25**2 * 23 / 47
    total = sum(count for count, _ in pairs.values()) + slanted[0]
    expected = (sum(count * value for count, value in pairs.values()) + slanted[0] * slanted[1]) / total
    assert contrast == pytest.approx(expected, rel=1e-6)


def test_local_patterns_are_those_of_scikit_image():
    noise = np.random.default_rng(0).random((64, 64)).astype(np.float32)
    relative = 0.5 + 0.01 * np.rint(100 * cv2.GaussianBlur(noise, (0, 0), 1.5))
    inside = np.zeros((64, 64), bool)
    inside[4:60, 4:60] = True
    codes = local_binary_pattern(np.rint(relative * 100).astype(np.uint8), 8, 2, "uniform")[inside].astype(int)
    share = np.bincount(codes, minlength=10) / len(codes)
    features = texture._patterns(relative.astype(np.float32), inside)
    expected = [share[0], share[8], share[3:6].sum(), share[9], -(share * np.log2(share)).sum()]
    names = ["lbp_dark", "lbp_pale", "lbp_edge", "lbp_mixed", "lbp_entropy"]
    assert [features[name] for name in names] == pytest.approx(expected, abs=0.02)


def test_planted_nucleoli_and_lobes_are_counted():
    nucleus = ellipse(121, 40, 40, 60, 60)
    image, labels = picture(ellipse(121, 50, 50, 60, 60), nucleus)
    for x, y in ((45, 50), (72, 48), (60, 78)):  # 1.5 micrometres across
        image[ellipse(121, 7.5, 7.5, x, y)] = (140, 110, 180)
    features = one(cv2.GaussianBlur(image, (0, 0), 1.5), labels, 0.1)
    assert features["nucleoli"] == 3
    assert features["nucleoli_fraction"] == pytest.approx(3 * (7.5 / 35) ** 2, rel=0.35)
    lobes = ellipse(121, 14, 14, 35, 60) | ellipse(121, 14, 14, 85, 60) | ellipse(121, 14, 14, 60, 85)
    lobes[58:63, 35:85] = True  # a filament half a micrometre wide
    features = one(*picture(ellipse(121, 50, 50, 60, 65), lobes), 0.1)
    assert (
        features["nuclear_lobes"] == 3 and features["nucleus_solidity"] < 0.9 and features["nuclear_irregularity"] > 1.3
    )


def test_granules_make_a_cytoplasm_granular():
    image, labels = picture(ellipse(121, 50, 50, 60, 60), ellipse(121, 25, 25, 60, 60))
    grained = image.copy()
    rng = np.random.default_rng(1)
    for x, y in rng.integers(12, 108, (150, 2)):
        spot = ellipse(121, 2, 2, x, y) & (labels == 2)
        grained[spot] = (120, 90, 170)
    smooth, granular = (one(pixels, labels, 0.12)["cytoplasm_granularity"] for pixels in (image, grained))
    assert smooth < 1e-3 and granular > 0.03


def test_what_cannot_be_measured_is_nan_and_nothing_raises():
    image, labels = picture(ellipse(60, 20, 20, 30, 30), np.zeros((60, 60), bool))
    features = one(image, labels, 0.25)
    assert set(features) == {*PLACE, *FEATURE_NAMES}
    assert {name for name in FEATURE_NAMES if math.isnan(features[name])} == {
        feature.name
        for feature in FEATURES
        if feature.name.startswith(("nucle", "nc_", "chromatin", "lbp", "od_contrast"))
    }
    everything = one(image, np.where(labels > 0, 3, 0).astype(np.uint16), 0.25)
    assert everything["nc_ratio"] == 1 and math.isnan(everything["cytoplasm_granularity"])
    tiny = np.zeros((60, 60), np.uint16)
    tiny[5:10, 5:10], tiny[20:22, 20:22], tiny[40, :] = 3, 5, 6
    cells = measured(image, tiny, 0.25)
    assert [row["cell"] for row in cells] == [1, 3]  # cell 2 has four pixels
    assert cells[0]["nucleus_area_um2"] > 0 and math.isnan(cells[0]["chromatin_contrast"])
    assert measured(image, np.zeros((60, 60), np.uint16), 0.25) == []
    coarse = one(image, labels, 3.0)
    assert coarse["cell_diameter_um"] == pytest.approx(120, rel=0.02) and math.isnan(coarse["cytoplasm_granularity"])


def test_cells_at_the_edge_of_the_picture_are_marked():
    image, labels = picture(ellipse(80, 15, 15, 40, 30), np.zeros((80, 80), bool))
    assert one(image, labels, 0.25)["border"] == 0
    assert measured(image, labels, 0.25, placed=(0, 15, 80, 65))[0]["border"] == 1
    assert one(image[:, 40:].copy(), labels[:, 40:].copy(), 0.25)["border"] == 1


def test_mismatched_arguments_are_refused():
    image, labels = picture(ellipse(40, 9, 9, 20, 20), ellipse(40, 5, 5, 20, 20))
    with pytest.raises(LeukoFlowError, match=r"label map \[39, 40\] was given for an image \[40, 40\]"):
        measured(image, labels[1:], 0.25)
    for scale in (0.0, math.nan, math.inf):
        with pytest.raises(LeukoFlowError, match="is no scale"):
            measured(image, labels, scale)


def test_features_are_described_once_each():
    assert len(set(FEATURE_NAMES)) == len(FEATURES) and all(feature.title and feature.meaning for feature in FEATURES)
    assert set(texture.CHROMATIN) <= set(FEATURE_NAMES)


def test_the_planted_differences_between_classes_are_found_again():
    cohort = SyntheticCohort(kind="synthetic", images=32, patients=8)
    records = []
    for row in rows(plan(cohort)):
        drawing = draw(cohort, row)
        cells = measured(drawing.image, drawing.mask, FIELD["home"] / 224)
        records += [{"label": row.label, **cell} for cell in cells if not cell["border"]]
    table = pd.DataFrame(records)
    typical = table.groupby("label")[list(FEATURE_NAMES)].mean()
    diameter, ratio = typical["cell_diameter_um"], typical["nc_ratio"]
    assert diameter[["Benign", "Pre", "Early", "Pro"]].to_numpy() == pytest.approx([9.0, 10.9, 12.3, 13.9], abs=0.9)
    assert ratio[["Benign", "Pre", "Early", "Pro"]].to_numpy() == pytest.approx([0.91, 0.85, 0.77, 0.67], abs=0.03)
    assert typical["nuclear_irregularity"].idxmax() == "Pre"  # the cleft
    assert typical["nucleoli"]["Benign"] < 0.3 and typical["nucleoli"].idxmax() == "Pro"
    assert typical["chromatin_sd"].idxmin() == "Benign"  # condensed and homogeneous
