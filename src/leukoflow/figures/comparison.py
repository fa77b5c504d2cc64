"""Differences to an experiment's reference model, with intervals, and as published."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.protocols import in_order
from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import INK, MUTED, RULE, Drawn, empty, line_style, protocol_style

BLOCK = ["cohort", "task", "view", "protocol"]
COLUMNS = [
    "experiment", *BLOCK, "model", "reference", "images", "runs", "difference", "low", "high", "resampling",
    "p_holm", "published_difference",
]  # fmt: skip
PUBLISHED: dict[str, Any] = {
    "marker": "D",
    "color": INK,
    "markerfacecolor": "white",
    "markersize": 6.5,
    "markeredgewidth": 1.1,
}


def comparison_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each view and protocol, a row for each model: its accuracy less the reference's, in points.

    `table` holds the comparisons of one experiment; shown are the difference with its interval, the p-value adjusted
    for the number of models, and, hollow, the difference as published where both figures are.
    """
    if table.empty:
        return empty("There is no model next to the reference."), table.reindex(columns=COLUMNS)
    blocks = list(table.groupby(BLOCK, sort=False))
    heights = [0.5 + 0.3 * len(part) for _, part in blocks]
    figure = Figure(figsize=(8.2, sum(heights) + 1.0), layout="constrained")
    grid = figure.subplots(len(blocks), 1, squeeze=False, sharex=True, height_ratios=heights).ravel()
    for axes, (key, part) in zip(grid, blocks, strict=True):
        _panel(axes, part)
        axes.set_title(f"{key[0]}, {key[1]}, {key[2]} view, {key[3]} split")
    shown = 100 * table[["difference", "low", "high", "published_difference"]].to_numpy(float)
    least, most = min(0.0, float(np.nanmin(shown))), max(0.0, float(np.nanmax(shown)))
    space = max(0.06 * (most - least), 0.5)
    grid[-1].set_xlim(least - space, most + space)
    grid[-1].xaxis.set_major_formatter(lambda value, _: signed(value, "g"))
    grid[-1].set_xlabel(f"Accuracy less that of {table['reference'].iloc[0]} on the same images, percentage points")
    for x, text in ((1.02, "difference"), (1.14, "adjusted p")):
        grid[0].text(x, 1, text, transform=grid[0].transAxes, fontsize=7.5, color=MUTED, va="bottom")
    figure.legend(handles=_handles(table), loc="outside upper right", ncols=6)
    return figure, table[COLUMNS]


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    axes.axvline(0, color=MUTED, linewidth=1, zorder=1)
    for y, row in enumerate(part.to_dict("records")):
        colour, marker = protocol_style(row["protocol"])
        low, high, value = (100 * row[name] for name in ("low", "high", "difference"))
        axes.plot([low, high], [y, y], color=colour, linewidth=2, solid_capstyle="round")
        axes.plot(value, y, marker, color=colour, markersize=6, markeredgecolor="white", markeredgewidth=0.6)
        axes.plot(100 * row["published_difference"], y, zorder=3, **PUBLISHED)
        across = axes.get_yaxis_transform()
        axes.text(1.02, y, signed(value, ".1f"), va="center", fontsize=8, transform=across)
        axes.text(1.14, y, p_text(row["p_holm"]), va="center", fontsize=8, color=MUTED, transform=across)
    axes.set_yticks(range(len(part)), list(part["model"]))
    axes.set_ylim(len(part) - 0.45, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    for edge in range(1, len(part)):
        axes.axhline(edge - 0.5, color=RULE, linewidth=0.5)


def _handles(table: pd.DataFrame) -> list[Line2D]:
    used = in_order(table["protocol"])
    handles = [Line2D([], [], **line_style(name), label=f"{name} split, measured") for name in used]
    if table["published_difference"].notna().any():
        handles.append(Line2D([], [], linestyle="none", label="as published", **PUBLISHED))
    return handles


def signed(value: float, style: str) -> str:
    """A number in a format such as `.1f`, with its sign; zero has none."""
    text = f"{value:+{style}}"
    return text[1:] if float(text) == 0 else text.replace("-", "\N{MINUS SIGN}")


def p_text(value: float) -> str:
    """A p-value: two digits that count, `< 0.001` below that, a dash if there is none."""
    if np.isnan(value):
        return "\N{EM DASH}"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def draw_comparison(inputs: Inputs) -> Drawn:
    """The models of one experiment against its reference, from its `comparisons`."""
    return comparison_chart(inputs.table("comparisons"))
