"""How many features it takes: accuracy against their number."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.families import families
from leukoflow.config.models import Model
from leukoflow.config.protocols import in_order
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import Drawn, empty, legend_columns, line_style, panels, protocol_style, wrap

BASELINE_STYLE = (0, (3, 2))


def feature_count_chart(board: pd.DataFrame, models: Mapping[str, Model]) -> tuple[Figure, pd.DataFrame]:
    """A panel for each family of models, a line for each protocol with its interval, the colour baseline broken.

    `board` holds the leaderboard's rows of one cohort, task and view. The table returned has family, protocol, k,
    model, accuracy, low, high.
    """
    known = families(models)
    rows: list[dict[str, Any]] = []
    for row in board.to_dict("records"):
        if row["model"] in known:
            family, count = known[row["model"]]
            keep = {name: row[name] for name in ("protocol", "model", "accuracy", "low", "high")}
            rows.append({"family": family, "k": count} | keep)
    columns = ["family", "protocol", "k", "model", "accuracy", "low", "high"]
    table = pd.DataFrame(rows, columns=columns).sort_values(["family", "protocol", "k"], ignore_index=True)
    if table.empty:
        return empty("No model was run with several numbers of features."), table
    names = sorted(table["family"].unique())
    baseline = board[board["model"].map(is_baseline).astype(bool)].set_index("protocol")["accuracy"]
    figure, grid = panels(len(names), 3, 3.6 if len(names) > 1 else 5.4, 2.9)
    least = float(np.nanmin([*table["low"], *table["accuracy"], *baseline]))
    for axes, name in zip(grid, names, strict=True):
        _panel(axes, table[table["family"] == name], baseline)
        axes.set(title=wrap(name, 30), ylim=(max(0.0, np.floor(20 * least) / 20 - 0.02), 1.01))
        axes.yaxis.set_major_formatter("{x:.0%}")
    figure.supxlabel("Number of features k", fontsize=9)
    figure.supylabel("Accuracy", fontsize=9)
    used = in_order(table["protocol"])
    handles = [Line2D([], [], **line_style(protocol), markersize=4.5, label=f"{protocol} split") for protocol in used]
    if len(baseline):
        handles.append(Line2D([], [], color="#5B6472", linestyle=BASELINE_STYLE, linewidth=1, label="colour baseline"))
    figure.legend(handles=handles, loc="outside upper center", ncols=legend_columns(handles, figure, 6))
    return figure, table


def _panel(axes: Axes, part: pd.DataFrame, baseline: pd.Series) -> None:
    for protocol, line in part.groupby("protocol", sort=False):
        colour, marker = protocol_style(str(protocol))
        axes.plot(line["k"], line["accuracy"], color=colour, marker=marker, markersize=4.5)
        axes.fill_between(line["k"], line["low"], line["high"], color=colour, alpha=0.14, linewidth=0)
        if protocol in baseline:
            axes.axhline(baseline[protocol], color=colour, linestyle=BASELINE_STYLE, linewidth=1)
    counts = sorted(part["k"].unique())
    axes.set_xscale("log")
    axes.set_xticks(counts, [f"{count:,}" for count in counts])
    axes.minorticks_off()
    axes.grid(axis="y")


def draw_feature_count(inputs: Inputs) -> Drawn:
    """Accuracy against the number of features, from the table `leaderboard`; setting `models` holds those with some."""
    models = {name: Model.model_validate(model) for name, model in inputs.settings["models"].items()}
    return feature_count_chart(inputs.rows("leaderboard"), models)
