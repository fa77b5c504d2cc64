"""Learning curves: accuracy and loss by epoch, a column for each model."""

from collections.abc import Mapping
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.protocols import in_order
from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run
from leukoflow.figures.style import INK, Drawn, empty, protocol_style, wrap

COLUMNS = 5
ROLES: dict[str, Literal["--", "-"]] = {"train": "--", "validation": "-"}


def learning_curves(histories: Mapping[Run, pd.DataFrame]) -> tuple[Figure, pd.DataFrame]:
    """Mean over folds and seeds, a line for each protocol; training broken, validation solid with its range shaded.

    `histories` has columns epoch, {train,validation}_{accuracy,loss}. Models without epochs (the colour baseline) have
    no panel.
    """
    table = _long(histories)
    models = sorted(table["model"].unique())
    if not models:
        return empty("No model here was trained in epochs."), table
    columns = min(COLUMNS, len(models))
    bands = -(-len(models) // columns)
    figure = Figure(figsize=(max(columns * 2.5, 4.6), bands * 3.8 + 0.35), layout="constrained")
    grid = figure.subplots(2 * bands, columns, squeeze=False, sharex=False)
    for axes in grid.ravel():
        axes.set_visible(False)
    top = float(table.loc[table["figure"] == "loss", "mean"].quantile(0.99)) * 1.08
    for number, model in enumerate(models):
        band, column = divmod(number, columns)
        upper, lower = grid[2 * band, column], grid[2 * band + 1, column]
        part = table[table["model"] == model]
        _panel(upper, part[part["figure"] == "accuracy"])
        _panel(lower, part[part["figure"] == "loss"])
        upper.set(ylim=(0, 1.02), title=wrap(model, 24))
        lower.set(ylim=(0, top), xlabel="Epoch")
        if column == 0:
            upper.set_ylabel("Accuracy")
            lower.set_ylabel("Loss")
    used = in_order(table["protocol"])
    handles = [Line2D([], [], color=protocol_style(name)[0], label=f"{name} split") for name in used]
    handles += [Line2D([], [], color=INK, linestyle=style, label=role) for role, style in ROLES.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 2 * columns))
    return figure, table


def _long(histories: Mapping[Run, pd.DataFrame]) -> pd.DataFrame:
    columns = ["model", "protocol", "figure", "role", "epoch", "mean", "low", "high", "runs"]
    parts = []
    for run, history in histories.items():
        for figure in ("accuracy", "loss"):
            for role in ROLES:
                values = history[["epoch", f"{role}_{figure}"]].set_axis(["epoch", "value"], axis=1).dropna()
                parts.append(values.assign(model=run.model, protocol=run.protocol, figure=figure, role=role))
    # One point is no curve: a model that is fitted at once has nothing to show.
    parts = [part for part in parts if len(part) > 1]
    if not parts:
        return pd.DataFrame(columns=columns)
    grouped = pd.concat(parts).groupby(["model", "protocol", "figure", "role", "epoch"])["value"]
    return grouped.agg(mean="mean", low="min", high="max", runs="size").reset_index()[columns]


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    axes.set_visible(True)
    axes.grid(axis="y")
    for (protocol, role), line in part.groupby(["protocol", "role"]):
        colour, style = protocol_style(str(protocol))[0], ROLES[str(role)]
        axes.plot(line["epoch"] + 1, line["mean"], color=colour, linestyle=style, linewidth=1.4)
        if role == "validation" and (line["runs"] > 1).any():
            axes.fill_between(line["epoch"] + 1, line["low"], line["high"], color=colour, alpha=0.15, linewidth=0)
    last = int(part["epoch"].max()) + 1
    axes.set_xlim(1, max(last, 2))
    axes.set_xticks(np.unique(np.linspace(1, max(last, 2), 4).round().astype(int)))


def draw_learning(inputs: Inputs) -> Drawn:
    """Learning curves of a panel, from the `histories` of its runs."""
    return learning_curves({run: read_table(path) for run, path in inputs.by_run("histories").items()})
