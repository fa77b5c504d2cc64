"""What each operation of a view's chain makes of a picture, and what it costs."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from leukoflow.cells.labels import labels_by_id
from leukoflow.config.tasks import task_of
from leukoflow.config.views import View
from leukoflow.core.inputs import Inputs
from leukoflow.figures.choice import by_class
from leukoflow.figures.pictures import show
from leukoflow.figures.style import Drawn, class_colour, empty, wrap
from leukoflow.images.sources import listed, read_picture, sources
from leukoflow.images.stages import Stage, stages
from leukoflow.images.stain import fitted

COLUMNS = ["class", "image_id", "number", "operation", "milliseconds"]


def chain_chart(
    shown: Mapping[str, tuple[str, Sequence[Stage]]], classes: Sequence[str]
) -> tuple[Figure, pd.DataFrame]:
    """A row for each class, a column for each stage; above each the median over rows of the time up to there.

    shown: image id and stages by class.
    """
    if not shown:
        return empty("There is no image of these classes."), pd.DataFrame(columns=COLUMNS)
    count = max(len(chain) for _, chain in shown.values())
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.02, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=(1.7 * count + 1.1, 1.7 * len(shown) + 0.5), layout=layout)
    grid = figure.subplots(len(shown), count, squeeze=False)
    rows = [
        {
            "class": name,
            "image_id": image,
            "number": number,
            "operation": stage.name,
            "milliseconds": stage.milliseconds,
        }
        for name, (image, chain) in shown.items()
        for number, stage in enumerate(chain)
    ]
    table = pd.DataFrame(rows, columns=COLUMNS)
    medians = table.groupby("number")["milliseconds"].median()
    for row, (name, (_, chain)) in enumerate(shown.items()):
        for column, stage in enumerate(chain):
            show(grid[row, column], stage.pixels)
            if row == 0:
                time = f"\n{medians[column]:.3g} ms" if column else ""
                grid[row, column].set_title(f"{wrap(stage.name)}{time}", loc="center", fontsize=8.5)
        grid[row, 0].set_ylabel(
            wrap(name, 14), rotation=0, ha="right", va="center", labelpad=8, fontweight="bold", fontsize=8.5,
            color=class_colour(list(classes).index(name)),
        )  # fmt: skip
    return figure, table


def draw_chain(inputs: Inputs) -> Drawn:
    """The chain of a panel's view, setting `view`, on the image in the middle of each class, from the `manifest` and
    the image `files` under the setting `root`; `labels` are label maps, for chains that need cells, and `stains` what
    was found for the target of the chain."""
    stain = next(iter(inputs.paths("stains")), None)
    task, view = task_of(inputs), fitted(View.model_validate(inputs.settings["view"]), stain)
    groups = by_class(inputs.table("manifest"), task)
    chosen = {name: str(groups[name].iloc[len(groups[name]) // 2]) for name in task.classes if len(groups[name])}
    wanted = list(chosen.values())
    rows = listed(inputs.path("files")).set_index("image_id", drop=False).loc[wanted]
    files = sources(Path(inputs.settings["root"]), rows)
    cells: dict[str, np.ndarray] = labels_by_id(inputs.paths("labels"), wanted) if view.needs_cells else {}
    shown = {
        name: (image, stages(read_picture(file, inputs.settings["max_pixels"]), view, cells.get(image)))
        for (name, image), file in zip(chosen.items(), files, strict=True)
    }
    return chain_chart(shown, task.classes)
