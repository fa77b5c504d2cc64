"""ROC and precision-recall curves with bands, a panel for each model, a line for each class."""

from collections.abc import Sequence
from typing import Literal

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.tasks import task_of
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, MUTED, RULE, Drawn, class_colour, legend_columns, panels, wrap

Kind = Literal["roc", "pr"]
LABELS = {"roc": ("False positive rate", "True positive rate"), "pr": ("Recall", "Precision")}
MACRO, MICRO = "macro average", "micro average"
COLUMNS = ["model", "class", "x", "y", "low", "high", "area"]
AVERAGES: dict[str, tuple] = {MACRO: (0, (4, 2)), MICRO: (0, (1, 1.2))}
"""Dashes of the averages' lines."""


def curves(kind: Kind, table: pd.DataFrame, classes: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """Panels of the models, the colour baseline first: each class against the rest, macro and micro average.

    `table` holds the curves of one panel (model, kind, class, x, y, low, high, area); low to high is shaded.
    """
    models = sorted(table["model"].unique(), key=lambda name: (not is_baseline(name), name))
    figure, grid = panels(len(models), 4, 2.75, 2.85)
    shown = table[table["kind"] == kind]
    for axes, model in zip(grid, models, strict=True):
        _panel(axes, kind, shown[shown["model"] == model], classes)
        axes.set_title(wrap(model, 26))
        axes.label_outer()
    figure.supxlabel(LABELS[kind][0], fontsize=9)
    figure.supylabel(LABELS[kind][1], fontsize=9)
    handles = [Line2D([], [], color=class_colour(index), label=wrap(name, 24)) for index, name in enumerate(classes)]
    handles += [Line2D([], [], color=INK, linestyle=dashes, label=name) for name, dashes in AVERAGES.items()]
    figure.legend(
        handles=handles, loc="outside upper center", ncols=legend_columns(handles, figure, 2 * min(4, len(models)) + 1)
    )
    return figure, shown[COLUMNS].reset_index(drop=True)


def _panel(axes: Axes, kind: Kind, points: pd.DataFrame, classes: Sequence[str]) -> None:
    axes.grid()
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")
    if kind == "roc":
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    _lines(axes, points, classes)
    good = len(points) > 0 and points["area"].min() > 0.9
    if good:
        # Curves of a good model hug the corner; the inset enlarges it five times.
        span = (-0.004, 0.2) if kind == "roc" else (0.8, 1.004)
        inset = axes.inset_axes(
            (0.46, 0.46, 0.46, 0.46) if kind == "roc" else (0.08, 0.46, 0.46, 0.46), xlim=span, ylim=(0.8, 1.004)
        )
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
        _lines(inset, points, classes)
    name = "AUC" if kind == "roc" else "AP"
    areas = points.drop_duplicates("class").set_index("class")["area"]
    means = [f"{label.split()[0]} {areas[label]:.3f}" for label in AVERAGES if label in areas]
    lines = [(f"{name} {', '.join(means)}", INK)] if means else []
    if len(classes) <= 5:
        named = [(label, class_colour(index)) for index, label in enumerate(classes) if label in areas]
        lines += [(f"{name} {areas[label]:.3f}", colour) for label, colour in reversed(named)]
    for row, (text, colour) in enumerate(lines):
        x = 0.97 if kind == "roc" else 0.04
        axes.text(
            x, 0.03 + 0.075 * row, text, color=colour, fontsize=7, transform=axes.transAxes,
            ha="right" if kind == "roc" else "left",
            bbox={"facecolor": "white", "alpha": 0.6, "pad": 0.6, "linewidth": 0},
        )  # fmt: skip


def _lines(axes: Axes, points: pd.DataFrame, classes: Sequence[str]) -> None:
    for label, line in points.groupby("class", sort=False):
        average = str(label) in AVERAGES
        colour = INK if average else class_colour(list(classes).index(str(label)))
        if not average:
            axes.fill_between(line["x"], line["low"], line["high"], color=colour, alpha=0.11, linewidth=0)
        dashes, width = (AVERAGES[str(label)], 1.1) if average else ("solid", 1.4)
        axes.plot(line["x"], line["y"], color=colour, linewidth=width, linestyle=dashes, zorder=3 if average else 2)


def draw_roc(inputs: Inputs) -> Drawn:
    """ROC curves of a panel on test images, from its `curves`."""
    return curves("roc", inputs.test("curves"), task_of(inputs).classes)


def draw_pr(inputs: Inputs) -> Drawn:
    """Precision-recall curves of a panel on test images, from its `curves`."""
    return curves("pr", inputs.test("curves"), task_of(inputs).classes)
