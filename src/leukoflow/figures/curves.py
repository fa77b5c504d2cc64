"""ROC and precision-recall curves with bands, a panel for each model, a line for each class."""

from collections.abc import Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.evaluation import FALSE_RATES
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
MARKS = dict(zip(FALSE_RATES, ("o", "D"), strict=True))
"""False positive rates at which ROC curves are marked, and the marks."""
SPACING = 0.066
"""Of lines of text in a panel, as a share of its height."""


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
    handles += mark_handles() if kind == "roc" else []
    figure.legend(
        handles=handles, loc="outside upper center", ncols=legend_columns(handles, figure, 2 * min(4, len(models)) + 1)
    )
    return figure, shown[COLUMNS].reset_index(drop=True)


def mark_handles() -> list[Line2D]:
    """What the marks on ROC curves stand for, for a legend."""
    return [
        Line2D([], [], color=MUTED, marker=marker, linestyle="none", markersize=4, label=f"TPR at FPR {rate:g}")
        for rate, marker in MARKS.items()
    ]


def true_rate(line: pd.DataFrame, false_rate: float) -> float:
    """True positive rate of a ROC curve (x, y, both rising from 0 to 1) at a false positive rate, straight between its
    points; if the curve rises straight up, the upper end."""
    x, y = line["x"].to_numpy(), line["y"].to_numpy()
    after = int(np.searchsorted(x, false_rate + 1e-12, side="right"))
    if after == len(x):
        return float(y[-1])
    part = (false_rate - x[after - 1]) / (x[after] - x[after - 1])
    return float(y[after - 1] + max(part, 0.0) * (y[after] - y[after - 1]))


def marked(axes: Axes, line: pd.DataFrame, colour: str, size: float = 3.6) -> None:
    """Mark a ROC curve at each of `MARKS`."""
    for rate, marker in MARKS.items():
        axes.plot(
            rate, true_rate(line, rate), marker, color=colour, markersize=size, markeredgecolor="white",
            markeredgewidth=0.5, zorder=4,
        )  # fmt: skip


def true_rates(line: pd.DataFrame) -> str:
    """True positive rates at `MARKS`, as text."""
    return " | ".join(f"{true_rate(line, rate):.2f}" for rate in MARKS)


def _panel(axes: Axes, kind: Kind, points: pd.DataFrame, classes: Sequence[str]) -> None:
    axes.grid()
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")
    if kind == "roc":
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    _lines(axes, points, classes, kind == "roc")
    good = len(points) > 0 and points["area"].min() > 0.9
    if good:
        # Curves of a good model hug the corner; the inset enlarges it five times.
        span = (-0.004, 0.2) if kind == "roc" else (0.8, 1.004)
        inset = axes.inset_axes(
            (0.46, 0.46, 0.46, 0.46) if kind == "roc" else (0.08, 0.46, 0.46, 0.46), xlim=span, ylim=(0.8, 1.004)
        )
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
        _lines(inset, points, classes, kind == "roc")
    name = "AUC" if kind == "roc" else "AP"
    areas = points.drop_duplicates("class").set_index("class")["area"]
    rates = {str(label): f"TPR {true_rates(line)}" for label, line in points.groupby("class")} if kind == "roc" else {}
    means = [f"{label.split()[0]} {areas[label]:.3f}" for label in AVERAGES if label in areas]
    lines = [(f"{name} {', '.join(means)}", INK)] if means else []
    lines += [(f"macro {rates[MACRO]}", INK)] if MACRO in rates else []
    if len(classes) <= 5:
        for index, label in reversed(list(enumerate(classes))):
            if label in areas:
                said = [f"{name} {areas[label]:.3f}", *([rates[label]] if rates else [])]
                lines.append((", ".join(said), class_colour(index)))
    for row, (text, colour) in enumerate(lines):
        x = 0.97 if kind == "roc" else 0.04
        axes.text(
            x, 0.03 + SPACING * row, text, color=colour, fontsize=7, transform=axes.transAxes,
            ha="right" if kind == "roc" else "left",
            bbox={"facecolor": "white", "alpha": 0.6, "pad": 0.6, "linewidth": 0},
        )  # fmt: skip


def _lines(axes: Axes, points: pd.DataFrame, classes: Sequence[str], marks: bool) -> None:
    for label, line in points.groupby("class", sort=False):
        average = str(label) in AVERAGES
        colour = INK if average else class_colour(list(classes).index(str(label)))
        if not average:
            axes.fill_between(line["x"], line["low"], line["high"], color=colour, alpha=0.11, linewidth=0)
        dashes, width = (AVERAGES[str(label)], 1.1) if average else ("solid", 1.4)
        axes.plot(line["x"], line["y"], color=colour, linewidth=width, linestyle=dashes, zorder=3 if average else 2)
        if marks and label != MICRO:
            marked(axes, line, colour)


def draw_roc(inputs: Inputs) -> Drawn:
    """ROC curves of a panel on test images, from its `curves`."""
    return curves("roc", inputs.test("curves"), task_of(inputs).classes)


def draw_pr(inputs: Inputs) -> Drawn:
    """Precision-recall curves of a panel on test images, from its `curves`."""
    return curves("pr", inputs.test("curves"), task_of(inputs).classes)
