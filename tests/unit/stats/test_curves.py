"""Areas and curves against scikit-learn, weighted and resampled."""

import numpy as np
import pytest
from sklearn import metrics as reference

from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.curves import (
    GRID,
    MACRO,
    MICRO,
    areas,
    curve_table,
    draw,
    each_class,
    on_grid,
    pr_points,
    roc_points,
)

CLASSES = ("a", "b", "c")


def sample(ties: bool, n: int = 150, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.ones(3), n)
    y = np.where(random.random(n) < 0.6, shares.argmax(1), random.integers(0, 3, n))
    return y, np.round(shares, 1) if ties else shares


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("partial", [0.1, 0.37, 1.0])
def test_areas_agree_with_scikit_learn_under_weights(ties: bool, partial: float) -> None:
    y, shares = sample(ties)
    weights = np.random.default_rng(1).integers(0, 4, (150, 5)).astype(float)
    *classes, micro = each_class(y, shares)
    for k, sets in enumerate(classes):
        values = areas(sets.matrix @ weights, partial)
        for column, weight in enumerate(weights.T):
            roc = [
                reference.roc_auc_score(y == k, shares[:, k], sample_weight=weight, max_fpr=limit)
                for limit in (None, None if partial == 1 else partial)
            ]
            average = reference.average_precision_score(y == k, shares[:, k], sample_weight=weight)
            np.testing.assert_allclose(values[:, column], [*roc, average], atol=1e-12)
    flat = np.eye(3)[y].ravel()
    expected = reference.roc_auc_score(flat, shares.ravel(), sample_weight=np.repeat(weights[:, 0], 3))
    assert areas(micro.matrix @ weights[:, :1], 0.1)[0, 0] == pytest.approx(expected)


@pytest.mark.parametrize("ties", [False, True])
def test_points_lie_on_scikit_learns_curves(ties: bool) -> None:
    y, shares = sample(ties)
    sums = each_class(y, shares)[0].matrix @ np.ones((150, 1))
    x, height = roc_points(sums)
    false, true, _ = reference.roc_curve(y == 0, shares[:, 0], drop_intermediate=False)
    expected = {(round(a, 9), round(b, 9)) for a, b in zip(false, true, strict=True)}
    assert {(round(a, 9), round(b, 9)) for a, b in zip(x, height, strict=True)} <= expected
    assert np.trapezoid(height, x) == pytest.approx(np.trapezoid(true, false))
    precision, recall, _ = reference.precision_recall_curve(y == 0, shares[:, 0])
    expected = {(round(a, 9), round(b, 9)) for a, b in zip(recall, precision, strict=True)}
    x, height = pr_points(sums)
    assert {(round(a, 9), round(b, 9)) for a, b in zip(x[1:], height[1:], strict=True)} <= expected
    assert x[0] == 0 and height[0] == height[1] and x[-1] == 1


@pytest.mark.parametrize("ties", [False, True])
def test_curves_on_the_grid_are_those_of_each_resample(ties: bool) -> None:
    y, shares = sample(ties)
    weights = np.random.default_rng(2).integers(0, 3, (150, 7)).astype(float)
    heights = on_grid(each_class(y, shares)[1].matrix @ weights)
    for column, weight in enumerate(weights.T):
        false, true, _ = reference.roc_curve(y == 1, shares[:, 1], sample_weight=weight, drop_intermediate=False)
        # Just beyond a vertical step lies its upper end.
        np.testing.assert_allclose(heights[:101, column], np.interp(GRID + 1e-9, false, true), atol=1e-6)
        precision, recall, _ = reference.precision_recall_curve(y == 1, shares[:, 1], sample_weight=weight)
        for number in (10, 50, 100):
            reached = np.flatnonzero(recall >= GRID[number] - 1e-9)[-1]
            assert heights[101 + number, column] == pytest.approx(precision[reached])


def test_bands_hold_the_curves_and_an_absent_class_has_none() -> None:
    y, shares = sample(False, 90)
    shares = np.c_[shares * 0.9, np.full(90, 0.1)]
    drawn = draw(y, shares, np.arange(90) // 3, Evaluation(resamples=200), bands=True)
    table = curve_table(drawn, (*CLASSES, "absent"))
    assert set(table["class"]) == {*CLASSES, MACRO, MICRO} and set(table["kind"]) == {"roc", "pr"}
    inside = (table["low"] <= table["y"] + 1e-9) & (table["y"] <= table["high"] + 1e-9)
    assert inside.mean() > 0.95 and (table["high"] >= table["low"]).all()
    shown = table.drop_duplicates(["kind", "class"]).set_index(["kind", "class"])["area"]
    assert shown["roc", MACRO] == pytest.approx(np.mean([shown["roc", name] for name in CLASSES]))
    expected = reference.roc_auc_score(y, shares[:, :3] / 0.9, multi_class="ovr")
    assert shown["roc", MACRO] == pytest.approx(expected)
    line = table[(table["kind"] == "roc") & (table["class"] == MACRO)]
    assert np.trapezoid(line["y"], line["x"]) == pytest.approx(shown["roc", MACRO], abs=0.01)


def test_thinned_curves_keep_their_area() -> None:
    y, shares = sample(False, 6000)
    sums = each_class(y, shares)[0].matrix @ np.ones((6000, 1))
    x, height = roc_points(sums)
    assert len(x) <= 600
    assert np.trapezoid(height, x) == pytest.approx(reference.roc_auc_score(y == 0, shares[:, 0]), abs=1e-3)
