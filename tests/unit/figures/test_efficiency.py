import math

import pandas as pd
import pytest
from drawing import drawn, tables
from fake_study import finished_study
from hypothesis import given
from hypothesis import strategies as st

from leukoflow.figures.efficiency import front, pareto, throughput


@pytest.fixture
def root(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study").root


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 9)), min_size=1, max_size=12))
def test_the_front_is_what_nothing_beats(points):
    costs, accuracies = zip(*points, strict=True)
    best = front(costs, accuracies)

    def beaten(index):
        cost, accuracy = points[index]
        return any(c <= cost and a >= accuracy and (c, a) != (cost, accuracy) for c, a in points)

    assert {points[index] for index in best} == {points[index] for index in range(len(points)) if not beaten(index)}
    assert [costs[index] for index in best] == sorted(costs[index] for index in best)


def test_what_has_no_cost_is_on_no_front():
    assert front([math.nan, 2.0], [0.9, 0.5]) == [1]


def test_pareto_shows_the_strictest_protocol_and_published_figures_apart(root):
    board, costs = (pd.read_csv(root / f"tables/{name}.csv") for name in ("leaderboard", "efficiency"))
    published = {"neurallnet": {"accuracy": 0.9816, "latency_ms": 454.67}}
    figure, table = pareto(board, costs, published)
    assert set(table["protocol"]) == {"acquisition"} and len(table) == 3
    assert table["accuracy"].is_monotonic_decreasing and table["number"].tolist() == [1, 2, 3]
    assert 454.67 not in table["latency_p50_ms"].tolist()
    drawn = [line.get_xydata().tolist() for line in figure.axes[0].lines if line.get_marker() == "D"]
    assert drawn == [[[454.67, 0.9816]]]
    assert not [line for line in figure.axes[1].lines if line.get_marker() == "D"]


def test_step_writes_both_figures(root, tmp_path):
    settings = {"panel": {"cohort": "demo", "task": "subtype", "view": "plain"}, "published": {}}
    files = tables(root, "leaderboard", "efficiency", "speed")
    for name, rows in (("pareto", 3), ("throughput", 6)):
        assert len(drawn(name, tmp_path / f"{name}.png", settings, **files)) == rows


def test_nothing_measured_is_said(root):
    speed = pd.read_csv(root / "tables/speed.csv")
    figure, table = throughput(speed[:0], {})
    assert figure.texts[0].get_text() == "No model was measured." and table.empty
