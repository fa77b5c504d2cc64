"""Confusion matrices, a panel for each model, the colour baseline first."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, SHADES, Drawn, panels, wrap

MOST_LABELLED = 10


def confusion_matrices(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Rows are true classes; shade and percentage are shares of the row, the number below is the count.

    `table` holds confusion counts (cohort, model, target, role, subset, true, predicted, count) of runs on one cohort,
    view and protocol; the test role is shown, summed over folds and seeds.
    """
    tested = table[(table["target"] == table["cohort"]) & (table["role"] == "test") & (table["subset"] == "all")]
    classes = list(dict.fromkeys(tested["true"]))
    pooled = tested.groupby(["model", "true", "predicted"], sort=False)["count"].sum().reset_index()
    models = sorted(pooled["model"].unique(), key=lambda name: (not is_baseline(name), name))
    side = min(4.2, 1.35 + 0.42 * len(classes))
    figure, grid = panels(len(models), 4 if len(classes) <= 5 else 3, side + 0.35, side + 0.35)
    for axes, model in zip(grid, models, strict=True):
        part = pooled[pooled["model"] == model].pivot(index="true", columns="predicted", values="count")
        _panel(axes, part.loc[classes, classes].to_numpy(), classes)
        axes.set_title(wrap(model, 24))
    for axes in grid:
        axes.label_outer()
    figure.supxlabel("Predicted class", fontsize=9)
    figure.supylabel("True class", fontsize=9)
    return figure, pooled


def _panel(axes: Axes, counts: np.ndarray, classes: list[str]) -> None:
    size = len(classes)
    totals = counts.sum(1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros(counts.shape), where=totals > 0)
    edges = np.arange(size + 1)
    axes.pcolormesh(edges, edges, shares, cmap=SHADES, vmin=0, vmax=1, edgecolors="white", linewidth=1)
    axes.set(xlim=(0, size), ylim=(size, 0), aspect="equal")
    axes.spines[:].set_visible(False)
    axes.tick_params(length=0)
    turn = 0 if size <= 5 and max(map(len, classes)) <= 7 else 90
    axes.set_xticks(np.arange(size) + 0.5, [wrap(name, 14) for name in classes], rotation=turn)
    axes.set_yticks(np.arange(size) + 0.5, [wrap(name, 14) for name in classes])
    if size > MOST_LABELLED:
        return
    for row, column in np.ndindex(size, size):
        if counts[row, column]:
            colour = "white" if shares[row, column] > 0.55 else INK
            axes.text(
                column + 0.5, row + 0.5, f"{shares[row, column]:.0%}\n{counts[row, column]:,}",
                ha="center", va="center", color=colour, fontsize=7.2 if size <= 5 else 5.6, linespacing=1.15,
            )  # fmt: skip


def draw_confusion(inputs: Inputs) -> Drawn:
    """Confusion matrices of a panel, from its counts, `confusion`."""
    return confusion_matrices(inputs.table("confusion"))
