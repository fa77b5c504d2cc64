"""ROC and precision-recall curves."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.config.evaluation import FALSE_RATES, Evaluation
from leukoflow.figures.curves import COLUMNS, MARKS, curves, true_rate
from leukoflow.figures.style import INK, class_colour
from leukoflow.stats.curves import curve_table, draw
from leukoflow.stats.precision_recall import points_of, rate_at


def test_panels_start_with_the_baseline_and_bands_are_shaded():
    line = {"x": np.linspace(0, 1, 5), "y": np.linspace(0.2, 1, 5)}
    parts = [
        pd.DataFrame({**line, "low": line["y"] - 0.1, "high": line["y"], "area": 0.7}).assign(
            model=model, kind=kind, **{"class": label}
        )
        for model in ("abc", "colour_histogram")
        for kind in ("roc", "pr")
        for label in ("a", "b", "macro average", "micro average")
    ]
    figure, points = curves("roc", pd.concat(parts, ignore_index=True), ["a", "b"])
    axes = figure.axes[:2]
    assert [panel.get_title(loc="left") for panel in axes] == ["colour_histogram", "abc"]
    assert [len(panel.collections) for panel in axes] == [2, 2]  # a band for each class
    assert "AUC macro 0.700, micro 0.700" in [text.get_text() for text in axes[0].texts]
    assert list(points.columns) == COLUMNS and len(points) == 2 * 4 * 5


@pytest.mark.parametrize(
    ("x", "y", "rate", "expected"),
    [
        ([0, 0, 0.02, 1], [0, 0.4, 0.6, 1], 0.01, 0.5),  # half way between two points
        ([0, 0.01, 0.01, 1], [0, 0.2, 0.7, 1], 0.01, 0.7),  # straight up: the upper end
        ([0, 0, 1], [0, 1, 1], 0.05, 1.0),
        ([0, 1], [0, 1], 0.05, 0.05),
    ],
)
def test_the_true_rate_is_read_from_the_curve(x, y, rate, expected):
    assert true_rate(pd.DataFrame({"x": x, "y": y}), rate) == pytest.approx(expected)


def test_marks_are_the_rates_of_the_table():
    """On a curve as `assess` writes it, the marks have the values of `sensitivity_at_false_rate`."""
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 400)
    chances = random.dirichlet([1, 1, 1], 400) + 0.5 * np.eye(3)[y]
    chances /= chances.sum(1, keepdims=True)
    table = curve_table(draw(y, chances, np.arange(400), Evaluation(resamples=100), bands=True), ["a", "b", "c"])
    figure, _ = curves("roc", table.assign(model="net"), ["a", "b", "c"])
    axes = figure.axes[0]
    marks = {(line.get_marker(), line.get_color()): (line.get_xdata()[0], line.get_ydata()[0])
             for line in axes.lines if line.get_marker() in MARKS.values()}  # fmt: skip
    assert len(marks) == 2 * 4  # three classes and the macro average
    texts = [text.get_text() for text in axes.texts]
    for label, name in enumerate("abc"):
        points = points_of(y == label, chances[:, label])
        rates = [rate_at(points, rate) for rate in FALSE_RATES]
        for rate, marker, expected in zip(FALSE_RATES, MARKS.values(), rates, strict=True):
            assert marks[marker, class_colour(label)] == pytest.approx((rate, expected), abs=1e-6)
        said = f"TPR {rates[0]:.2f} | {rates[1]:.2f}"
        assert any(text.startswith("AUC") and text.endswith(said) for text in texts), (name, texts)
    macro = np.mean([rate_at(points_of(y == label, chances[:, label]), 0.05) for label in range(3)])
    assert marks["D", INK] == pytest.approx((0.05, macro), abs=1e-6)


def test_precision_recall_curves_have_no_such_marks():
    line = {"x": [0, 1], "y": [1, 0.5], "low": [1, 0.5], "high": [1, 0.5], "area": 0.7}
    part = pd.DataFrame(line).assign(model="net", kind="pr", **{"class": "a"})
    figure, _ = curves("pr", part, ["a", "b"])
    assert not [line for line in figure.axes[0].lines if line.get_marker() in MARKS.values()]
