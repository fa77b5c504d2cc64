"""Where networks look: pictures under their heat, and what the heat is worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import matplotlib
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.lines import Line2D
from matplotlib.patheffects import withStroke
from matplotlib.ticker import MaxNLocator

from leukoflow.cells.labels import labels_by_id
from leukoflow.config.tasks import task_of
from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.figures.contact import outlines, place_picture
from leukoflow.figures.pictures import load, shards_in
from leukoflow.figures.style import INK, MUTED, Drawn, class_colour, empty, wrap

METHODS = {
    "gradcam": "Grad-CAM", "gradcam_1": "Grad-CAM, first trunk", "gradcam_2": "Grad-CAM, second trunk",
    "attention": "attention", "rollout": "attention rollout",
    "stack_1": "self-attention, first trunk", "stack_2": "self-attention, second trunk",
    "uniform": "uniform", "centre": "centre", "edges": "edges (Sobel)",
}  # fmt: skip
HEAT = matplotlib.colormaps["viridis"]
"""Even in lightness, and distinguished by readers with any colour vision and in print."""
STRENGTH = 0.62
"""How much of the heat's colour lies over a picture, which itself is shown in grey."""
WRONG = 4
"""Most columns of misclassified images."""


@dataclass(frozen=True)
class Shown:
    """One model's explanations, ready to be drawn."""

    model: str
    rows: pd.DataFrame
    """Table of single images (`steps.explain`), index 0 to n - 1."""
    heat: np.ndarray
    """uint8 [n, h, w], of the same rows."""


def own_method(rows: pd.DataFrame) -> list[str]:
    """The methods of a model that are drawn: Grad-CAM, and what shows its attention over all blocks."""
    methods = list(dict.fromkeys(rows.loc[~rows["reference_map"].astype(bool), "method"]))
    return [name for name in methods if name != "attention" or "rollout" not in methods]


def pick_right(shown: Sequence[Shown], classes: int) -> list[str | None]:
    """For each class the image that most models get right, of such that many explain; None if there is none."""
    every = pd.concat([run.rows.drop_duplicates("image_id") for run in shown])
    every["right"] = every["y"] == every["predicted"]
    counts = every.groupby(["y", "image_id"])["right"].agg(right="sum", explained="size").reset_index()
    counts = counts[counts["right"] > 0]
    counts["_worth"] = -2 * counts["right"] - counts["explained"]
    best = counts.sort_values(["_worth", "image_id"]).drop_duplicates("y").set_index("y")["image_id"]
    return [best.get(label) for label in range(classes)]


def pick_wrong(run: Shown) -> list[str]:
    """Up to `WRONG` misclassified images of a model, of as many classes as there are."""
    once = run.rows.drop_duplicates("image_id")
    wrong = once[once["y"] != once["predicted"]].sort_values("image_id")
    turn = wrong.groupby("y").cumcount()
    return list(wrong.assign(_turn=turn).sort_values(["_turn", "y"])["image_id"][:WRONG])


def overlay(picture: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """A picture uint8 [H, W, 3] in grey under the colours of its heat uint8 [h, w]: uint8 [H, W, 3]."""
    size = picture.shape[1::-1]
    warm = HEAT(cv2.resize(heat, size, interpolation=cv2.INTER_LINEAR))[..., :3] * 255
    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)[..., None].astype(float)
    return np.rint(STRENGTH * warm + (1 - STRENGTH) * grey).astype(np.uint8)


def explanation_grid(
    shown: Sequence[Shown],
    pictures: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    classes: Sequence[str],
) -> tuple[Figure, pd.DataFrame]:
    """A row for each model and method: an image of each class that most get right, then the model's own mistakes.

    pictures: uint8 [H, W, 3] of each image; labels: label maps uint16 [S, S], none where the study has no cells. The
    table has model, method, image_id, class, predicted, shown_as (`one of the class`, `mistake`).
    """
    columns = ["model", "method", "image_id", "class", "predicted", "shown_as"]
    if not shown:
        return empty("No model was explained."), pd.DataFrame(columns=columns)
    right, wrong = pick_right(shown, len(classes)), {run.model: pick_wrong(run) for run in shown}
    rows = [(run, method) for run in shown for method in own_method(run.rows)]
    mistakes = max(map(len, wrong.values()))
    figure, grid = _grid(len(rows) + 1, len(classes) + mistakes)
    table: list[tuple] = []
    for column, (name, image) in enumerate(zip(classes, right, strict=True)):
        grid[0, column].set_title(wrap(name, 12), loc="center", color=class_colour(column), fontsize=8.5)
        _picture(grid[0, column], pictures, labels, image)
    for axes in grid[0, len(classes) :]:
        axes.axis("off")
    if mistakes:
        grid[0, len(classes)].set_title("misclassified", fontsize=8.5, y=0.02)
    _row_name(grid[0, 0], "picture", "cells outlined" if labels else "")
    for line, (run, method) in enumerate(rows, start=1):
        _row_name(grid[line, 0], run.model, METHODS[method])
        images = [*right, *wrong[run.model], *[None] * (mistakes - len(wrong[run.model]))]
        explained = {str(row["image_id"]): row for _, row in run.rows[run.rows["method"] == method].iterrows()}
        for column, (axes, image) in enumerate(zip(grid[line], images, strict=True)):
            explanation = explained.get(image) if image else None
            _explained(axes, explanation, run.heat, pictures, labels, classes, column >= len(classes))
            if explanation is not None:
                names = classes[int(explanation["y"])], classes[int(explanation["predicted"])]
                kind = "one of the class" if column < len(classes) else "mistake"
                table.append((run.model, method, image, *names, kind))
    bar = figure.colorbar(ScalarMappable(cmap=HEAT), ax=grid, location="bottom", aspect=50, shrink=0.4, pad=0.01)
    bar.set_ticks([0, 1], labels=["no heat", "most"])
    bar.outline.set_visible(False)
    return figure, pd.DataFrame(table, columns=columns)


def _grid(rows: int, columns: int) -> tuple[Figure, np.ndarray]:
    side = float(np.clip(9.5 / columns, 0.85, 1.4))
    layout = ConstrainedLayoutEngine(w_pad=0.015, h_pad=0.015, wspace=0.0, hspace=0.0)
    figure = Figure(figsize=(columns * side + 1.5, rows * (side + 0.06) + 0.75), layout=layout)
    return figure, figure.subplots(rows, columns, squeeze=False)


def _row_name(axes: Axes, name: str, method: str) -> None:
    text = f"{wrap(name, 16)}\n{wrap(method, 18)}" if method else name
    axes.set_ylabel(text, rotation=0, ha="right", va="center", labelpad=6, fontsize=7.5, color=INK)


def _picture(
    axes: Axes, pictures: Mapping[str, np.ndarray], labels: Mapping[str, np.ndarray], image: str | None
) -> None:
    if image is None:
        _nothing(axes)
        return
    side = len(labels[image]) if image in labels else len(pictures[image])
    place_picture(axes, pictures[image], side)
    _outline(axes, labels.get(image))


def _explained(
    axes: Axes,
    explanation: pd.Series | None,
    heat: np.ndarray,
    pictures: Mapping[str, np.ndarray],
    labels: Mapping[str, np.ndarray],
    classes: Sequence[str],
    mistake: bool,
) -> None:
    if explanation is None:
        _nothing(axes)
        return
    image = str(explanation["image_id"])
    _picture(axes, {image: overlay(pictures[image], heat[int(str(explanation.name))])}, labels, image)
    true, predicted = (wrap(classes[int(explanation[column])], 16) for column in ("y", "predicted"))
    if mistake or true != predicted:
        text = f"{true} as\n{predicted}" if mistake else f"as {predicted}"
        axes.text(
            0.04, 0.05, text, transform=axes.transAxes, fontsize=6, color="white", va="bottom", linespacing=1.05,
            path_effects=[withStroke(linewidth=1.6, foreground="#10131A")],
        )  # fmt: skip


def _nothing(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.spines[:].set_visible(False)


def _outline(axes: Axes, labels: np.ndarray | None) -> None:
    if labels is None:
        return
    for polygons in outlines(labels).values():
        for polygon in polygons:
            axes.plot(
                *np.vstack([polygon, polygon[:1]]).T, color="white", linewidth=0.7,
                path_effects=[withStroke(linewidth=1.6, foreground="#10131A")],
            )  # fmt: skip


PANELS = {
    "cells_ratio": ("Heat in white cells\nover their area", 1.0),
    "nuclei_ratio": ("Heat in nuclei\nover their area", 1.0),
    "deletion_gain": ("Deletion, gain\nover chance", 0.0),
    "insertion_gain": ("Insertion, gain\nover chance", 0.0),
    "rank_all": ("Likeness after all\nweights are scrambled", 0.0),
    "rank_edges": ("Likeness to\nthe picture's edges", 0.0),
}
"""Title of each panel, and the value that says nothing."""
COLOURS = {
    "gradcam": ("#0072B2", "o"), "gradcam_1": ("#56B4E9", "<"), "gradcam_2": ("#56B4E9", ">"),
    "attention": ("#D55E00", "s"), "rollout": ("#009E73", "D"),
    "stack_1": ("#CC79A7", "p"), "stack_2": ("#CC79A7", "P"),
}  # fmt: skip
REFERENCE_MAPS = {"centre": ("^", "centre, knows no network"), "edges": ("v", "edges, know no network")}


def explanation_scores(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A row for each model and method, a panel for each score with its interval; reference maps hollow next to them.

    `table` holds the explanations of one panel.
    """
    every = table[(table["subset"] == "all") & table["score"].isin(PANELS)]
    names = [name for name in PANELS if every.loc[every["score"] == name, "value"].notna().any()]
    explanations = every[~every["reference_map"].astype(bool)]
    if explanations.empty or not names:
        return empty("No model was explained."), every
    keys = list(dict.fromkeys(zip(explanations["model"], explanations["method"], strict=True)))
    figure = Figure(figsize=(1.7 + 1.75 * len(names), 0.26 * len(keys) + 1.5), layout="constrained")
    grid = figure.subplots(1, len(names), squeeze=False, sharey=True)[0]
    for axes, name in zip(grid, names, strict=True):
        part = every[every["score"] == name].set_index(["model", "method"])
        title, nothing = PANELS[name]
        axes.axvline(nothing, color=MUTED, linewidth=1, zorder=1)
        for y, key in enumerate(keys):
            _score(axes, part, key, y, name)
        axes.set_title(title, fontsize=8, loc="left")
        axes.grid(axis="x")
        axes.xaxis.set_major_locator(MaxNLocator(4))
        axes.tick_params(axis="y", length=0)
    grid[0].set_yticks(range(len(keys)), [f"{model}, {METHODS[method]}" for model, method in keys])
    grid[0].set_ylim(len(keys) - 0.45, -0.55)
    _legend(figure, {method for _, method in keys})
    return figure, every


def _score(axes: Axes, part: pd.DataFrame, key: tuple[str, str], y: int, score: str) -> None:
    colour, marker = COLOURS[key[1]]
    value, low, high = (float(number) for number in part.loc[key, ["value", "low", "high"]].to_numpy())
    axes.plot([low, high], [y, y], color=colour, linewidth=1.8, solid_capstyle="round")
    axes.plot(value, y, marker, color=colour, markersize=5, markeredgecolor="white", markeredgewidth=0.5)
    if score.startswith("rank"):
        return  # of reference maps these are 1 by construction
    for name, (shape, _) in REFERENCE_MAPS.items():
        if (key[0], name) in part.index:
            value = part["value"].to_dict()[key[0], name]
            axes.plot(value, y, shape, color=MUTED, markerfacecolor="white", markersize=4, zorder=1.5)


def _legend(figure: Figure, methods: set[str]) -> None:
    handles = [
        Line2D([], [], color=colour, marker=marker, label=METHODS[name])
        for name, (colour, marker) in COLOURS.items()
        if name in methods
    ]
    handles += [
        Line2D([], [], color=MUTED, marker=marker, markerfacecolor="white", linestyle="none", label=label)
        for marker, label in REFERENCE_MAPS.values()
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)


def draw_explain(inputs: Inputs) -> Drawn:
    """Heat maps of a panel's runs, from their tables `explained` and arrays `heat`, the `view`, and `labels` if any."""
    heat = inputs.by_run("heat")
    shown = [
        Shown(run.model, read_table(path), np.load(heat[run], mmap_mode="r"))
        for run, path in inputs.by_run("explained").items()
    ]
    classes = task_of(inputs).classes
    wanted = [image for image in pick_right(shown, len(classes)) if image is not None]
    wanted = list(dict.fromkeys([*wanted, *(image for run in shown for image in pick_wrong(run))]))
    pictures = load(shards_in(inputs.path("view").parent), wanted)
    maps = inputs.paths("labels")
    return explanation_grid(shown, pictures, labels_by_id(maps, wanted) if maps else {}, classes)


def draw_explain_scores(inputs: Inputs) -> Drawn:
    """What the heat maps are worth, from the panel's table `explanations`."""
    return explanation_scores(inputs.table("explanations"))
