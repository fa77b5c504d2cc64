"""Accuracy against what it costs, and images a second by batch size."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke

from leukoflow.config.protocols import in_order
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, MUTED, PALETTE, Drawn, empty

COSTS = {
    "latency_p50_ms": ("Latency of one image, one thread (ms)", "latency_ms", 1.0),
    "megabytes": ("File of weights (MB)", "bytes", 1e-6),
    "energy_uj": ("Energy of the arithmetic, one image (µJ)", "", 1.0),
}
"""Columns of cost: axis title, name among published figures, and factor of that."""
COLUMNS = ["cohort", "task", "view", "protocol", "model", "number", "accuracy", "low", "high", "interval", *COSTS]
_HALO = [withStroke(linewidth=2.2, foreground="white")]


def strictest(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of the strictest protocol that there is."""
    return table[table["protocol"].isin(in_order(table["protocol"])[-1:])]


def front(costs: Sequence[float], accuracies: Sequence[float]) -> list[int]:
    """Places of the points that no other beats or equals in both without being the same, by rising cost.

    A point without a cost is never on the front.
    """
    order = sorted(
        (point for point, cost in enumerate(costs) if np.isfinite(cost)),
        key=lambda point: (costs[point], -accuracies[point]),
    )
    best: list[int] = []
    for point in order:
        if not best or accuracies[point] > accuracies[best[-1]]:
            best.append(point)
    return best


def pareto(
    leaderboard: pd.DataFrame, efficiency: pd.DataFrame, published: Mapping[str, Mapping[str, float]]
) -> tuple[Figure, pd.DataFrame]:
    """A panel for each cost of `COSTS`: models of one cohort, task and view, accuracy with its interval against cost.

    Both tables hold that cohort, task and view; shown is the strictest protocol. Numbers name the models, by falling
    accuracy. Published figures are hollow, and on no front.
    """
    keys = ["cohort", "task", "view", "protocol", "model"]
    costs = efficiency.assign(megabytes=efficiency["bytes"].astype(float) / 1e6)[[*keys, *COSTS]]
    table = strictest(leaderboard).merge(costs, on=keys).sort_values("accuracy", ascending=False, kind="stable")
    table = table.assign(number=range(1, len(table) + 1)).reindex(columns=COLUMNS)
    if table.empty:
        return empty("No model was measured."), table
    height = max(4.0, 1.1 + 0.19 * (len(table) + 1))
    figure = Figure(figsize=(12.5, height), layout="constrained")
    grid = figure.subplots(1, 3, sharey=True)
    for axes, (name, (title, key, factor)) in zip(grid, COSTS.items(), strict=True):
        _panel(axes, table, name)
        axes.set_xlabel(title)
        for model, number in zip(table["model"], table["number"], strict=True):
            figures = published.get(model, {})
            if key in figures and "accuracy" in figures:
                _published(axes, factor * figures[key], figures["accuracy"], number)
        if table[name].notna().any():
            axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter("")
    grid[0].set_ylabel("Accuracy on test images")
    grid[0].yaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    first = table.iloc[0]
    grid[0].set_title(f"{first['cohort']}, {first['task']}, {first['view']} view, {first['protocol']} split")
    _legend(figure, table, published)
    return figure, table


def _panel(axes: Axes, table: pd.DataFrame, name: str) -> None:
    table = table[table[name].notna()].reset_index(drop=True)
    best = front(table[name].tolist(), table["accuracy"].tolist())
    axes.step(
        table.loc[best, name], table.loc[best, "accuracy"], where="post", color=MUTED, linewidth=1, linestyle="--"
    )
    for index, row in table.iterrows():
        colour = PALETTE[1] if is_baseline(row["model"]) else PALETTE[0]
        shade = colour if index in best else "white"
        axes.plot([row[name]] * 2, [row["low"], row["high"]], color=colour, linewidth=1, alpha=0.45, zorder=2)
        axes.plot(row[name], row["accuracy"], "o", markersize=11, color=shade, markeredgecolor=colour, zorder=3)
        axes.annotate(
            str(row["number"]), (row[name], row["accuracy"]), ha="center", va="center", fontsize=7, zorder=4,
            color="white" if index in best else INK,
        )  # fmt: skip
    axes.grid(True)


def _published(axes: Axes, cost: float, accuracy: float, number: int) -> None:
    axes.plot(cost, accuracy, "D", markersize=8, markerfacecolor="none", color=INK, markeredgewidth=1.2, zorder=3)
    axes.annotate(
        str(number), (cost, accuracy), xytext=(7, 4), textcoords="offset points", fontsize=7, path_effects=_HALO
    )


def _legend(figure: Figure, table: pd.DataFrame, published: Mapping[str, Any]) -> None:
    handles = [
        Line2D([], [], linestyle="none", label=f"{number}  {model}")
        for number, model in zip(table["number"], table["model"], strict=True)
    ]
    handles.append(Line2D([], [], color=MUTED, linewidth=1, linestyle="--", label="best at its cost (filled)"))
    if any({"latency_ms", "bytes"} & set(published.get(model, {})) for model in table["model"]):
        style: dict[str, Any] = {"marker": "D", "linestyle": "none", "markerfacecolor": "none", "color": INK}
        handles.append(Line2D([], [], label="as published", **style))
    figure.legend(handles=handles, loc="outside right center", handlelength=1.4, fontsize=8)


def throughput(speed: pd.DataFrame, published: Mapping[str, Mapping[str, float]]) -> tuple[Figure, pd.DataFrame]:
    """Latency of one image (middle half and 5 to 95 % of the passes) and images a second by batch size.

    `speed` holds one task and view; devices are drawn next to each other. A hollow diamond is the latency as published.
    """
    devices = list(dict.fromkeys(speed["device"]))
    if not devices:
        return empty("No model was measured."), speed
    models = speed[speed["batch"] == 1].groupby("model")["p50_ms"].min().sort_values().index.tolist()
    height = max(3.2, 0.9 + 0.24 * len(models))
    figure = Figure(figsize=(11.5, height * len(devices)), layout="constrained")
    for (left, right), device in zip(figure.subplots(len(devices), 2, squeeze=False), devices, strict=True):
        rows = speed[speed["device"] == device]
        key = "latency_ms" if device == "cpu" else "gpu_latency_ms"
        _boxes(left, rows[rows["batch"] == 1].set_index("model"), models, published, key)
        threads = f", {rows['threads'].iloc[0]:g} thread" if device == "cpu" else ""
        left.set_title(f"{device}{threads}")
        for number, model in enumerate(models):
            line = rows[rows["model"] == model].sort_values("batch")
            right.plot(line["batch"], line["images_per_second"], **_line(number), label=model)
        right.set_xscale("log", base=2)
        right.set_yscale("log")
        right.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        right.yaxis.set_minor_formatter("")
        right.xaxis.set_minor_formatter("")
        right.set_xticks(sorted(set(rows["batch"])), [f"{batch:g}" for batch in sorted(set(rows["batch"]))])
        right.set_xlabel("Images in a batch")
        right.set_ylabel("Images a second")
        right.grid(True)
    figure.legend(*right.get_legend_handles_labels(), loc="outside right center", fontsize=7.5)
    return figure, speed


def _line(number: int) -> dict[str, Any]:
    """A colour, and from the ninth line on another marker and stroke."""
    again = number // len(PALETTE)
    return {
        "color": PALETTE[number % len(PALETTE)],
        "marker": "os^D"[again % 4],
        "linestyle": ("-", "--", ":", "-.")[again % 4],
        "markersize": 4,
        "linewidth": 1.2,
    }


def _boxes(
    axes: Axes, rows: pd.DataFrame, models: Sequence[str], published: Mapping[str, Mapping[str, float]], key: str
) -> None:
    for y, model in enumerate(models):
        if model in rows.index:
            row = rows.loc[model]
            axes.plot([row["p5_ms"], row["p95_ms"]], [y, y], color=PALETTE[0], linewidth=1)
            axes.plot([row["p25_ms"], row["p75_ms"]], [y, y], color=PALETTE[0], linewidth=5, alpha=0.45)
            axes.plot(row["p50_ms"], y, "|", color=INK, markersize=10)
        if key in published.get(model, {}):
            axes.plot(published[model][key], y, "D", color=INK, markerfacecolor="none", markersize=6.5)
    axes.set_yticks(range(len(models)), models)
    axes.set_ylim(len(models) - 0.45, -0.55)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("Latency of one image (ms): median, half and 90 % of the passes")
    axes.grid(axis="x")


def draw_pareto(inputs: Inputs) -> Drawn:
    """Accuracy against cost, from `leaderboard` and `efficiency`; setting `published` holds what papers print."""
    return pareto(inputs.rows("leaderboard"), inputs.rows("efficiency"), inputs.settings["published"])


def draw_throughput(inputs: Inputs) -> Drawn:
    """Latency and images a second, from the table `speed`, which is of no cohort."""
    return throughput(inputs.rows("speed", ("task", "view")), inputs.settings["published"])
