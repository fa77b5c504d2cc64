"""F1 by threshold and average precision by share of the class, a column for each model."""

from collections.abc import Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.tasks import task_of
from leukoflow.core.inputs import Inputs
from leukoflow.figures.curves import MACRO
from leukoflow.figures.reliability import models_of
from leukoflow.figures.style import INK, MUTED, Drawn, class_colour, empty, legend_columns, wrap

COLUMNS = 5
DRAWN = {"f1_at_threshold": ("Threshold", "F1"), "ap_at_prevalence": ("Share of the class", "Average precision")}
"""Measures of the upper and the lower panel: what is across and up."""


def thresholds_chart(table: pd.DataFrame, classes: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """Means over runs of test images of one panel; the mean over classes is black and broken.

    In the upper panels a dot marks the threshold chosen on validation images, with the F1 that it gives here.
    """
    keys = ["model", "class", "measure", "level"]
    means = table.groupby(keys, sort=False, dropna=False)["value"].mean().reset_index()
    models = models_of(means)
    if not models:
        return empty("No class here can be told from the rest."), means
    columns = min(COLUMNS, len(models))
    bands = -(-len(models) // columns)
    figure = Figure(figsize=(max(2.4 * columns, 4.8), 4.2 * bands + 0.4), layout="constrained")
    grid = figure.subplots(2 * bands, columns, squeeze=False)
    for axes in grid.ravel():
        axes.set_visible(False)
    high = float(means.loc[means["measure"] == "f1_range_low", "level"].iloc[0])
    least = float(means.loc[means["measure"] == "ap_at_prevalence", "value"].min())
    for number, model in enumerate(models):
        band, column = divmod(number, columns)
        part = means[means["model"] == model]
        for row, (measure, (across, up)) in enumerate(DRAWN.items()):
            axes = grid[2 * band + row, column]
            axes.set_visible(True)
            axes.grid()
            _lines(axes, part[part["measure"] == measure], classes)
            axes.set(xlabel=across, ylabel=up if column == 0 else "")
        upper, lower = grid[2 * band : 2 * band + 2, column]
        _chosen(upper, part, classes)
        upper.axhline(high, color=MUTED, linestyle=":", linewidth=1)
        upper.set(xlim=(0, 1), ylim=(0, 1.02), title=wrap(model, 24))
        lower.set(xlim=(0, 0.52), ylim=(max(0.0, least - 0.05), 1.02))
    handles = [Line2D([], [], color=class_colour(index), label=wrap(name, 24)) for index, name in enumerate(classes)]
    handles.append(Line2D([], [], color=INK, linestyle="--", label=MACRO))
    handles.append(Line2D([], [], color=MUTED, linestyle="none", marker="o", label="threshold of validation"))
    figure.legend(handles=handles, loc="outside lower center", ncols=legend_columns(handles, figure, 5))
    return figure, means


def _lines(axes: Axes, part: pd.DataFrame, classes: Sequence[str]) -> None:
    for name, line in part.groupby("class", sort=False):
        line = line.sort_values("level")
        macro = name == MACRO
        colour = INK if macro else class_colour(list(classes).index(str(name)))
        axes.plot(
            line["level"], line["value"], color=colour, linestyle="--" if macro else "-",
            linewidth=1.6 if macro else 1.2, marker="." if len(line) < 6 else "",
        )  # fmt: skip


def _chosen(axes: Axes, part: pd.DataFrame, classes: Sequence[str]) -> None:
    values = part.set_index(["class", "measure"])["value"]
    for index, name in enumerate(classes):
        if (name, "f1") in values.index:
            point = values[name, "f1_threshold"], values[name, "f1"]
            axes.plot(*point, "o", color=class_colour(index), markersize=4.5, markeredgecolor="white", clip_on=False)


def draw_thresholds(inputs: Inputs) -> Drawn:
    """F1 and average precision on test images of a panel, from its `precision_recall`."""
    return thresholds_chart(inputs.test("precision_recall"), task_of(inputs).classes)
