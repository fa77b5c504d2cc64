"""From a picture to its white cells: original, normalised, parts, single cells, what a chain leaves of it, and what
training makes of it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from leukoflow.cells.labels import labels_by_id
from leukoflow.config.tasks import task_of
from leukoflow.core.inputs import Inputs
from leukoflow.figures.choice import typical_of
from leukoflow.figures.contact import Field, cut_cells, outline_cells, place_picture
from leukoflow.figures.pictures import load, shards_in
from leukoflow.figures.style import Drawn, class_colour, empty, wrap

PARTS = {"background": "#F3F4F7", "cytoplasm": "#8CC4E8", "nucleus": "#5B2A86"}
TITLES = ("original", "normalised", "cytoplasm and nucleus", "single cells", "processed", "augmented")
# Light colours that stand out from purple cells and from a pale ground in a dark rim.
SINGLE = ("#FFE45C", "#5CE1E6", "#FF9B71", "#B5F36B", "#FFB3E6", "#FFFFFF", "#7FB2FF", "#FFC857")


@dataclass(frozen=True)
class Stages:
    """One image on its way."""

    field: Field
    """The picture and its cells."""
    normalised: np.ndarray | None
    """The picture with its stain normalised, uint8 [V, V, 3]; None if the study has no such view."""
    processed: np.ndarray | None = None
    """The picture after a longer chain of operations, as a network sees it; None if the study has no such view."""
    augmented: np.ndarray | None = None
    """The picture as the training of a model changes it; None if no model's training does."""


def parts_picture(labels: np.ndarray) -> np.ndarray:
    """Background, cytoplasm and nucleus of a label map uint16 [S, S] in their colours: uint8 [S, S, 3]."""
    colours = np.array([to_rgb(colour) for colour in PARTS.values()])
    part = np.where(labels == 0, 0, np.where(labels & 1, 2, 1))
    return np.round(255 * colours[part]).astype(np.uint8)


def stage_chart(stages: Mapping[str, Stages | None], augmented_for: str = "") -> tuple[Figure, pd.DataFrame]:
    """A row for each class (None if it has no image), a column for each stage; `augmented_for` is the model whose
    training changes pictures so.

    The table has class, image_id, cells, cut_cells.
    """
    shown = {name: stage for name, stage in stages.items() if stage is not None}
    columns = ["class", "image_id", "cells", "cut_cells"]
    if not shown:
        return empty("No image of these classes was segmented."), pd.DataFrame(columns=columns)
    missing = {
        name
        for name in ("normalised", "processed", "augmented")
        if any(getattr(stage, name) is None for stage in shown.values())
    }
    titles = [title for title in TITLES if title not in missing]
    outlined = titles.index("single cells")
    side = 2.1 if len(shown) <= 5 else 1.5
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=(len(titles) * side + 1.1, len(shown) * side + 0.65), layout=layout)
    grid = figure.subplots(len(shown), len(titles), squeeze=False)
    rows = []
    for row, (name, stage) in enumerate(shown.items()):
        field, size = stage.field, len(stage.field.labels)
        pictures = [
            field.picture,
            stage.normalised,
            parts_picture(field.labels),
            field.picture,
            stage.processed,
            stage.augmented,
        ]
        kept = [picture for picture, title in zip(pictures, TITLES, strict=True) if title in titles]
        for axes, picture in zip(grid[row], kept, strict=True):
            assert picture is not None
            place_picture(axes, picture, size)
        cells = outline_cells(grid[row, outlined], field, SINGLE, 1.0)
        colour = class_colour(list(stages).index(name))
        grid[row, 0].set_ylabel(
            f"{wrap(name, 14)}\n{cells} cell{'' if cells == 1 else 's'}", rotation=0, ha="right", va="center",
            labelpad=8, color=colour, fontweight="bold", fontsize=8.5,
        )  # fmt: skip
        rows.append([name, field.image_id, cells, len(field.cut)])
    for axes, title in zip(grid[0], titles, strict=True):
        named = f"augmented in training\n{wrap(augmented_for, 22)}" if title == "augmented" else title
        axes.set_title(named, loc="center")
    handles = [Patch(facecolor=colour, edgecolor="#D5DAE1", label=name) for name, colour in PARTS.items()]
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    return figure, pd.DataFrame(rows, columns=columns)


def draw_stages(inputs: Inputs) -> Drawn:
    """From picture to cells, from `manifest`, the plain `view`, the `normalised`, `processed` and `augmented` one if
    there are such, the tables `cells` and `images` of a cohort and the label maps next to them. Setting `augmented_for`
    is the model whose training changes pictures."""
    cells = inputs.path("cells")
    images = inputs.table("images", ["image_id", "cells"])
    chosen = typical_of(inputs.table("manifest"), images, task_of(inputs))
    wanted = [image for image in chosen.values() if image is not None]
    labels = labels_by_id(shards_in(cells.parent), wanted)
    plain = load(shards_in(inputs.path("view").parent), wanted)
    other: dict[str, dict[str, np.ndarray]] = {"normalised": {}, "processed": {}, "augmented": {}}
    for name in other:
        for path in inputs.paths(name):
            other[name] = load(shards_in(path.parent), wanted)
    cut = cut_cells(cells, wanted)
    stages = {
        name: Stages(
            Field(image, plain[image], labels[image], cut[image]),
            **{name: pictures.get(image) for name, pictures in other.items()},
        )
        if image
        else None
        for name, image in chosen.items()
    }
    return stage_chart(stages, inputs.settings.get("augmented_for", ""))
