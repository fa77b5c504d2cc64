"""F1 by threshold and average precision by share, as drawn."""

import pandas as pd
import pytest

from leukoflow.figures.curves import MACRO
from leukoflow.figures.precision_recall import thresholds_chart


def rows(model: str, seed: int, shift: float) -> list[dict]:
    records = []
    for number, name in enumerate(["a", "b", MACRO]):
        values = [("f1_at_threshold", 0.3, 0.5), ("f1_at_threshold", 0.6, 0.9), ("ap_at_prevalence", 0.05, 0.4)]
        values += [("ap_at_prevalence", 0.5, 0.8), ("f1_threshold", None, 0.55), ("f1", None, 0.7)]
        values.append(("f1_range_low", 0.9, 0.5))
        for measure, level, value in values:
            records.append({"model": model, "seed": seed, "class": name, "measure": measure, "level": level,
                          "value": value + shift + 0.01 * number})  # fmt: skip
    return records


def test_lines_are_means_over_runs_and_dots_the_thresholds_of_validation() -> None:
    table = pd.DataFrame(rows("net", 1, 0.0) + rows("net", 2, 0.1))
    figure, means = thresholds_chart(table, ["a", "b"])
    upper, lower = [panel for panel in figure.axes if panel.get_visible()]
    lines = {tuple(line.get_xdata()): line.get_ydata() for line in upper.lines if line.get_linestyle() in ("-", "--")}
    assert list(lines) == [(0.3, 0.6)]
    assert [line.get_ydata()[0] for line in upper.lines if line.get_linestyle() == ":"] == [0.9]
    drawn = [list(line.get_ydata()) for line in upper.lines if len(line.get_xdata()) == 2 and line.get_marker() == "."]
    assert drawn[:2] == [pytest.approx([0.55, 0.95]), pytest.approx([0.56, 0.96])]
    dots = [(line.get_xdata()[0], line.get_ydata()[0]) for line in upper.lines if line.get_marker() == "o"]
    assert dots == [pytest.approx((0.6, 0.75)), pytest.approx((0.61, 0.76))]
    assert list(lower.lines[2].get_ydata()) == pytest.approx([0.47, 0.87]) and lower.lines[2].get_linestyle() == "--"
    assert means.loc[means["measure"] == "f1", "value"].tolist() == pytest.approx([0.75, 0.76, 0.77])


def test_nothing_to_show_is_said() -> None:
    empty = pd.DataFrame(columns=["model", "class", "measure", "level", "value"])
    assert thresholds_chart(empty, ["a"])[0].texts[0].get_text() == "No class here can be told from the rest."
