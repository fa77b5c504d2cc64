"""What leaks are worth: accuracy by split, the difference to images divided at random, copies apart from the rest."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.protocols import in_order
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, MUTED, RULE, Drawn, empty, legend_columns, line_style, protocol_style

LOOSE = "image"
COPIES, REST = "#D55E00", "#0072B2"


def leakage_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A row for each model, the colour baseline on top; whiskers are the intervals of the table.

    `table` holds the leakage of one cohort, task and view. Left, accuracy under each protocol; in the middle, if
    `image` is among them, each protocol less `image`; right, if there are copies, test images of split `image` that
    have a copy among the images trained on, and the others.
    """
    rows = table[table["target"] == table["cohort"]]
    every = rows[rows["part"] == "all"]
    used = in_order(every["protocol"])
    if len(used) < 2:
        return empty("Only one split was made: there is nothing to compare."), rows
    apart = rows[(rows["part"] != "all") & (rows["protocol"] == LOOSE)]
    models = _order(every, used)
    columns = 1 + (LOOSE in used) + (len(apart) > 0)
    height = 1.25 + len(models) * (0.2 + 0.11 * len(used))
    figure = Figure(figsize=(3.0 * columns + 1.2, height), layout="constrained")
    axes = figure.subplots(1, columns, sharey=True, squeeze=False)[0]
    for number, protocol in enumerate(used):
        shift = (number - (len(used) - 1) / 2) * 0.72 / max(len(used), 2)
        colour, marker = protocol_style(protocol)
        part = every[every["protocol"] == protocol]
        _points(axes[0], part, models, shift, colour, marker, ("accuracy", "low", "high"))
        names = ("difference", "difference_low", "difference_high")
        if LOOSE in used:
            _points(axes[1], part.dropna(subset=["difference"]), models, shift, colour, marker, names)
    for name, colour, marker, shift in (("copies", COPIES, "s", -0.15), ("rest", REST, "o", 0.15)):
        if len(apart):
            part = apart[apart["part"] == name]
            _points(axes[2], part, models, shift, colour, marker, ("accuracy", "low", "high"))
    _frame(axes, models, apart)
    handles = [Line2D([], [], **line_style(name), label=f"{name} split") for name in used]
    if len(apart):
        handles.append(Line2D([], [], color=COPIES, marker="s", linestyle="none", label="copy was trained on"))
        handles.append(Line2D([], [], color=REST, marker="o", linestyle="none", label="no copy"))
    figure.legend(handles=handles, loc="outside upper right", ncols=legend_columns(handles, figure, 6))
    return figure, rows


def _order(every: pd.DataFrame, used: list[str]) -> list[str]:
    """The baseline, then models by falling accuracy under the strictest protocol."""
    strict = every[every["protocol"] == used[-1]].set_index("model")["accuracy"]
    return sorted(set(every["model"]), key=lambda name: (not is_baseline(name), -strict.get(name, 0.0), name))


def _points(
    axes: Axes, part: pd.DataFrame, models: list[str], shift: float, colour: str, marker: str, names: tuple[str, ...]
) -> None:
    for row in part.to_dict("records"):
        y = models.index(row["model"]) + shift
        value, low, high = (100 * row[name] for name in names)
        axes.plot([low, high], [y, y], color=colour, linewidth=1.8, solid_capstyle="round")
        axes.plot(value, y, marker, color=colour, markersize=5, markeredgecolor="white", markeredgewidth=0.5)


def _frame(axes: np.ndarray, models: list[str], apart: pd.DataFrame) -> None:
    titles = ["Accuracy, %", "Less than split image, points"][: len(axes)]
    if len(apart):
        images = [int(apart.loc[apart["part"] == name, "images"].max()) for name in ("copies", "rest")]
        titles.append(f"Split image: {images[0]} copies, {images[1]} others, %")
    for panel, title in zip(axes, titles, strict=True):
        panel.set_title(title)
        panel.grid(axis="x")
        panel.tick_params(axis="y", length=0)
        for edge in range(1, len(models)):
            panel.axhline(edge - 0.5, color=RULE, linewidth=0.5)
    axes[0].set_yticks(range(len(models)), models)
    axes[0].set_ylim(len(models) - 0.5, -0.5)
    if len(axes) > 1:
        axes[1].axvline(0, color=MUTED, linewidth=1, zorder=1)
        axes[1].xaxis.set_major_formatter(
            lambda value, _: f"{value:+g}".replace("-", "\N{MINUS SIGN}") if value else "0"
        )
    for panel in axes[[0, *range(2, len(axes))]]:
        panel.set_xlim(right=101.5)
        panel.axvline(100, color=INK, linewidth=0.4, zorder=0)


def draw_leakage(inputs: Inputs) -> Drawn:
    """What leaks are worth on one view, from the table `leakage` of a cohort and task."""
    return leakage_chart(inputs.rows("leakage", ("view",)))
