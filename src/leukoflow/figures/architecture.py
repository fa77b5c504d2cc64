"""Diagram of a built network: a box for each component with its shape and parameters, lines for what feeds what."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from leukoflow.core.inputs import Inputs
from leukoflow.core.words import count
from leukoflow.figures.style import INK, MUTED, PALETTE, Drawn, empty

WIDTH, HEIGHT, ROW = 2.3, 0.38, 0.62
"""Inches: a box, and the distance of rows."""
GAP, LANE = 0.25, 0.13
"""Inches between boxes of a row, and between lines that pass boxes by."""
LETTERS = 34
"""Letters of the small print that a box holds."""


@dataclass
class _Box:
    """A component with its place."""

    name: str
    kind: str
    gives: str
    parameters: int
    part: str
    sources: list[str]
    row: int = 0
    x: float = 0.0
    """Of its middle, inches."""


@dataclass
class _Lanes:
    """Vertical lines next to the boxes, no two of which run over each other."""

    taken: list[list[tuple[int, int]]] = field(default_factory=list)

    def of(self, first: int, last: int) -> int:
        """The innermost lane that is free from one row to another."""
        for lane, spans in enumerate(self.taken):
            if all(last <= start or first >= end for start, end in spans):
                spans.append((first, last))
                return lane
        self.taken.append([(first, last)])
        return len(self.taken) - 1


def architecture_chart(table: pd.DataFrame) -> Drawn:
    """Rows of table `components` of one model; what comes from several places is below all of them."""
    if table.empty:
        return empty("This study has no such network."), table
    boxes = _placed(table)
    rows = max(box.row for box in boxes.values()) + 1
    edges = [(boxes[source], box) for box in boxes.values() for source in box.sources if source in boxes]
    lanes = _Lanes()
    passing = sorted(((a, b) for a, b in edges if _passes(a, b, boxes)), key=lambda pair: pair[1].row - pair[0].row)
    lane_of = {(a.name, b.name): lanes.of(a.row, b.row) for a, b in passing}
    widest = max(sum(box.row == row for box in boxes.values()) for row in range(rows))
    half = (widest * WIDTH + (widest - 1) * GAP) / 2
    right = half + LANE * (len(lanes.taken) + 2)
    sizes = table.loc[table["parameters"] > 0].groupby("part", sort=False)["parameters"].sum()
    parts = {str(part): int(size) for part, size in sizes.items()}
    head = 0.3 + 0.2 * len(parts)
    figure = Figure(figsize=(max(2 * half, 4.2) + 2 * (right - half), rows * ROW + head))
    axes = figure.add_axes((0, 0, 1, 1))
    wide = figure.get_figwidth() / 2
    axes.set(xlim=(-wide, wide), ylim=(-rows * ROW + ROW / 2 - 0.25, head + 0.25))
    axes.set_axis_off()
    colours = {part: PALETTE[number % len(PALETTE)] for number, part in enumerate(parts)}
    _heading(axes, parts, colours, head, -wide + 0.15)
    for box in boxes.values():
        _draw_box(axes, box, colours.get(box.part, MUTED))
    for first, second in edges:
        _draw_edge(axes, first, second, lane_of.get((first.name, second.name)), half)
    return figure, table


def _placed(table: pd.DataFrame) -> dict[str, _Box]:
    """Boxes by name: each one row below the lowest that it takes from, those of a row side by side."""
    boxes: dict[str, _Box] = {}
    for row in table.to_dict("records"):
        sources = [] if pd.isna(row["sources"]) else str(row["sources"]).split("; ")
        if not sources and row["component"] != "input":
            continue  # parameters between modules, which the totals have
        gives = "" if pd.isna(row["gives"]) else str(row["gives"])
        kind = "" if pd.isna(row["kind"]) else str(row["kind"])
        box = _Box(row["component"], kind, gives, int(row["parameters"]), str(row["part"]), sources)
        box.row = 1 + max((boxes[source].row for source in sources if source in boxes), default=-1)
        boxes[box.name] = box
    for level in {box.row for box in boxes.values()}:
        neighbours = [box for box in boxes.values() if box.row == level]
        for column, box in enumerate(neighbours):
            box.x = (column - (len(neighbours) - 1) / 2) * (WIDTH + GAP)
    return boxes


def _passes(first: _Box, second: _Box, boxes: dict[str, _Box]) -> bool:
    """Whether a line between two boxes has to go around others."""
    return any(first.row < box.row < second.row for box in boxes.values())


def _heading(axes: Axes, parts: dict[str, int], colours: dict[str, str], top: float, left: float) -> None:
    whole = sum(parts.values())
    axes.text(left, top, f"{count(whole)} parameters", weight="bold", fontsize=9, va="center")
    for number, (part, size) in enumerate(parts.items()):
        y = top - 0.22 - 0.2 * number
        axes.add_patch(FancyBboxPatch((left, y - 0.05), 0.12, 0.1, boxstyle="square,pad=0", color=colours[part]))
        axes.text(left + 0.22, y, f"{part}: {count(size)}", fontsize=8, va="center")


def _draw_box(axes: Axes, box: _Box, colour: str) -> None:
    y, joins = -box.row * ROW, not box.parameters
    corner = (box.x - WIDTH / 2, y - HEIGHT / 2)
    fill, edge = ("#F3F4F7", MUTED) if joins else ("white", colour)
    rounded = "round,pad=0,rounding_size=0.06"
    axes.add_patch(FancyBboxPatch(corner, WIDTH, HEIGHT, boxstyle=rounded, facecolor=fill, edgecolor=edge))
    size = f", {count(box.parameters)}" if box.parameters else ""
    name = box.name if len(box.name) <= LETTERS else f"\N{HORIZONTAL ELLIPSIS}{box.name[1 - LETTERS :]}"
    kind = f" ({box.kind})" if box.kind and box.parameters and len(name) + len(box.kind) < LETTERS - 3 else ""
    axes.text(box.x, y + 0.085, f"{name}{kind}", fontsize=7.5, ha="center", va="center", color=INK)
    shape = box.gives.replace("x", "\N{MULTIPLICATION SIGN}")
    axes.text(box.x, y - 0.085, f"{shape}{size}", fontsize=7.5, ha="center", va="center", color=MUTED)


def _draw_edge(axes: Axes, first: _Box, second: _Box, lane: int | None, half: float) -> None:
    """A line from the foot of one box to the top of another; along a lane at the right if others lie between."""
    top = -second.row * ROW + HEIGHT / 2
    foot = -first.row * ROW - HEIGHT / 2
    if lane is None:
        middle = (top + foot) / 2
        points = [(first.x, foot), (first.x, middle), (second.x, middle), (second.x, top)]
    else:
        x, step = half + LANE * (lane + 1), 0.03 * (lane % 3)
        down, up = foot - 0.08 - step, top + 0.16 + step
        points = [(first.x + 0.12, foot), (first.x + 0.12, down), (x, down), (x, up), (second.x + 0.12, up)]
        points.append((second.x + 0.12, top))
    _line(axes, points)


def _line(axes: Axes, points: Sequence[tuple[float, float]]) -> None:
    axes.plot(*zip(*points, strict=True), color=MUTED, linewidth=0.9, solid_joinstyle="round", zorder=0)
    axes.annotate(
        "", points[-1], (points[-1][0], points[-1][1] + 0.06),
        arrowprops={"arrowstyle": "-|>", "color": MUTED, "linewidth": 0.9, "shrinkA": 0, "shrinkB": 0},
    )  # fmt: skip


def draw_architecture(inputs: Inputs) -> Drawn:
    """Figure `architecture` of a model, from table `components`."""
    return architecture_chart(inputs.rows("components", ("model",)))
