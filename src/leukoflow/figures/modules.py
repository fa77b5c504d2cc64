"""What is left in modules of attention on changed images: a panel for each family, a line for each module."""

from typing import Any

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import AutoLocator

from leukoflow.core.inputs import Inputs
from leukoflow.figures.robustness import FAMILIES, UNCHANGED, frame
from leukoflow.figures.style import PALETTE, Drawn, empty, panels

MEASURES = {
    "shared": "Information shared with the unchanged image's maps",
    "relative": "Shift of attention, share of its Frobenius norm",
}
LINES = ("-", "--", "-.", ":")


def modules_chart(table: pd.DataFrame, measure: str) -> tuple[Figure, pd.DataFrame]:
    """A measure of `MEASURES` by level, with intervals, and unchanged at the level that changes nothing.

    `table` holds the modules of one cohort, task, view and protocol; runs of a model are averaged.
    """
    table = table[table["measure"] == measure].reset_index(drop=True)
    families = [name for name in FAMILIES if name in set(table["perturbation"])]
    if not families:
        return empty("No family of changes has levels here."), table
    lines = list(dict.fromkeys(zip(table["model"], table["module"], strict=True)))
    models, modules = (list(dict.fromkeys(column)) for column in zip(*lines, strict=True))
    figure, grid = panels(len(families), 4, 2.45, 2.0)
    styles: dict[tuple[str, str], dict[str, Any]] = {
        (model, module): {"color": PALETTE[modules.index(module) % len(PALETTE)], "marker": "o", "markersize": 3.2}
        | {"linestyle": LINES[models.index(model) % len(LINES)], "linewidth": 1.3}
        for model, module in lines
    }
    for axes, family in zip(grid, families, strict=True):
        none = table[table["perturbation"] == "none"].assign(level=UNCHANGED.get(family, 0.0))
        shown = pd.concat([none, table[table["perturbation"] == family]])
        for (model, module), style in styles.items():
            rows = shown[(shown["model"] == model) & (shown["module"] == module)]
            points = rows.groupby("level")[["value", "low", "high"]].mean().reset_index()
            axes.plot(points["level"], points["value"], **style)
            axes.fill_between(points["level"], points["low"], points["high"], color=style["color"], alpha=0.12, lw=0)
        frame(axes, family)
        if measure == "relative":
            axes.set(ylim=(-0.02, max(1.03, 1.03 * float(table["high"].max()))))
            axes.yaxis.set_major_locator(AutoLocator())
    figure.supylabel(MEASURES[measure], fontsize=9)
    names = {line: line[1] if len(models) == 1 else f"{line[1]} ({line[0]})" for line in lines}
    handles = [Line2D([], [], label=names[line], **style) for line, style in styles.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 3))
    return figure, table


def draw_mutual_information(inputs: Inputs) -> Drawn:
    """Information shared with the unchanged image by module of attention, from the panel's table `modules`."""
    return modules_chart(inputs.table("modules"), "shared")


def draw_frobenius(inputs: Inputs) -> Drawn:
    """How far attention shifts by module, from the panel's table `modules`."""
    return modules_chart(inputs.table("modules"), "relative")
