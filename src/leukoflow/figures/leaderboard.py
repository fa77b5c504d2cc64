"""Accuracy of every model with its interval, protocols side by side, against the colour baseline."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from leukoflow.config.protocols import in_order
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import RULE, Drawn, legend_columns, line_style, protocol_style

OWN = "own"
"""What stands for a recipe where a model is trained by its own."""


def leaderboard_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each cohort, task, view and recipe of the leaderboard; a row for each model, the colour baseline,
    which no recipe trains, on top of each.

    Whiskers are the intervals that the table shows; a broken line is the baseline under the protocol of its colour.
    """
    blocks = leaderboards(table)
    used = in_order(table["protocol"])
    heights = [0.55 + part["model"].nunique() * (0.16 + 0.13 * len(used)) for _, part in blocks]
    figure = Figure(figsize=(8.2, sum(heights) + 0.75), layout="constrained")
    grid = figure.subplots(len(blocks), 1, squeeze=False, sharex=True, height_ratios=heights).ravel()
    least = float(np.nanmin([table["low"].min(), table["accuracy"].min()]))
    start = max(0.0, np.floor((least - 0.02) * 20) / 20)
    for axes, (title, part) in zip(grid, blocks, strict=True):
        _panel(axes, part, used)
        axes.set_title(title)
        axes.set_xlim(start, 1.0 + (1 - start) * 0.1)
    grid[-1].set_xlabel("Accuracy on test images")
    ticks = grid[-1].get_xticks()
    ticks = ticks[(ticks >= start) & (ticks <= 1 + 1e-9)]
    grid[-1].set_xticks(ticks, [f"{tick:.0%}" for tick in ticks])
    handles = [Line2D([], [], **line_style(name), label=f"{name} split") for name in used]
    if any(map(is_baseline, table["model"])):
        handles.append(Line2D([], [], color="#5B6472", linestyle=(0, (3, 2)), linewidth=1, label="colour baseline"))
    figure.legend(handles=handles, loc="outside upper right", ncols=legend_columns(handles, figure, 6))
    columns = [
        "cohort",
        "task",
        "view",
        "protocol",
        "model",
        "recipe",
        "images",
        "groups",
        "runs",
        "accuracy",
        "low",
        "high",
        "interval",
    ]
    return figure, table[columns]


def leaderboards(table: pd.DataFrame) -> list[tuple[str, pd.DataFrame]]:
    """Title and rows of each panel: own recipes first, then the others by name, as titles say if there are any."""
    boards = []
    several = set(table["recipe"]) - {OWN, ""} != set()
    for (cohort, task, view), part in table.groupby(["cohort", "task", "view"], sort=False):
        baseline = part["model"].map(is_baseline).astype(bool)
        recipes = sorted(set(part.loc[~baseline, "recipe"]), key=lambda name: (name != OWN, name))
        for recipe in recipes or [None]:
            title = f"{cohort}, {task}, {view} view"
            if several and recipe is not None:
                title += ", own recipes" if recipe == OWN else f", recipe {recipe}"
            boards.append((title, part[baseline | (part["recipe"] == recipe)]))
    return boards


def _panel(axes: Axes, part: pd.DataFrame, used: list[str]) -> None:
    best = part.groupby("model")["accuracy"].max()
    models = sorted(best.index, key=lambda name: (not is_baseline(name), -best[name], name))
    step = 0.7 / max(len(used), 1)
    for _, row in part.iterrows():
        y = models.index(row["model"]) + (used.index(row["protocol"]) - (len(used) - 1) / 2) * step
        colour, marker = protocol_style(row["protocol"])
        axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=2, solid_capstyle="round")
        axes.plot(
            row["accuracy"], y, marker, color=colour, markersize=5.5, markeredgecolor="white", markeredgewidth=0.6
        )
        axes.annotate(
            f"{row['accuracy']:.1%}", (np.fmax(row["high"], row["accuracy"]), y),
            xytext=(5, 0), textcoords="offset points", va="center", fontsize=7, color="#5B6472",
            path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip
        if is_baseline(row["model"]):
            axes.axvline(row["accuracy"], color=colour, linewidth=1, linestyle=(0, (3, 2)), alpha=0.8, zorder=0)
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    for edge in range(1, len(models)):
        axes.axhline(edge - 0.5, color=RULE, linewidth=0.5)


def draw_leaderboard(inputs: Inputs) -> Drawn:
    """The leaderboard of the study, from the table `leaderboard`."""
    return leaderboard_chart(inputs.table("leaderboard"))
