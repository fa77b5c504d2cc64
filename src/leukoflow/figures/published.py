"""Values with intervals next to what a paper prints: models by metric, and classes by model."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.protocols import in_order
from leukoflow.figures.comparison import PUBLISHED
from leukoflow.figures.style import RULE, empty, legend_columns, line_style, protocol_style, wrap

METRICS = {"accuracy": "Accuracy", "macro_f1": "Macro F1", "macro_auc": "Macro AUC", "mcc": "MCC"}
TIME = "Training, minutes"
COLUMNS = ["panel", "row", "protocol", "value", "low", "high", "published"]
PER_ROW = 4


def metric_points(
    leaderboard: pd.DataFrame, models: Sequence[str], published: Mapping[tuple[str, str], float]
) -> pd.DataFrame:
    """`COLUMNS` with a panel for each metric and a row for each model, from rows of the leaderboard on one view.

    `published` holds printed values by model and metric.
    """
    rows = []
    for row in leaderboard[leaderboard["model"].isin(models)].to_dict("records"):
        for name, title in METRICS.items():
            low, high = row[f"{name}_group_low"], row[f"{name}_group_high"]
            if name == "accuracy":
                low, high = row["low"], row["high"]
            elif np.isnan(low):
                low, high = row[f"{name}_low"], row[f"{name}_high"]
            known = published.get((row["model"], name), np.nan)
            rows.append((title, row["model"], row["protocol"], row[name], low, high, known))
    return _ordered(pd.DataFrame(rows, columns=COLUMNS), list(METRICS.values()), models)


def time_points(minutes: Mapping[tuple[str, str], float], models: Sequence[str]) -> pd.DataFrame:
    """`COLUMNS` with one panel, the minutes that training took by model and protocol, without limits."""
    rows = [(TIME, model, protocol, value, np.nan, np.nan, np.nan) for (model, protocol), value in minutes.items()]
    return _ordered(pd.DataFrame(rows, columns=COLUMNS), [TIME], models)


def class_points(
    scores: pd.DataFrame, models: Sequence[str], published: Mapping[tuple[str, str], float]
) -> pd.DataFrame:
    """`COLUMNS` with a panel for each model and a row for each class: F1, from scores of runs on one view.

    Values and limits are means over runs; limits over groups where they leave a width, else over images. `published`
    holds F1 by model and class.
    """
    shown = scores[(scores["metric"] == "f1") & (scores["class"] != "") & scores["model"].isin(models)]
    shown = shown[(shown["role"] == "test") & (shown["subset"] == "all")]
    rows = []
    for (model, label, protocol), part in shown.groupby(["model", "class", "protocol"], sort=False):
        limits = (np.nan, np.nan)
        for kind in ("images", "groups"):
            intervals = part[part["resampling"] == kind]
            low, high = intervals["low"].mean(), intervals["high"].mean()
            limits = (low, high) if low < high else limits
        known = published.get((str(model), str(label)), np.nan)
        rows.append((model, label, protocol, part["value"].mean(), *limits, known))
    table = pd.DataFrame(rows, columns=COLUMNS)
    return _ordered(table, models, list(dict.fromkeys(shown["class"])))


def _ordered(table: pd.DataFrame, panels: Sequence[str], rows: Sequence[str]) -> pd.DataFrame:
    keys = table.assign(_panel=table["panel"].map(list(panels).index), _row=table["row"].map(list(rows).index))
    return keys.sort_values(["_panel", "_row"], kind="stable")[COLUMNS].reset_index(drop=True)


def points_chart(table: pd.DataFrame, one_scale: bool = False) -> tuple[Figure, pd.DataFrame]:
    """A panel for each `panel`, a line for each `row`; protocols next to each other, hollow what is published.

    With `one_scale` all panels have the same axis.
    """
    if table.empty:
        return empty("No run has these numbers."), table
    names, rows = list(dict.fromkeys(table["panel"])), list(dict.fromkeys(table["row"]))
    used = in_order(table["protocol"])
    bands = -(-len(names) // PER_ROW)
    height = 0.75 + len(rows) * (0.2 + 0.13 * len(used))
    figure = Figure(figsize=(2.4 * min(len(names), PER_ROW) + 1.6, bands * height + 0.5), layout="constrained")
    grid = figure.subplots(bands, min(len(names), PER_ROW), squeeze=False, sharey=True, sharex=one_scale).ravel()
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid, names, strict=False):
        part = table[table["panel"] == name]
        _panel(axes, part, rows, used, float((table if one_scale else part)[["value", "low", "published"]].min().min()))
        axes.set_title(wrap(name, 24))
    handles = [Line2D([], [], **line_style(name), label=f"{name} split") for name in used]
    if table["published"].notna().any():
        handles.append(Line2D([], [], linestyle="none", label="as published", **PUBLISHED))
    figure.legend(handles=handles, loc="outside upper right", ncols=legend_columns(handles, figure, 6))
    return figure, table


def _panel(axes: Axes, part: pd.DataFrame, rows: Sequence[str], used: Sequence[str], least: float) -> None:
    step = 0.62 / max(len(used), 1)
    for row in part.to_dict("records"):
        middle = rows.index(row["row"])
        y = middle + (used.index(row["protocol"]) - (len(used) - 1) / 2) * step
        colour, marker = protocol_style(row["protocol"])
        axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=2, solid_capstyle="round")
        axes.plot(row["value"], y, marker, color=colour, markersize=5.5, markeredgecolor="white", markeredgewidth=0.6)
        axes.plot(row["published"], middle, zorder=3, **PUBLISHED)
    most = 1.02 if part["panel"].iloc[0] != TIME else 1.08 * float(part["value"].max())
    least = least if most == 1.02 else 0.0
    axes.set_xlim(least - 0.06 * (most - least), most)
    axes.set_yticks(range(len(rows)), [wrap(name, 26) for name in rows])
    axes.set_ylim(len(rows) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.locator_params(axis="x", nbins=4)
    axes.grid(axis="x")
    for edge in range(1, len(rows)):
        axes.axhline(edge - 0.5, color=RULE, linewidth=0.5)
