"""Accuracy on validation images by the values of a sweep."""

import json
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import MUTED, PALETTE, Drawn, empty, wrap

PLACE = ["view", "protocol", "model"]
CROWDED = 36
"""Characters of a panel's values, with their gaps, that do not fit side by side."""


def sweep_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A row for each model, view and protocol, a panel for each key: validation accuracy of every variant by the key's
    value, and the best at each value as a line. `table` holds the rows of one experiment."""
    if table.empty:
        return empty("Nothing was swept."), table
    values = [json.loads(text) for text in table["values"]]
    keys = list(dict.fromkeys(key for variant in values for key in variant))
    places = list(dict.fromkeys(table[PLACE].itertuples(index=False, name=None)))
    figure = Figure(figsize=(max(4.4, 3.1 * len(keys)), 2.5 * len(places) + 0.5), layout="constrained")
    grid = figure.subplots(len(places), len(keys), squeeze=False, sharey="row")
    for row, group in zip(grid, places, strict=True):
        here = (table[PLACE] == list(group)).all(axis=1).to_numpy()
        for axes, key in zip(row, keys, strict=True):
            settings = [variant[key] for variant, kept in zip(values, here, strict=True) if kept]
            _panel(axes, key, settings, table[here])
        row[0].set_title(f"{wrap(group[2], 34)}\n{group[0]} view, {group[1]} split", fontsize=8.5)
    figure.supylabel("Accuracy on validation images", fontsize=9)
    handles = [
        Line2D([], [], linestyle="none", marker="o", color=PALETTE[5], markersize=4, label="variant"),
        Line2D([], [], color=PALETTE[0], label="best at the value"),
        Line2D([], [], linestyle="none", marker="*", color=PALETTE[1], markersize=9, label="chosen"),
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure, table.reset_index(drop=True)


def _panel(axes: Axes, key: str, settings: list[Any], rows: pd.DataFrame) -> None:
    texts = [_text(setting) for setting in settings]
    named = list(dict.fromkeys(texts))
    x = np.array([named.index(text) for text in texts])
    y = rows["validation_accuracy"].to_numpy(float)
    axes.plot(x, y, "o", color=PALETTE[5], markersize=4)
    best = [y[x == index].max() for index in range(len(named))]
    axes.plot(range(len(named)), best, color=PALETTE[0], linewidth=1.2)
    chosen = rows["chosen"].to_numpy(bool)
    axes.plot(x[chosen], y[chosen], "*", color=PALETTE[1], markersize=9, zorder=3)
    crowded = sum(len(name) + 2 for name in named) > CROWDED
    axes.set_xticks(range(len(named)), [wrap(name, 12) for name in named], rotation=90 if crowded else 0)
    axes.set_xlim(-0.4, len(named) - 0.6)
    axes.set_xlabel(wrap(key, 30), color=MUTED)
    axes.yaxis.set_major_formatter("{x:.1%}")
    axes.grid(axis="y")


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def draw_sweep(inputs: Inputs) -> Drawn:
    """Validation accuracy by value in an experiment, from the table `sweeps`."""
    return sweep_chart(inputs.rows("sweeps", ("experiment",)))
