"""One look for all figures: colours, sizes, and how a figure is written (PNG, SVG and the numbers behind it)."""

import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.colors
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

from leukoflow.config.protocols import LEAKY, is_leaky
from leukoflow.core.files import atomic, write_table
from leukoflow.core.names import shown

Drawn = tuple[Figure, pd.DataFrame]
"""A figure and the numbers behind it."""
DPI = 130
MOST_LINES = 3
"""Of a name in a figure; its table has it whole."""
# Okabe and Ito's colours, which readers with any common colour vision can tell apart; yellow is left out, being too
# pale on white. Classes take them in the task's order, the same in every figure.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#7A5195", "#6B6B6B")
_PROTOCOLS = {
    "image": ("#56B4E9", "o"),
    "duplicate": ("#E69F00", "s"),
    "blocks": ("#009E73", "v"),
    "acquisition": ("#D55E00", "D"),
    "patient": ("#7A5195", "^"),
    "laboratory": ("#6B6B6B", "X"),
}
_MARKERS = "phP<>*8H"
INK, MUTED, RULE = "#1F2430", "#5B6472", "#D5DAE1"
SHADES = matplotlib.colors.LinearSegmentedColormap.from_list("shades", ["#FFFFFF", "#CFE3F1", "#4F97C6", "#084A7D"])

matplotlib.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 9,
        "text.color": INK,
        "axes.labelcolor": INK,
        "axes.titlesize": 9.5,
        "axes.titleweight": "bold",
        "axes.titlelocation": "left",
        "axes.titlepad": 6,
        "axes.labelsize": 9,
        "axes.edgecolor": MUTED,
        "axes.linewidth": 0.8,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "axes.axisbelow": True,
        "grid.color": RULE,
        "grid.linewidth": 0.6,
        "xtick.color": MUTED,
        "ytick.color": MUTED,
        "xtick.labelcolor": INK,
        "ytick.labelcolor": INK,
        "xtick.labelsize": 8,
        "ytick.labelsize": 8,
        "legend.frameon": False,
        "legend.fontsize": 8.5,
        "lines.linewidth": 1.6,
        "figure.facecolor": "white",
        "savefig.facecolor": "white",
        # A dollar sign in a name is a dollar sign. Axes with a logarithmic scale need plain numbers of their own.
        "text.parse_math": False,
        # Names inside the SVG depend on this salt alone, so that the same figure gives the same bytes.
        "svg.hashsalt": "leukoflow",
    }
)


def class_colour(index: int) -> str:
    """Colour of the class at this place in the task; it repeats after eight."""
    return PALETTE[index % len(PALETTE)]


def protocol_style(name: str) -> tuple[str, str]:
    """Colour and marker of a protocol, the same in every figure. A cross is a protocol with leaks made on purpose."""
    if name in _PROTOCOLS:
        return _PROTOCOLS[name]
    # A ready protocol and its form with leaks share a colour.
    checksum = zlib.crc32(name.removeprefix(LEAKY).encode())
    marker = "X" if is_leaky(name) else _MARKERS[zlib.crc32(name.encode()) % len(_MARKERS)]
    return PALETTE[checksum % len(PALETTE)], marker


def line_style(protocol: str) -> dict[str, Any]:
    """Colour and marker of a protocol as arguments of a line."""
    return dict(zip(("color", "marker"), protocol_style(protocol), strict=True))


def wrap(name: str, width: int = 18) -> str:
    """A name broken after underscores and spaces, and in parts longer than that, into at most `MOST_LINES` lines of
    about `width` characters; one that is longer ends in an ellipsis."""
    lines = [""]
    for part in re.findall(rf"[^_ ]{{0,{width}}}[_ ]?", shown(name)):
        if lines[-1] and len(lines[-1]) + len(part.rstrip()) > width:
            lines.append("")
        lines[-1] += part
    if len(lines) > MOST_LINES:
        lines = [*lines[: MOST_LINES - 1], f"{lines[MOST_LINES - 1].rstrip()[: width - 1]}\N{HORIZONTAL ELLIPSIS}"]
    return "\n".join(line.rstrip() for line in lines)


def legend_columns(handles: Sequence[Artist], figure: Figure, most: int) -> int:
    """Columns of a legend in the font of legends that the figure's width holds, at most `most` and at least one."""
    longest = max((len(line) for handle in handles for line in str(handle.get_label()).split("\n")), default=0)
    return max(1, min(most, len(handles), int(figure.get_figwidth() / (0.6 + 0.075 * longest))))


def panels(count: int, columns: int, width: float, height: float) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels of the given size (inches), at most `columns` in a row."""
    columns = max(1, min(columns, count))
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    grid = np.atleast_1d(figure.subplots(rows, columns, squeeze=False)).ravel()
    for spare in grid[count:]:
        spare.set_visible(False)
    return figure, list(grid[:count])


def empty(message: str) -> Figure:
    """A figure that says why there is nothing to show."""
    figure = Figure(figsize=(5, 1.2), layout="constrained")
    figure.text(0.5, 0.5, message, ha="center", va="center", color=MUTED)
    return figure


def save(figure: Figure, table: pd.DataFrame, output: str | Path) -> None:
    """Write OUTPUT.png, .svg and .csv (the numbers behind the figure); the same figure gives the same bytes."""
    output = Path(output)
    figure.set_dpi(DPI)
    canvas = FigureCanvasAgg(figure)
    _lay_out(figure)
    with atomic(output.with_suffix(".png")) as path:
        canvas.print_png(path, metadata={"Software": None})
    with atomic(output.with_suffix(".svg")) as path:
        FigureCanvasSVG(figure).print_svg(path, metadata={"Date": None, "Creator": None})
    write_table(output.with_suffix(".csv"), table)


def _lay_out(figure: Figure) -> None:
    """Find the places of all axes once, for both files, and round them: names inside the SVG are made from them, and
    the last bits are not always the same."""
    engine = figure.get_layout_engine()
    if engine is None:
        return
    engine.execute(figure)
    figure.set_layout_engine("none")
    for axes in figure.axes:
        for which in ("original", "active"):
            box = axes.get_position(original=which == "original")
            axes.set_position(np.round(box.bounds, 9).tolist(), which=which)
