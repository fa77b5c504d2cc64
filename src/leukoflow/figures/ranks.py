"""Critical-difference figures: mean ranks of models, and which of them their differences cannot tell apart."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, MUTED, PALETTE, RULE, Drawn, empty

BLOCK = ["view", "protocol"]


def critical_difference_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each view and protocol of an experiment, the best mean rank on top.

    `table` holds the mean ranks of one experiment. Upright bars join models whose mean ranks differ by less than
    Nemenyi's critical difference (after Demsar 2006, figure 1); with too few blocks for any difference there are none,
    and the panel says so.
    """
    if table.empty:
        return empty("Ranks need three models and two blocks."), table
    blocks = list(table.groupby(BLOCK, sort=False))
    heights = [0.9 + 0.24 * len(part) for _, part in blocks]
    figure = Figure(figsize=(7.6, sum(heights) + 0.4), layout="constrained")
    grid = figure.subplots(len(blocks), 1, squeeze=False, height_ratios=heights).ravel()
    for axes, ((view, protocol), part) in zip(grid, blocks, strict=True):
        _panel(axes, part.sort_values("mean_rank", kind="stable"))
        where = "all views and splits as blocks" if view == "all" else f"{view} view, {protocol} split"
        axes.set_title(f"{where}: {int(part['blocks'].iloc[0])} blocks")
    grid[-1].set_xlabel("Mean rank by accuracy (1 is best)")
    return figure, table


def cliques(ranks: list[float], apart: float) -> list[tuple[int, int]]:
    """First and last place of the longest stretches of sorted ranks that span less than the critical difference."""
    stretches: list[tuple[int, int]] = []
    for first in range(len(ranks)):
        last = max(index for index in range(first, len(ranks)) if ranks[index] - ranks[first] < apart)
        if last > first and (not stretches or last > stretches[-1][1]):
            stretches.append((first, last))
    return stretches


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    count, first = len(part), part.iloc[0]
    ranks = part["mean_rank"].tolist()
    for y, row in enumerate(part.to_dict("records")):
        colour = MUTED if is_baseline(row["model"]) else PALETTE[0]
        axes.plot([1, row["mean_rank"]], [y, y], color=RULE, linewidth=1, zorder=1)
        axes.plot(row["mean_rank"], y, "o", color=colour, markersize=6, zorder=3)
        axes.text(
            row["mean_rank"] + 0.012 * count, y - 0.12, f"{row['mean_rank']:.2f}", fontsize=7.5, color=MUTED,
            va="bottom",
        )  # fmt: skip
    apart = first["critical_difference"]
    if first["blocks"] < first["least_blocks"]:
        text = f"Too few blocks: with fewer than {int(first['least_blocks'])} no difference in ranks could be told "
        axes.text(1, -0.85, text + "from chance.", fontsize=8, color=MUTED, va="center")
    else:
        for number, (start, stop) in enumerate(cliques(ranks, apart)):
            x = count + 0.3 + 0.035 * count * number
            axes.plot([x, x], [start - 0.15, stop + 0.15], color=INK, linewidth=3.2, solid_capstyle="butt")
        axes.plot([1, 1 + apart], [-0.85, -0.85], color=INK, linewidth=1.6, marker="|", markersize=7)
        axes.text(1 + apart + 0.02 * count, -0.85, f"critical difference {apart:.2f}", fontsize=8, va="center")
    axes.set_yticks(range(count), part["model"].tolist())
    axes.set_ylim(count - 0.3, -1.35)
    axes.set_xlim(0.9, count * 1.25 + 0.5)
    axes.set_xticks(range(1, count + 1))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")


def draw_critical_difference(inputs: Inputs) -> Drawn:
    """Mean ranks of an experiment's models, from its table `ranks`."""
    return critical_difference_chart(inputs.table("ranks"))
