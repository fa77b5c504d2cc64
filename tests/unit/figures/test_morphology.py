import numpy as np
import pandas as pd
import pytest

from leukoflow.cells.morphology import FEATURE_NAMES
from leukoflow.config.tasks import Task
from leukoflow.figures import style
from leukoflow.figures.morphology import SIDE_UM, TRAITS, gallery, morphology, typical_cells, whole_cells

TASK = Task(classes=("blast", "normal"), labels={"pro": "blast", "pre": "blast", "benign": "normal"})


@pytest.fixture
def cohort() -> tuple[pd.DataFrame, pd.DataFrame]:
    """Four images of three labels and one without; ten cells each, blasts larger; the last cell is cut by the edge."""
    rng = np.random.default_rng(0)
    labels = {"a": "pro", "b": "pre", "c": "benign", "d": "benign", "e": None}
    manifest = pd.DataFrame({"image_id": list(labels), "label": list(labels.values()), "patient": list("ppqqr")})
    rows = []
    for image_id, label in labels.items():
        for k in range(10):
            row = dict.fromkeys((name for name, _, _ in TRAITS), 1.0) | {"nucleoli": float(k % 3)}
            row["cell_diameter_um"] = (9.0 if label == "benign" else 13.0) + rng.normal(0, 0.5)
            row["nc_ratio"] = 0.8 + 0.01 * k
            rows.append({"image_id": image_id, "cell": k + 1, "x": 20.0, "y": 30.0, "border": k == 9, **row})
    return pd.DataFrame(rows).assign(um_per_pixel=0.3), manifest


def test_traits_are_measured_features():
    assert {name for name, _, _ in TRAITS} <= set(FEATURE_NAMES)


def test_the_numbers_are_those_of_whole_cells_of_each_class(cohort):
    cells, manifest = cohort
    figure, table = morphology(cells, manifest, TASK)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [title for _, title, _ in TRAITS]
    diameters = cells[cells["image_id"].isin(["a", "b"]) & ~cells["border"]]["cell_diameter_um"]
    row = table[(table["class"] == "blast") & (table["feature"] == "cell_diameter_um")].iloc[0]
    assert (row["images"], row["cells"], row["unit"]) == (2, 18, "µm")
    assert [row["median"], row["q1"], row["q3"]] == pytest.approx(list(np.percentile(diameters, [50, 25, 75])))
    marks = [line.get_ydata()[0] for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert marks[0] == pytest.approx(row["median"]) and marks[1] < 10


def test_a_class_without_cells_and_no_cells_at_all_say_so(cohort):
    cells, manifest = cohort
    figure, table = morphology(cells[cells["image_id"] == "a"], manifest, TASK)
    assert [text.get_text() for text in figure.axes[0].texts] == ["none"]
    assert table.loc[table["class"] == "normal", "cells"].eq(0).all()
    figure, table = morphology(cells[:0], manifest, TASK)
    assert "No white cells" in figure.texts[0].get_text() and len(table) == 2 * len(TRAITS)


def test_nan_features_are_left_out(cohort):
    cells, manifest = cohort
    cells.loc[cells["image_id"] == "a", "nc_ratio"] = np.nan
    _, table = morphology(cells, manifest, TASK)
    row = table[(table["class"] == "blast") & (table["feature"] == "nc_ratio")].iloc[0]
    assert (row["images"], row["cells"]) == (1, 9) and np.isfinite(row["median"])


def test_typical_cells_lie_at_the_medians_and_come_from_different_images(cohort):
    cells, manifest = cohort
    cells["nucleoli"] = 1.0
    planted = (cells["image_id"] == "b") & (cells["cell"] == 4)
    whole = whole_cells(cells, manifest, TASK)
    medians = whole.loc[whole["class"] == "blast", ["cell_diameter_um", "nc_ratio"]].median()
    cells.loc[planted, ["cell_diameter_um", "nc_ratio"]] = medians.to_numpy()
    chosen = typical_cells(cells, manifest, TASK, 3)
    blasts = chosen[chosen["class"] == "blast"]
    assert (blasts["image_id"].iloc[0], blasts["cell"].iloc[0]) == ("b", 4)
    assert sorted(blasts["image_id"]) == ["a", "b"] and len(chosen) == 4 and not chosen["border"].any()


def test_patients_come_before_distance():
    manifest = pd.DataFrame({"image_id": list("abc"), "label": "pro", "patient": list("ppq")})
    cells = pd.DataFrame({"image_id": list("abc"), "cell": 1, "border": False, "x": 1.0, "y": 1.0})
    cells = cells.assign(**{name: 1.0 for name, _, _ in TRAITS})
    cells["cell_diameter_um"] = [10.0, 10.0, 14.0]
    assert typical_cells(cells, manifest, TASK, 2)["image_id"].tolist() == ["a", "c"]


def test_the_gallery_outlines_each_cell_in_micrometres(cohort, tmp_path):
    cells, manifest = cohort
    labels = np.zeros((100, 100), np.uint16)
    labels[10:51, 10:31] = 2 * np.arange(10).repeat(5)[:41, None] + 2
    chosen = typical_cells(cells.assign(cell=4), manifest, TASK, 2)
    labels[25:36, 15:26] = 9  # the nucleus of cell 4
    labels[labels >> 1 != 4] = 0
    pictures = dict.fromkeys("abcde", np.full((50, 50, 3), 200, np.uint8))
    figure, table = gallery(chosen, pictures, dict.fromkeys("abcde", labels), TASK)
    axes = figure.axes[0]
    # Centroid at (20, 30) pixels of 0.3 micrometres, in a window of SIDE_UM.
    assert axes.get_xlim() == pytest.approx((6 - SIDE_UM / 2, 6 + SIDE_UM / 2))
    assert axes.get_ylim() == pytest.approx((9 + SIDE_UM / 2, 9 - SIDE_UM / 2))
    assert axes.images[0].get_extent() == pytest.approx([-0.15, 29.85, 29.85, -0.15])
    nucleus = np.concatenate([path.vertices for path in axes.collections[1].get_paths()])
    assert [nucleus.min(axis=0), nucleus.max(axis=0)] == [
        pytest.approx([0.3 * 14.5, 0.3 * 24.5]),
        pytest.approx([0.3 * 25.5, 0.3 * 35.5]),
    ]
    assert "µm, N:C 0.8" in axes.get_xlabel()
    assert table.columns.tolist() == ["class", "image_id", "cell", "x", "y", *(name for name, _, _ in TRAITS)]
    for name in ("one", "two"):
        style.save(*gallery(chosen, pictures, dict.fromkeys("abcde", labels), TASK), tmp_path / f"{name}.png")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_a_gallery_of_nothing_says_so(cohort):
    cells, manifest = cohort
    figure, table = gallery(typical_cells(cells[:0], manifest, TASK), {}, {}, TASK)
    assert table.empty and "No white cells" in figure.texts[0].get_text()
