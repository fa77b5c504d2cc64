"""Figures of ablations, sweeps and methods of selection: what is read from their axes is what the tables say."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest

from leukoflow.config.families import selections_of
from leukoflow.config.features import DeepFeatures, Selection
from leukoflow.config.models import Model
from leukoflow.figures.ablation import ablation_chart
from leukoflow.figures.selection_methods import selection_methods_chart
from leukoflow.figures.sweep import sweep_chart
from leukoflow.report.variants import ablation_grid, sweep_grid, without_unchosen
from leukoflow.stats.ablation import COLUMNS

RATES = (0.1, 0.01, 1e-5)
SWEEP = pd.DataFrame(
    {
        "experiment": "e", "cohort": "c", "task": "t", "view": "v", "protocol": "image", "model": "m",
        "variant": [f"m_{number}" for number in range(6)],
        "values": [json.dumps({"training.rate": r, "options.wide": w}) for r, w in product(RATES, (True, False))],
        "validation_accuracy": [0.5, 0.6, 0.9, 0.8, 0.7, 0.2],
        "validation_loss": 0.4,
        "chosen": [False, False, True, False, False, False],
        "accuracy": 0.66, "macro_f1": 0.55,
    }
)  # fmt: skip


def ablation() -> pd.DataFrame:
    rows = [
        ("whole", 0.8, 0.75, *[np.nan] * 6, ""),
        ("without_masks", 0.7, 0.6, -0.1, -0.15, -0.05, -0.15, -0.2, -0.02, "groups"),
        ("without_stain", 0.82, 0.76, 0.02, -0.01, 0.05, 0.01, np.nan, np.nan, "groups"),
    ]
    names = [
        "part",
        "accuracy",
        "macro_f1",
        "difference",
        "low",
        "high",
        "f1_difference",
        "f1_low",
        "f1_high",
        "resampling",
    ]
    table = pd.DataFrame(rows, columns=names)
    table = table.assign(
        experiment="e", cohort="c", task="t", protocol="image", model="m", view="v", variant="m", runs=1
    )
    return table.assign(images=100, groups=20)[COLUMNS]


def test_an_ablation_shows_both_differences_of_every_part() -> None:
    figure, _ = ablation_chart(ablation())
    axes = figure.axes[0]
    points = {line.get_marker(): line.get_xdata().tolist() for line in axes.lines if line.get_marker() in ("o", "s")}
    assert points == {"o": [-0.1, 0.02], "s": [-0.15, 0.01]}
    assert [tick.get_text() for tick in axes.get_yticklabels()] == ["without masks", "without stain"]
    spans = [
        segment[:, 0].tolist()
        for collection in axes.collections
        for segment in collection.get_segments()
        if len(segment)
    ]
    assert [-0.15, -0.05] in spans and [-0.2, -0.02] in spans


def test_the_table_of_an_ablation_gives_differences_in_points() -> None:
    rows = ablation_grid(ablation()).rows
    assert [row.cells[1].text for row in rows] == ["whole", "without masks", "without stain"]
    assert rows[1].cells[6].key == pytest.approx(-0.1) and "10.0" in rows[1].cells[6].text
    assert rows[2].cells[7].note == ""


def test_a_sweep_has_a_panel_for_each_key_and_a_star_on_the_chosen_variant() -> None:
    figure, _ = sweep_chart(SWEEP)
    first, second = figure.axes
    assert [tick.get_text() for tick in first.get_xticklabels()] == ["0.1", "0.01", "1e-05"]
    assert [tick.get_text() for tick in second.get_xticklabels()] == ["true", "false"]
    for axes, position, best in ((first, 1, [0.6, 0.9, 0.7]), (second, 0, [0.9, 0.8])):
        dots, line, star = axes.lines
        assert sorted(dots.get_ydata()) == sorted(SWEEP["validation_accuracy"])
        assert line.get_ydata().tolist() == best
        assert (star.get_xdata().tolist(), star.get_ydata().tolist()) == ([position], [0.9])


def test_the_table_of_a_sweep_marks_the_chosen_one_and_what_is_no_result() -> None:
    rows = sweep_grid(SWEEP).rows
    assert [row.cells[0].chip for row in rows] == ["", "", "chosen", "", "", ""]
    assert [row.cells[-1].note for row in rows][1:3] == ["not chosen", ""]


def test_variants_that_were_not_chosen_make_no_headline() -> None:
    board = pd.DataFrame({"model": ["colour_histogram", "m_0", "m_2", "other"]})
    board = board.assign(cohort="c", task="t", view="v", protocol="image")
    assert without_unchosen(board, SWEEP)["model"].tolist() == ["colour_histogram", "m_2", "other"]
    assert len(without_unchosen(board.assign(view="w"), SWEEP)) == 4


def test_methods_are_compared_among_models_that_differ_in_nothing_else() -> None:
    backbones = [{"name": "one"}]
    features = {
        name: DeepFeatures(kind="deep", backbones=backbones, grid=grid, selection=Selection(method=method))
        for name, grid, method in (("f", 2, "fcq"), ("r", 2, "random"), ("g", 3, "random"))
    }
    models = {
        name: Model(architecture="net", features=entry, options=options)
        for name, entry, options in (
            ("a", "f", {"features": 9}), ("b", "r", {"features": 9}), ("c", "r", {"features": 5}),
            ("d", "g", {"features": 9}), ("e", "r", {"features": 9, "wide": True}),
        )
    }  # fmt: skip
    selections = selections_of({**models, "x": Model(architecture="net")}, features)
    assert {name: (family, selection.method, k) for name, (family, selection, k) in selections.items()} == {
        "a": ("a", "fcq", 9), "b": ("a", "random", 9), "c": ("a", "random", 5),
    }  # fmt: skip


def test_methods_have_a_line_each_and_numbers_a_colour() -> None:
    rows = [("fcq", 8, 0.7), ("fcq", 16, 0.8), ("random", 8, 0.4), ("random", 16, 0.5)]
    table = pd.DataFrame(rows, columns=["method", "k", "accuracy"])
    table = table.assign(low=table["accuracy"] - 0.1, high=table["accuracy"] + 0.1, family="m", protocol="image")
    figure, _ = selection_methods_chart(table, pd.DataFrame({"protocol": ["image"], "accuracy": [0.6]}))
    axes = figure.axes[0]
    dots = [
        (round(float(line.get_ydata()[0])), float(line.get_xdata()[0]), line.get_color())
        for line in axes.lines
        if line.get_marker() == "o"
    ]
    assert [(row, x) for row, x, _ in dots] == [(0, 0.7), (0, 0.8), (1, 0.4), (1, 0.5)]
    assert dots[0][2] == dots[2][2] != dots[1][2]
    assert 0.6 in [line.get_xdata()[0] for line in axes.lines if line.get_marker() != "o"]
