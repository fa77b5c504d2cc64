"""What a haematologist would recognise: cell morphology by class, and typical cells with their outlines."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leukoflow.cells.labels import open_labels
from leukoflow.config.tasks import Task, task_of
from leukoflow.core.inputs import Inputs
from leukoflow.figures.pictures import shards_in
from leukoflow.figures.style import INK, MUTED, Drawn, class_colour, empty, panels, wrap
from leukoflow.images.sources import listed, read_picture, sources

TRAITS = (
    ("cell_diameter_um", "Cell diameter", "µm"),
    ("nc_ratio", "N:C ratio", "nuclear / cell area"),
    ("nuclear_irregularity", "Nuclear irregularity", "perimeter / that of a disc"),
    ("chromatin_contrast", "Chromatin contrast", "at 0.5 µm, relative"),
    ("cytoplasm_od_red_mean", "Cytoplasmic basophilia", "optical density, red light"),
    ("nucleoli", "Nucleoli", "pale spots in the nucleus"),
)
"""Column of the table of cells, title, unit."""
MOST = 4000
"""Cells of a class that a violin is drawn from; the numbers in the table are over all."""
SIDE_UM = 20.0
"""Side of the pictures of single cells, micrometres."""
COLUMNS = 6


def whole_cells(cells: pd.DataFrame, manifest: pd.DataFrame, task: Task) -> pd.DataFrame:
    """The cells that no edge cuts and whose image has a class, with the columns `class` and, if there, `patient`."""
    known = manifest[[name for name in ("image_id", "label", "patient") if name in manifest]]
    table = cells[~cells["border"].astype(bool)].merge(known, on="image_id", validate="many_to_one")
    numbers = table["label"].map(lambda label: task.class_of(label if isinstance(label, str) else None))
    return table.assign(**{"class": numbers.map(dict(enumerate(task.classes)))}).dropna(subset=["class"])


def morphology(cells: pd.DataFrame, manifest: pd.DataFrame, task: Task) -> tuple[Figure, pd.DataFrame]:
    """A panel for each of `TRAITS`, a violin with quartiles and median for each class.

    cells: image_id, border, features; manifest: image_id, label. The table has, for each class and feature: class,
    feature, unit, images, cells, median, q1, q3.
    """
    table = whole_cells(cells, manifest, task)
    rows = [
        {"class": name, "feature": feature, "unit": unit, **_summary(table[table["class"] == name], feature)}
        for feature, _, unit in TRAITS
        for name in task.classes
    ]
    numbers = pd.DataFrame(rows)
    if not numbers["cells"].any():
        return empty("No white cells were found in images of these classes."), numbers
    figure, grid = panels(len(TRAITS), 3, 2.9, 2.4)
    for axes, (feature, title, unit) in zip(grid, TRAITS, strict=True):
        values = [table.loc[table["class"] == name, feature].dropna().to_numpy(float) for name in task.classes]
        _panel(axes, values, task.classes)
        axes.set_title(title)
        axes.set_ylabel(unit)
    return figure, numbers


def _summary(table: pd.DataFrame, feature: str) -> dict[str, float]:
    known = table[["image_id", feature]].dropna()
    q1, median, q3 = known[feature].quantile([0.25, 0.5, 0.75])
    return {"images": known["image_id"].nunique(), "cells": len(known), "median": median, "q1": q1, "q3": q3}


def _panel(axes: Axes, values: list[np.ndarray], classes: tuple[str, ...]) -> None:
    """Violins within the 1st to 99th percentile of each class, so that a few odd cells do not set the axis."""
    axes.grid(axis="y")
    for x, every in enumerate(values):
        if not len(every):
            axes.text(x, 0.5, "none", ha="center", color=MUTED, fontsize=7.5, transform=axes.get_xaxis_transform())
            continue
        colour = class_colour(x)
        low, q1, median, q3, high = np.percentile(every, [1, 25, 50, 75, 99])
        shown = every[(every >= low) & (every <= high)]
        shown = shown[np.linspace(0, len(shown) - 1, min(MOST, len(shown))).astype(int)]
        if len(shown) > 2 and np.ptp(shown) > 0:
            body = axes.violinplot(shown, [x], widths=0.8, showextrema=False)["bodies"][0]  # type: ignore[index]
            body.set(facecolor=colour, alpha=0.35, edgecolor=colour, linewidth=0.8)
        axes.vlines(x, q1, q3, color=colour, linewidth=4)
        axes.plot(x, median, "o", color="white", markeredgecolor=INK, markersize=4, markeredgewidth=0.8, zorder=3)
    axes.set_xticks(range(len(classes)), [wrap(name, 9) for name in classes])
    axes.tick_params(axis="x", rotation=0 if len(classes) <= 5 else 40, length=0)
    axes.set_xlim(-0.6, len(classes) - 0.4)


def typical_cells(cells: pd.DataFrame, manifest: pd.DataFrame, task: Task, count: int = COLUMNS) -> pd.DataFrame:
    """The cells nearest to their class' medians in `TRAITS`, at most `count` of each class; rows of the cells' table.

    Distances are in quartile ranges of the class, summed; at most one cell of an image, and, where patients are known
    and enough, of a patient. The first of each class is the most typical. Adds the columns class, and distance.
    """
    table, names = whole_cells(cells, manifest, task), [name for name, _, _ in TRAITS]
    chosen = []
    for name in task.classes:
        rows = table[table["class"] == name].dropna(subset=names)
        spread = rows[names].quantile(0.75) - rows[names].quantile(0.25)
        away = ((rows[names] - rows[names].median()).abs() / spread.where(spread > 0, 1)).sum(axis=1)
        rows = rows.assign(distance=away).sort_values("distance", kind="stable").drop_duplicates("image_id")
        if "patient" in rows and rows["patient"].notna().any():
            again = rows.duplicated("patient") & rows["patient"].notna()
            rows = pd.concat([rows[~again], rows[again]])
        chosen.append(rows.head(count))
    return pd.concat(chosen, ignore_index=True)


def gallery(
    chosen: pd.DataFrame, pictures: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], task: Task
) -> tuple[Figure, pd.DataFrame]:
    """Typical cells with the outlines of cell and nucleus and their numbers; a row for each class.

    chosen: from `typical_cells`; pictures, uint8 [H, H, 3], and label maps, uint16 [S, S], by image id: renditions of
    the same letterboxed square at any size. All cells are at the same scale, `SIDE_UM` a side. The table has the
    chosen cells' class, image_id, cell, x, y, and traits.
    """
    names = [name for name, _, _ in TRAITS]
    numbers = chosen[["class", "image_id", "cell", "x", "y", *names]].reset_index(drop=True)
    if not len(chosen):
        return empty("No white cells were found in images of these classes."), numbers
    columns = int(chosen["class"].value_counts().max())
    figure = Figure(figsize=(1.0 + 1.45 * columns, 1.95 * len(task.classes)), layout="constrained")
    grid = figure.subplots(len(task.classes), columns, squeeze=False)
    for index, (name, line) in enumerate(zip(task.classes, grid, strict=True)):
        rows = chosen[chosen["class"] == name].to_dict("records")
        for axes, cell in zip(line, [*rows, *[None] * (columns - len(rows))], strict=True):
            axes.set(xticks=[], yticks=[])
            axes.spines[:].set_visible(False)
            if cell is not None:
                _portrait(axes, cell, pictures[str(cell["image_id"])], labels[str(cell["image_id"])], index)
        line[0].set_ylabel(wrap(name, 12), color=class_colour(index), fontweight="bold")
    return figure, numbers


def _portrait(axes: Axes, cell: Mapping, picture: np.ndarray, labels: np.ndarray, index: int) -> None:
    """One cell in micrometres about its centroid; the nucleus is outlined in white, the cell in its class' colour."""
    unit, side = float(cell["um_per_pixel"]), labels.shape[0]
    reach = side * unit
    # Pixel centres are at whole numbers, so that the square begins half a pixel before the first.
    extent = (-unit / 2, reach - unit / 2, reach - unit / 2, -unit / 2)
    axes.imshow(picture, extent=extent, interpolation="bicubic")
    at = np.arange(side) * unit
    mask = labels >> 1 == int(cell["cell"])
    axes.contour(at, at, mask, [0.5], colors=[class_colour(index)], linewidths=1.2)
    axes.contour(at, at, mask & (labels & 1 == 1), [0.5], colors=["white"], linewidths=0.9)
    x, y = float(cell["x"]) * unit, float(cell["y"]) * unit
    axes.set(xlim=(x - SIDE_UM / 2, x + SIDE_UM / 2), ylim=(y + SIDE_UM / 2, y - SIDE_UM / 2), aspect="equal")
    text = f"{cell['cell_diameter_um']:.1f} µm, N:C {cell['nc_ratio']:.2f}\nnucleoli {cell['nucleoli']:.0f}"
    axes.set_xlabel(text, fontsize=7, color=INK, labelpad=2)


def draw_cells(inputs: Inputs) -> Drawn:
    """Morphology of a cohort's white cells, from its `manifest` and table `cells`."""
    return morphology(*_cells_and_manifest(inputs), task_of(inputs))


def draw_gallery(inputs: Inputs) -> Drawn:
    """Typical cells, from the same, the label maps next to them, and the image `files` under the setting `root`.

    Single cells are small: they are shown at the size at which they were found, not at that of a view.
    """
    chosen = typical_cells(*_cells_and_manifest(inputs), task_of(inputs))
    wanted = list(dict.fromkeys(chosen["image_id"]))
    maps = open_labels(shards_in(inputs.path("cells").parent))
    labels = dict(zip(wanted, maps.gather(maps.rows_of(wanted)), strict=True))
    rows = listed(inputs.path("files")).set_index("image_id", drop=False).loc[wanted]
    pictures: dict[str, np.ndarray] = {
        name: read_picture(source, inputs.settings["max_pixels"]).rendition(maps.size).raster.pixels
        for name, source in zip(wanted, sources(Path(inputs.settings["root"]), rows), strict=True)
    }
    return gallery(chosen, pictures, labels, task_of(inputs))


def _cells_and_manifest(inputs: Inputs) -> tuple[pd.DataFrame, pd.DataFrame]:
    columns = ["image_id", "cell", "x", "y", "border", "um_per_pixel", *(name for name, _, _ in TRAITS)]
    return inputs.table("cells", columns), inputs.table("manifest", ["image_id", "label", "patient"])
