"""How well white cells were found: overlap with experts' masks by source, and single cells."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import MUTED, RULE, Drawn, empty, wrap

PARTS = ("nucleus", "cell")
# Colours of networks, the one that finds the cells first, and of thresholds.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9")
THRESHOLDS = "#E69F00"
Kind = tuple[str, str, bool]
"""Segmenter, the network's options, whether its training knew the source."""
Style = tuple[str, str, str, bool]
"""Name, colour, marker, whether it is filled."""


def segmentation_chart(scores: pd.DataFrame, instances: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Dice of nucleus and cell with intervals, and average precision of single cells where sources tell them apart.

    `scores` and `instances` are the study's tables segmentation and instances. Only experts' masks count here. The
    table returned has source, segmenter, network, within, panel, value, low, high, images.
    """
    table = chart_table(scores, instances)
    if table.empty:
        return empty("No source has an expert's masks of images that were held out."), table
    sources = list(dict.fromkeys(table["source"]))
    panels = list(dict.fromkeys(table["panel"]))
    used = kinds_of(table)
    height = len(sources) * (0.2 + 0.16 * len(used)) + 1.05
    figure = Figure(figsize=(1.3 + 2.9 * len(panels), max(height, 1.9)), layout="constrained")
    grid = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    least = float(np.nanmin(table[["value", "low"]].to_numpy()))
    for axes, panel in zip(grid, panels, strict=True):
        _panel(axes, table[table["panel"] == panel], sources, used)
        without = sorted(
            set(range(len(sources))) - set(map(sources.index, table.loc[table["panel"] == panel, "source"]))
        )
        for index in without:
            axes.text(0.03, index, "no such mask", va="center", fontsize=7.5, color=MUTED,
                      transform=axes.get_yaxis_transform())  # fmt: skip
        axes.set(title=panel, xlim=(max(0.0, np.floor(10 * (least - 0.03)) / 10), 1.005))
    handles = [
        Line2D([], [], color=colour, marker=marker, markerfacecolor=colour if filled else "white", linestyle="none",
               markersize=5.5, label=name)
        for name, colour, marker, filled in used.values()
    ]  # fmt: skip
    longest = max((len(name) for name, *_ in used.values()), default=1)
    fitting = max(1, int(figure.get_figwidth() / (0.6 + 0.085 * longest)))  # inches of a mark and of its letters
    most = min(fitting, 2 if len(panels) == 1 else 4)
    figure.legend(handles=handles, loc="outside lower center", ncols=max(1, min(len(handles), most)))
    return figure, table


def chart_table(scores: pd.DataFrame, instances: pd.DataFrame) -> pd.DataFrame:
    """What the chart shows: source, segmenter, network, within, panel, value, low, high, images."""
    scores, instances = (table.fillna({"network": ""}) for table in (scores, instances))
    dice = scores[(scores["kind"] == "expert") & (scores["metric"] == "dice")].dropna(subset=["value"])
    keep = ["source", "segmenter", "network", "within", "panel", "value", "low", "high", "images"]
    parts = [dice[dice["part"] == part].assign(panel=f"{part.capitalize()}, Dice")[keep] for part in PARTS]
    within = scores.drop_duplicates(["segmenter", "network", "trained_on", "source"])
    known = instances.merge(within[["segmenter", "network", "trained_on", "source", "within", "kind"]], how="left")
    known = (
        known[known["kind"] == "expert"]
        .dropna(subset=["ap50"])
        .assign(panel="Single cells, AP at IoU 0.5", low=np.nan, high=np.nan)
    )
    parts.append(known.rename(columns={"ap50": "value"})[keep])
    # An empty part has no types to speak for.
    filled = [part.astype({"within": bool}) for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=keep)


def kinds_of(table: pd.DataFrame) -> dict[Kind, Style]:
    """How each kind of a chart's table is drawn, from the top of a row down.

    Networks are named by their options if there are several.
    """
    present = set(zip(table["segmenter"], table["network"], table["within"], strict=True))
    networks = list(dict.fromkeys(table.loc[table["segmenter"] == "unet", "network"]))
    kinds: dict[Kind, Style] = {}
    for segmenter, network in [*(("unet", name) for name in networks), ("threshold", "")]:
        name = "thresholds" if segmenter == "threshold" else f"U-Net, {network}" if len(networks) > 1 else "U-Net"
        colour = COLOURS[networks.index(network) % len(COLOURS)] if segmenter == "unet" else THRESHOLDS
        for within in (True, False):
            if (segmenter, network, within) in present:
                title = name if within else f"{name}, source left out"
                kinds[segmenter, network, within] = (title, colour, "o" if segmenter == "unet" else "s", within)
    return kinds


def _panel(axes: Axes, part: pd.DataFrame, sources: list[str], used: dict[Kind, Style]) -> None:
    step = 0.72 / max(len(used), 1)
    for _, row in part.iterrows():
        key = (row["segmenter"], row["network"], bool(row["within"]))
        _, colour, marker, filled = used[key]
        height = sources.index(row["source"]) + (list(used).index(key) - (len(used) - 1) / 2) * step
        if not np.isnan(row["low"]):
            axes.plot([row["low"], row["high"]], [height, height], color=colour, linewidth=1.6, solid_capstyle="round")
        axes.plot(
            row["value"], height, marker, color=colour, markerfacecolor=colour if filled else "white", markersize=5.5,
            markeredgewidth=1.1, clip_on=False, zorder=3,
        )  # fmt: skip
    axes.set_yticks(range(len(sources)), [wrap(name, 16) for name in sources])
    axes.set_ylim(len(sources) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    for edge in range(1, len(sources)):
        axes.axhline(edge - 0.5, color=RULE, linewidth=0.5)


def draw_segmentation(inputs: Inputs) -> Drawn:
    """Overlap with experts' masks, from the tables `segmentation` and `instances`."""
    return segmentation_chart(inputs.table("segmentation"), inputs.table("instances"))
