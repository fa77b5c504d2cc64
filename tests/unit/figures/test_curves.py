import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as reference

from leukoflow.figures.curves import MACRO, area, curve_table, curves, pr_points, roc_points


def sample(ties: bool) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    positive = random.random(150) < 0.3
    score = random.normal(size=150) + positive
    return positive, np.round(score, 1) if ties else score


@pytest.mark.parametrize("ties", [False, True])
def test_roc_points_agree_with_scikit_learn(ties):
    positive, score = sample(ties)
    expected = reference.roc_curve(positive, score, drop_intermediate=False)[:2]
    np.testing.assert_allclose(roc_points(positive, score), expected)
    assert area("roc", *expected) == pytest.approx(reference.roc_auc_score(positive, score))


@pytest.mark.parametrize("ties", [False, True])
def test_pr_points_agree_with_scikit_learn(ties):
    positive, score = sample(ties)
    precision, recall, _ = reference.precision_recall_curve(positive, score)
    x, y = pr_points(positive, score)
    found = np.stack([x[1:], y[1:]], 1)
    full = int(np.flatnonzero(recall == 1).max())
    expected = np.stack([recall[full:-1], precision[full:-1]], 1)[::-1]
    np.testing.assert_allclose(found, expected)
    assert area("pr", x, y) == pytest.approx(reference.average_precision_score(positive, score))


@pytest.mark.parametrize("kind", ["roc", "pr"])
def test_thinned_curves_keep_their_shape_and_an_absent_class_has_none(kind):
    random = np.random.default_rng(1)
    y = random.integers(0, 3, 3000)
    shares = random.dirichlet(np.ones(4), 3000)
    shares[np.arange(3000), y] += 0.1
    table = curve_table(kind, y, shares, ["a", "b", "c", "d"])
    assert set(table["class"]) == {"a", "b", "c", MACRO}
    assert table.groupby("class").size().max() < 700
    areas = table.drop_duplicates("class").set_index("class")["area"]
    assert areas[MACRO] == pytest.approx(areas[["a", "b", "c"]].mean())
    for name in "abc":
        line = table[table["class"] == name]
        assert np.trapezoid(line["y"], line["x"]) == pytest.approx(areas[name], abs=0.01)


def test_test_rows_alone_are_drawn_baseline_first():
    shares = list(np.eye(2))
    rows = pd.DataFrame({"role": "test", "perturbation": "none", "y": [0, 1], "probabilities": shares})
    wrong = rows.assign(role="validation", y=[1, 0])
    tables = {
        "abc": pd.concat([rows, wrong]),
        "colour_histogram": pd.concat([rows, rows.assign(perturbation="dark", y=[1, 0])]),
    }
    figure, points = curves("roc", tables, ["a", "b"])
    assert [axes.get_title(loc="left") for axes in figure.axes[:2]] == ["colour_histogram", "abc"]
    assert set(points["area"]) == {1.0}
