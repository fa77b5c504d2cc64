"""Feature maps before and behind a network's attention, and of its twin without attention."""

from collections.abc import Mapping, Sequence

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from leukoflow.config.tasks import task_of
from leukoflow.core.inputs import Inputs
from leukoflow.figures.contact import place_picture
from leukoflow.figures.pictures import load, shards_in
from leukoflow.figures.style import INK, MUTED, Drawn, class_colour, empty, wrap

STAGES = {"before": "before attention", "after": "behind attention", "without": "twin without attention"}
MOST = 5
"""Images of each architecture."""
HEAD = 0.42
"""Height of a row of names, in rows of pictures."""
COLOURS = matplotlib.colormaps["viridis"]


def attention_maps_chart(
    table: pd.DataFrame, pictures: Mapping[str, np.ndarray], classes: Sequence[str]
) -> tuple[Figure, pd.DataFrame]:
    """A row for each architecture and image: the picture, then the strongest channels at each stage.

    `table` has the columns of step `attention_maps`; pictures: uint8 [H, W, 3] of each image. The table returned has no
    values, and the range of each map in their place.
    """
    columns = ["model", "image_id", "class", "predicted", "stage", "channels", "likeness", "place", "channel"]
    attending = table.loc[table["stage"] == "before", "architecture"]
    table = table[table["architecture"].isin(attending)]
    if table.empty:
        return empty("No network attends to positions."), pd.DataFrame(columns=[*columns, "least", "greatest"])
    images = list(table.drop_duplicates("image_id").sort_values(["y", "image_id"])["image_id"])[:MOST]
    stages = [stage for stage in STAGES if stage in set(table["stage"])]
    places = int(table["place"].max()) + 1
    architectures = list(dict.fromkeys(table["architecture"]))
    # A narrow empty column stands before each stage, and a row for names above each architecture.
    widths = [1.0, *([0.22, *[1.0] * places] * len(stages))]
    heights = [HEAD, *[1.0] * len(images)] * len(architectures)
    side = 0.86
    layout = ConstrainedLayoutEngine(w_pad=0.01, h_pad=0.02, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=(sum(widths) * side + 1.2, sum(heights) * (side + 0.12) + 0.3), layout=layout)
    grid = figure.subplots(len(heights), len(widths), squeeze=False, width_ratios=widths, height_ratios=heights)
    for axes in grid.ravel():
        axes.axis("off")
    starts = {stage: 2 + number * (places + 1) for number, stage in enumerate(stages)}
    groups = dict(list(table.groupby(["architecture", "image_id", "stage", "place"])))
    for block, architecture in enumerate(architectures):
        head, *lines = grid[block * (1 + len(images)) : (block + 1) * (1 + len(images))]
        part = table[table["architecture"] == architecture]
        for stage in part["stage"].unique():
            _title(
                head[starts[stage]], f"{STAGES[stage]}\n{wrap(part.loc[part['stage'] == stage, 'model'].iloc[0], 40)}"
            )
        for line, image in zip(lines, images, strict=True):
            label = int(part.loc[part["image_id"] == image, "y"].iloc[0])
            _picture(line[0], pictures[image], classes, label)
            for stage, start in starts.items():
                for column in range(places):
                    row = groups.get((architecture, image, stage, column))
                    if row is not None:
                        _map(line[start + column], row.iloc[0], classes)
    figure.text(
        0.995, 0.004, "Each map in its own range: dark least, bright most.", ha="right", va="bottom", fontsize=7,
        color=MUTED,
    )  # fmt: skip
    table = table[table["image_id"].isin(images)]
    names = {name: [classes[index] for index in table[name]] for name in ("y", "predicted")}
    named = table.assign(**{"class": names["y"], "predicted": names["predicted"]})
    for name, end in (("least", np.min), ("greatest", np.max)):
        named[name] = [float(end(values)) for values in table["values"]]
    return figure, named[[*columns, "least", "greatest"]].reset_index(drop=True)


def _picture(axes: Axes, picture: np.ndarray, classes: Sequence[str], label: int) -> None:
    axes.axis("on")
    place_picture(axes, picture, len(picture))
    axes.set_ylabel(
        wrap(classes[label], 14), rotation=0, ha="right", va="center", labelpad=5, fontsize=7.5,
        color=class_colour(label), fontweight="bold",
    )  # fmt: skip


def _map(axes: Axes, row: pd.Series, classes: Sequence[str]) -> None:
    # Squares, for that is all that there is: nothing is smoothed.
    axes.imshow(np.reshape(row["values"], (row["rows"], row["columns"])), cmap=COLOURS, interpolation="nearest")
    axes.set_title(f"{row['channel']}", fontsize=6, loc="center", pad=1.5, color=MUTED, fontweight="normal")
    if row["place"] == 0 and row["predicted"] != row["y"]:
        axes.text(
            0.0,
            -0.04,
            f"answers {wrap(classes[row['predicted']], 14)}",
            transform=axes.transAxes,
            fontsize=5.5,
            va="top",
        )


def _title(axes: Axes, text: str) -> None:
    """Words above the maps of a stage, which are wider than the axes."""
    words = axes.text(0, 0, text, fontsize=8, color=INK, fontweight="bold", va="bottom", transform=axes.transAxes)
    words.set_in_layout(False)


def draw_attention_maps(inputs: Inputs) -> Drawn:
    """What attention makes of maps, from the panel's table `maps` and the `view`."""
    table = inputs.table("maps")
    pictures = load(shards_in(inputs.path("view").parent), list(dict.fromkeys(table["image_id"])))
    return attention_maps_chart(table, pictures, task_of(inputs).classes)
