"""Contact sheets: fields with every white cell outlined, and next to an archive's own masks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patheffects import withStroke

from leukoflow.cells.labels import labels_by_id
from leukoflow.config.tasks import task_of
from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.figures.choice import by_class
from leukoflow.figures.pictures import load, shards_in, show, spread
from leukoflow.figures.style import MUTED, Drawn, class_colour, empty, wrap

FIELDS = 3
"""Fields of each class."""
SHADE = 0.22
"""How much of a picture shines through where an archive's mask leaves it out."""


@dataclass(frozen=True)
class Field:
    """A picture with its white cells."""

    image_id: str
    picture: np.ndarray
    """uint8 [V, V, 3], RGB; of another side than the label map where the view is."""
    labels: np.ndarray
    """Label map uint16 [S, S]: 2 k in the cytoplasm and 2 k + 1 in the nucleus of cell k."""
    cut: frozenset[int] = frozenset()
    """Numbers of the cells that the picture's edge cuts."""


def cut_cells(cells: Path, images: Sequence[str]) -> dict[str, frozenset[int]]:
    """Numbers of the cells that the picture's edge cuts, of each of these images; `cells` is a table of cells."""
    table = read_table(cells, ["image_id", "cell", "border"])
    table = table[table["border"].astype(bool) & table["image_id"].isin(images)]
    cut = {str(image): frozenset(part["cell"].astype(int)) for image, part in table.groupby("image_id")}
    return {image: cut.get(image, frozenset()) for image in images}


def outlines(labels: np.ndarray) -> dict[int, list[np.ndarray]]:
    """Outlines of each cell of a label map: lists of float [n, 2] (x, y in its pixels), along the outermost pixels."""
    cells = labels >> 1
    boxes: dict[int, list[np.ndarray]] = {}
    for cell in np.unique(cells[cells > 0]).tolist():
        rows, columns = np.nonzero(cells == cell)
        top, left = int(rows.min()), int(columns.min())
        window = (cells[top : rows.max() + 1, left : columns.max() + 1] == cell).astype(np.uint8)
        contours, _ = cv2.findContours(window, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE, offset=(left, top))
        boxes[cell] = [contour[:, 0].astype(float) for contour in contours]
    return boxes


def place_picture(axes: Axes, picture: np.ndarray, side: int) -> None:
    """Draw a picture over the coordinates of a label map of this side."""
    show(axes, None)
    axes.texts[-1].remove()
    axes.spines[:].set_visible(False)
    axes.imshow(picture, extent=(-0.5, side - 0.5, side - 0.5, -0.5), interpolation="antialiased")


def outline_cells(axes: Axes, field: Field, colours: Sequence[str] = ("white",), width: float = 0.9) -> int:
    """Outline every cell, the colours in turn, in a dark rim; cut cells are broken and pale. Returns how many."""
    cells = outlines(field.labels)
    for number, (cell, polygons) in enumerate(cells.items()):
        cut = cell in field.cut
        lines = PolyCollection(
            polygons, facecolors="none", edgecolors=colours[number % len(colours)], linewidths=width,
            linestyles=(0, (2.2, 1.4)) if cut else "solid", alpha=0.75 if cut else 1,
            path_effects=[withStroke(linewidth=width + 1.1, foreground="#10131A", alpha=0.35 if cut else 0.9)],
        )  # fmt: skip
        axes.add_collection(lines, autolim=False)
    return len(cells)


def contact_sheet(fields: Mapping[str, Sequence[Field]]) -> tuple[Figure, pd.DataFrame]:
    """A column for each class, its fields below one another, the number of cells found under each.

    The table has class, image_id, cells, cut_cells.
    """
    shown = {name: list(field) for name, field in fields.items() if field}
    columns = ["class", "image_id", "cells", "cut_cells"]
    if not shown:
        return empty("No image of these classes was segmented."), pd.DataFrame(columns=columns)
    side = float(np.clip(10.4 / len(shown), 1.3, 2.6))
    figure, grid = _grid(max(map(len, shown.values())), len(shown), side, side + 0.06)
    table = []
    places = list(fields)
    for column, (name, chosen) in enumerate(shown.items()):
        title = grid[0, column].set_title(wrap(name, 16), loc="center")
        title.set_color(class_colour(places.index(name)))
        for row, axes in enumerate(grid[:, column]):
            axes.set_visible(row < len(chosen))
            if row < len(chosen):
                place_picture(axes, chosen[row].picture, len(chosen[row].labels))
                cells = outline_cells(axes, chosen[row], width=0.9 if side > 2 else 0.7)
                cut = len(chosen[row].cut)
                axes.set_xlabel(_found(cells, cut, side > 2), fontsize=7, labelpad=3, color=MUTED)
                table.append([name, chosen[row].image_id, cells, cut])
    return figure, pd.DataFrame(table, columns=columns)


def _found(cells: int, cut: int, room: bool) -> str:
    text = "no cell found" if not cells else f"{cells} cell{'' if cells == 1 else 's'}"
    if cut:
        text += f", {cut} cut by the edge" if room else f" ({cut} cut)"
    return text


def archive_sheet(
    fields: Mapping[str, Sequence[Field]], masks: Mapping[str, Sequence[np.ndarray]]
) -> tuple[Figure, pd.DataFrame]:
    """A row for each class: fields with the cells found, each next to what the archive's mask keeps of it.

    `masks` holds bool [S, S] for each field. A cell counts as kept if the mask covers at least half of it. The
    table has class, image_id, cells, kept_cells.
    """
    shown = {name: list(chosen) for name, chosen in fields.items() if chosen}
    columns = ["class", "image_id", "cells", "kept_cells"]
    if not shown:
        return empty("No image of these classes has a mask of the archive's."), pd.DataFrame(columns=columns)
    width = 2 * max(map(len, shown.values()))
    figure, grid = _grid(len(shown), width, 1.75, 1.82)
    table = []
    for row, (name, chosen) in enumerate(shown.items()):
        colour = class_colour(list(fields).index(name))
        grid[row, 0].set_ylabel(
            wrap(name, 14), rotation=0, ha="right", va="center", labelpad=8, color=colour, fontweight="bold"
        )
        for axes in grid[row, 2 * len(chosen) :]:
            axes.set_visible(False)
        for number, (field, mask) in enumerate(zip(chosen, masks[name], strict=True)):
            left, right = grid[row, 2 * number], grid[row, 2 * number + 1]
            side = len(field.labels)
            place_picture(left, field.picture, side)
            cells = outline_cells(left, field, width=0.8)
            place_picture(right, kept_by(field.picture, mask), side)
            outline_cells(right, field, width=0.5)
            kept = kept_cells(field.labels, mask)
            left.set_xlabel(_found(cells, 0, False), fontsize=7, labelpad=3, color=MUTED)
            right.set_xlabel(f"{kept} of {cells} in the archive's", fontsize=7, labelpad=3, color=MUTED)
            table.append([name, field.image_id, cells, kept])
    for column in range(0, width, 2):
        grid[0, column].set_title("cells found", loc="center", fontsize=8)
        grid[0, column + 1].set_title("archive's mask", loc="center", fontsize=8)
    return figure, pd.DataFrame(table, columns=columns)


def kept_by(picture: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """A picture [V, V, 3] that fades to dark where a mask bool [S, S] leaves it out."""
    if len(mask) != len(picture):
        mask = cv2.resize(mask.astype(np.uint8), picture.shape[1::-1], interpolation=cv2.INTER_NEAREST) > 0
    return np.where(mask[..., None], picture, picture * SHADE).astype(np.uint8)


def kept_cells(labels: np.ndarray, mask: np.ndarray) -> int:
    """How many cells of a label map [S, S] a mask bool [S, S] covers by at least half."""
    cells = (labels >> 1).ravel()
    whole = np.bincount(cells)[1:]
    inside = np.bincount(cells, mask.ravel())[1:]
    return int(((inside >= whole / 2) & (whole > 0)).sum())


def _grid(rows: int, columns: int, width: float, height: float) -> tuple[Figure, np.ndarray]:
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=(columns * width, rows * height + 0.3), layout=layout)
    return figure, figure.subplots(rows, columns, squeeze=False)


def draw_contact(inputs: Inputs) -> Drawn:
    """Fields with their cells, from `manifest`, the plain `view`, and the table `cells` with label maps next to it."""
    groups = by_class(inputs.table("manifest"), task_of(inputs))
    return contact_sheet(_fields(inputs, {name: groups[name] for name in task_of(inputs).classes}))


def draw_archive(inputs: Inputs) -> Drawn:
    """The same next to the archive's masks, `masks`, an array of parts with its `index`."""
    index = inputs.table("index", ["image_id"])["image_id"]
    row_of = {image: row for row, image in enumerate(index)}
    groups = by_class(inputs.table("manifest"), task_of(inputs))
    fields = _fields(inputs, {name: groups[name][groups[name].isin(index)] for name in task_of(inputs).classes})
    parts = np.load(inputs.path("masks"), mmap_mode="r", allow_pickle=False)
    masks = {name: [np.asarray(parts[row_of[field.image_id]]) > 0 for field in shown] for name, shown in fields.items()}
    return archive_sheet(fields, masks)


def _fields(inputs: Inputs, groups: Mapping[str, pd.Series]) -> dict[str, list[Field]]:
    """Evenly spaced fields of each class."""
    cells = inputs.path("cells")
    chosen = {name: spread(ids, FIELDS) if len(ids) else [] for name, ids in groups.items()}
    wanted = [image for ids in chosen.values() for image in ids]
    labels, cut = labels_by_id(shards_in(cells.parent), wanted), cut_cells(cells, wanted)
    pictures = load(shards_in(inputs.path("view").parent), wanted)
    return {
        name: [Field(image, pictures[image], labels[image], cut[image]) for image in ids]
        for name, ids in chosen.items()
    }
