"""Sample images of each class, and the same images in every view."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from leukoflow.config.tasks import Task, task_of
from leukoflow.core.inputs import Inputs
from leukoflow.figures.choice import by_class
from leukoflow.figures.pictures import load, shards_in, show, spread, view_of
from leukoflow.figures.style import Drawn, class_colour, wrap

COLUMNS = 8


def class_samples(manifest: pd.DataFrame, task: Task, shards: Sequence[Path]) -> tuple[Figure, pd.DataFrame]:
    """A row for each class, evenly spaced images along the manifest. The table names the images shown."""
    groups = by_class(manifest, task)
    chosen = {name: spread(ids, COLUMNS) for name, ids in groups.items()}
    pictures = load(shards, [image for ids in chosen.values() for image in ids])
    columns = max(1, max(map(len, chosen.values())))
    figure, grid = _grid(len(groups), columns, 1.12)
    rows = []
    for index, (name, ids) in enumerate(chosen.items()):
        _row_label(grid[index, 0], f"{wrap(name, 14)}\nn = {len(groups[name]):,}", index, len(task.classes))
        for column in range(columns):
            show(grid[index, column], pictures.get(ids[column]) if column < len(ids) else None)
            grid[index, column].set_visible(column < max(1, len(ids)))
        rows += [{"class": name, "images": len(groups[name]), "image_id": image} for image in ids]
    return figure, pd.DataFrame(rows, columns=["class", "images", "image_id"])


def views(manifest: pd.DataFrame, task: Task, shards: Mapping[str, Sequence[Path]]) -> tuple[Figure, pd.DataFrame]:
    """One image of each class in every view, views in the given order; `shards` holds each view's files."""
    chosen = {name: ids.iloc[len(ids) // 2] for name, ids in by_class(manifest, task).items() if len(ids)}
    figure, grid = _grid(max(1, len(chosen)), len(shards), 1.5)
    rows = []
    for column, (view, files) in enumerate(shards.items()):
        pictures = load(files, list(chosen.values()))
        grid[0, column].set_title(wrap(view), loc="center")
        for index, (name, image) in enumerate(chosen.items()):
            show(grid[index, column], pictures.get(image))
            rows.append({"class": name, "view": view, "image_id": image})
    for index, name in enumerate(chosen):
        _row_label(grid[index, 0], wrap(name, 14), index, len(task.classes))
    return figure, pd.DataFrame(rows, columns=["class", "view", "image_id"])


def _grid(rows: int, columns: int, side: float) -> tuple[Figure, np.ndarray]:
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=(columns * side + 1.1, rows * side + 0.25), layout=layout)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _row_label(axes: Axes, text: str, index: int, classes: int) -> None:
    colour = class_colour(index) if index < classes else "#5B6472"
    axes.set_ylabel(
        text, rotation=0, ha="right", va="center", labelpad=8, color=colour, fontweight="bold", fontsize=8.5
    )


def draw_samples(inputs: Inputs) -> Drawn:
    """Samples of each class, from the `manifest` and the summary of the plain `view`."""
    return class_samples(inputs.table("manifest"), task_of(inputs), shards_in(inputs.path("view").parent))


def draw_views(inputs: Inputs) -> Drawn:
    """One image of each class in every view, from the `manifest` and the summaries of the `views`, in their order."""
    shards = {view_of(path.parent)[1]: shards_in(path.parent) for path in inputs.paths("views")}
    return views(inputs.table("manifest"), task_of(inputs), shards)
