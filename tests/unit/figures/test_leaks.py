"""What leaks are worth, read from the axes."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.config.protocols import ready
from leukoflow.figures.leakage import leakage_chart
from leukoflow.figures.leaks import leaks_chart
from leukoflow.figures.style import protocol_style

ROWS = [
    ("accuracy", 0.02, 0.01, 0.04, "one", "leaky_hmscam"),
    ("macro_f1", 0.03, -0.01, 0.05, "one", "leaky_hmscam"),
    ("accuracy", 0.0, np.nan, np.nan, "two", "leaky_hmscam"),
    ("macro_f1", 0.0, np.nan, np.nan, "two", "leaky_hmscam"),
]
TABLE = pd.DataFrame(ROWS, columns=["metric", "difference", "low", "high", "model", "protocol"])
TABLE = TABLE.assign(view="plain", leaks="validation_as_test")


def test_points_and_limits_are_those_of_the_table() -> None:
    figure, behind = leaks_chart(TABLE)
    accuracy, f1 = figure.axes
    names = [text.get_text() for text in accuracy.get_yticklabels()]
    assert names == ["validation_as_test\nleaky_hmscam: one", "validation_as_test\nleaky_hmscam: two"]
    for axes, limits, value in ((accuracy, [1, 4], 2), (f1, [-1, 5], 3)):
        bars = [line for line in axes.lines if len(line.get_xdata()) == 2 and line.get_marker() == "None"]
        marks = [line for line in axes.lines if line.get_marker() == "X"]
        # The line at 0 is among those without a mark.
        assert list(bars[0].get_xdata()) == pytest.approx(limits) and len(bars) == 2
        assert [line.get_xdata()[0] for line in marks] == pytest.approx([value, 0])
        assert [line.get_fillstyle() for line in marks] == ["full", "none"]
    assert behind.equals(TABLE)


def test_nothing_to_show_is_said() -> None:
    figure, _ = leaks_chart(TABLE[:0])
    assert not figure.axes and "No protocol with leaks" in figure.texts[0].get_text()


@pytest.mark.parametrize(
    ("protocols", "titles"),
    [
        (["image", "acquisition"], ["Accuracy, %", "Less than split image, points"]),
        (["hmscam", "leaky_hmscam"], ["Accuracy, %"]),
    ],
)
def test_differences_to_split_image_are_drawn_if_that_was_run(protocols: list[str], titles: list[str]) -> None:
    table = pd.DataFrame({"protocol": protocols, "model": "net", "cohort": "home", "target": "home", "part": "all"})
    table = table.assign(accuracy=0.9, low=0.8, high=0.95, difference=0.1, difference_low=0.0, difference_high=0.2)
    figure, _ = leakage_chart(table)
    assert [axes.get_title("left") for axes in figure.axes] == titles


def test_a_cross_is_a_protocol_with_leaks_in_the_colour_of_its_twin() -> None:
    assert protocol_style("leaky_hmscam") == (protocol_style("hmscam")[0], "X")
    assert protocol_style("image") == ("#56B4E9", "o")
    assert "X" not in {protocol_style(name)[1] for name in ready() if not name.startswith("leaky_")}
