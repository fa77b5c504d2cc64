"""Accuracy by the method that chose the features, and by their number."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import MUTED, PALETTE, Drawn, empty, panels, wrap

TITLES = {
    "mid": "mRMR, MID", "miq": "mRMR, MIQ", "fcq": "mRMR, FCQ", "anova": "ANOVA", "chi2": "chi-squared",
    "lasso": "LASSO", "pca": "PCA", "importance": "importance", "random": "at random", "none": "not ranked",
}  # fmt: skip


def selection_methods_chart(table: pd.DataFrame, baseline: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each family of models and protocol, a line for each method, a colour for each number of features.

    `table` holds the selection methods of one cohort, task and view; `baseline` has protocol and accuracy.
    """
    places = list(dict.fromkeys(table[["family", "protocol"]].itertuples(index=False, name=None)))
    if not places:
        return empty("No model was run on features chosen in several ways."), table
    methods = [name for name in TITLES if name in set(table["method"])]
    counts = sorted(table["k"].dropna().unique())
    figure, grid = panels(len(places), 3, 3.7 if len(places) > 1 else 5.6, 1.0 + 0.36 * len(methods))
    known = baseline.set_index("protocol")["accuracy"]
    for axes, (family, protocol) in zip(grid, places, strict=True):
        part = table[(table["family"] == family) & (table["protocol"] == protocol)]
        for row in part.to_dict("records"):
            step = counts.index(row["k"]) if row["k"] in counts else 0
            y = methods.index(row["method"]) + 0.7 * ((step + 0.5) / max(1, len(counts)) - 0.5)
            colour = PALETTE[step % len(PALETTE)]
            axes.hlines(y, row["low"], row["high"], color=colour, linewidth=1.4)
            axes.plot(row["accuracy"], y, "o", color=colour, markersize=4)
        if protocol in known:
            axes.axvline(known[protocol], color=MUTED, linestyle=(0, (3, 2)), linewidth=1)
        axes.set_yticks(range(len(methods)), [TITLES[name] for name in methods])
        axes.set_ylim(len(methods) - 0.5, -0.5)
        axes.tick_params(axis="y", length=0)
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.locator_params(axis="x", nbins=5)
        axes.grid(axis="x")
        axes.set_title(wrap(f"{family}, {protocol} split", 34))
    figure.supxlabel("Accuracy", fontsize=9)
    handles = [
        Line2D([], [], color=PALETTE[step % len(PALETTE)], marker="o", markersize=4, label=f"{int(count):,} features")
        for step, count in enumerate(counts)
    ]
    if len(known):
        handles.append(Line2D([], [], color=MUTED, linestyle=(0, (3, 2)), linewidth=1, label="colour baseline"))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4))
    return figure, table.reset_index(drop=True)


def draw_selection_methods(inputs: Inputs) -> Drawn:
    """Accuracy by method and number of features, from the tables `selection_methods` and `leaderboard`."""
    board = inputs.rows("leaderboard")
    baseline = board[np.array([is_baseline(name) for name in board["model"]], bool)]
    return selection_methods_chart(inputs.rows("selection_methods"), baseline)
