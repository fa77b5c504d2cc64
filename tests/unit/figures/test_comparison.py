import numpy as np
import pandas as pd
import pytest

from leukoflow.figures.comparison import COLUMNS, comparison_chart, p_text, signed


@pytest.fixture
def table() -> pd.DataFrame:
    base = {"experiment": "main", "cohort": "home", "task": "kind", "view": "plain", "reference": "base"}
    base |= {"images": 90, "runs": 1, "resampling": "images"}
    rows = [
        {"protocol": "image", "model": "colour_histogram", "difference": 0.02, "low": np.nan, "high": np.nan},
        {"protocol": "image", "model": "net", "difference": -0.031, "low": -0.05, "high": -0.01},
        {"protocol": "patient", "model": "net", "difference": 0.0, "low": -0.08, "high": 0.06},
    ]
    frame = pd.DataFrame([base | row for row in rows])
    return frame.assign(p_holm=[np.nan, 0.0004, 1.0], published_difference=[np.nan, 0.04, np.nan])


def lines(axes, marker: str) -> list[tuple[float, float]]:
    drawn = [(line.get_xdata()[0], line.get_ydata()[0]) for line in axes.lines if line.get_marker() == marker]
    return [point for point in drawn if not np.isnan(point[0])]


def test_a_panel_for_each_split_and_a_row_for_each_model_in_points(table):
    figure, numbers = comparison_chart(table)
    assert [axes.get_title(loc="left") for axes in figure.axes] == [
        "home, kind, plain view, image split", "home, kind, plain view, patient split",
    ]  # fmt: skip
    first, second = figure.axes
    assert [label.get_text() for label in first.get_yticklabels()] == ["colour_histogram", "net"]
    assert lines(first, "o") == [(2.0, 0), (-3.1, 1)]
    assert lines(first, "D") == [(4.0, 1)] and lines(second, "D") == []
    texts = [text.get_text() for text in first.texts]
    assert texts[:4] == ["+2.0", "\N{EM DASH}", "\N{MINUS SIGN}3.1", "< 0.001"]
    low, high = first.get_xlim()
    assert low < -8 and high > 6 and first.get_xlim() == second.get_xlim()
    assert list(numbers.columns) == COLUMNS and len(numbers) == 3


def test_the_hollow_diamond_is_in_the_legend_only_where_something_is_published(table):
    legend = [text.get_text() for text in comparison_chart(table)[0].legends[0].texts]
    assert legend == ["image split, measured", "patient split, measured", "as published"]
    bare = comparison_chart(table.assign(published_difference=np.nan))[0].legends[0].texts
    assert [text.get_text() for text in bare] == legend[:2]


def test_an_experiment_of_the_reference_alone_says_so():
    figure, numbers = comparison_chart(pd.DataFrame(columns=COLUMNS))
    assert numbers.empty and "no model next to" in figure.texts[0].get_text()


def test_numbers_as_they_are_written():
    assert [signed(value, ".1f") for value in (1.24, -0.04, -2.5)] == ["+1.2", "0.0", "\N{MINUS SIGN}2.5"]
    assert [signed(value, "g") for value in (0.0, 2.5, -5.0)] == ["0", "+2.5", "\N{MINUS SIGN}5"]
    assert [p_text(value) for value in (0.00099, 0.0312, 0.25, 1.0)] == ["< 0.001", "0.031", "0.25", "1.00"]
