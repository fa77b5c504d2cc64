"""Accuracy on changed images, a panel for each family of changes, a line for each model."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, MUTED, PALETTE, RULE, Drawn, empty, panels

FAMILIES = {
    "gaussian_noise": ("Gaussian noise", "variance"),
    "salt_pepper": ("Salt and pepper", "share of pixels"),
    "gaussian_blur": ("Gaussian blur", "sigma, pixels of 224"),
    "defocus": ("Defocus", "radius, pixels of 224"),
    "resolution": ("Resolution", "share of the side"),
    "jpeg": ("JPEG", "quality"),
    "occlusion": ("Occlusion", "share of the area"),
    "rotation": ("Rotation", "degrees"),
    "brightness": ("Brightness", "relative change"),
    "contrast": ("Contrast", "relative change"),
    "stain_shift": ("Stain", "pinker < 0 < bluer"),
}
"""Title and axis of each family."""
UNCHANGED = {"resolution": 1.0, "jpeg": 100.0}
"""Level at which a family changes nothing (or is shown to), if that is not 0."""
FALLING = ("resolution", "jpeg")
"""Families whose small levels are the strong ones; their axes run backwards, so that harm lies to the right."""
MOST_BANDS = 4
"""Most models whose intervals are shaded; more would hide each other."""
BASELINE_STYLE = (0, (3, 2))


def robustness_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Accuracy of each model of one panel by level, with intervals, and unchanged at the level that changes nothing.

    `table` holds the robustness of one cohort, task, view and protocol.
    """
    table = table[table["metric"] == "accuracy"].drop(columns="metric").reset_index(drop=True)
    families = [name for name in FAMILIES if name in set(table["perturbation"])]
    if not families:
        return empty("No family of changes has levels here."), table
    models = list(dict.fromkeys(table["model"]))
    figure, grid = panels(len(families), 4, 2.45, 2.0)
    styles = _styles(models)
    for axes, family in zip(grid, families, strict=True):
        for model in reversed(models):
            part = table[table["model"] == model]
            _line(axes, part, family, styles[model], shaded=len(models) <= MOST_BANDS)
        frame(axes, family)
    for number, axes in enumerate(grid):
        if number % 4:
            axes.set_yticklabels([])
    figure.supylabel("Accuracy on the same test images", fontsize=9)
    handles = [Line2D([], [], label=model, **styles[model]) for model in models]
    figure.legend(handles=handles, loc="outside lower center", ncols=min(len(handles), 4))
    return figure, table


def _styles(models: list[str]) -> dict[str, dict]:
    """Colours in order, then again with other lines; the colour baseline is broken and dark."""
    networks = [name for name in models if not is_baseline(name)]
    lines, markers = ("-", "-.", ":"), ("o", "s", "^")
    styles: dict[str, dict] = {}
    for number, name in enumerate(networks):
        turn = number // len(PALETTE) % len(lines)
        colour = PALETTE[number % len(PALETTE)]
        styles[name] = {"color": colour, "linestyle": lines[turn], "marker": markers[turn], "markersize": 3.2}
    for name in models:
        if is_baseline(name):
            styles[name] = {"color": INK, "linestyle": BASELINE_STYLE, "marker": "D", "markersize": 2.8}
    return {name: {"linewidth": 1.3} | styles[name] for name in models}


def _line(axes: Axes, part: pd.DataFrame, family: str, style: dict, shaded: bool) -> None:
    none = part[part["perturbation"] == "none"].assign(level=UNCHANGED.get(family, 0.0))
    points = pd.concat([none, part[part["perturbation"] == family]]).sort_values("level")
    axes.plot(points["level"], points["value"], **style)
    if shaded:
        axes.fill_between(points["level"], points["low"], points["high"], color=style["color"], alpha=0.12, linewidth=0)


def frame(axes: Axes, family: str) -> None:
    """Titles, scales and grid of a family's panel, whose values are shares."""
    title, unit = FAMILIES[family]
    axes.set(title=title, xlabel=unit, ylim=(-0.02, 1.03), yticks=[0, 0.25, 0.5, 0.75, 1.0])
    axes.yaxis.set_major_formatter("{x:.0%}")
    axes.xaxis.label.set(fontsize=8, color=MUTED)
    if family in FALLING:
        axes.invert_xaxis()
    if family == "gaussian_noise":  # the standard deviation is what is seen
        axes.set_xscale("function", functions=(_root, _square))
        axes.set_xticks([0, 0.01, 0.05, 0.1, 0.2], ["0", ".01", ".05", ".1", ".2"])
    axes.axvline(UNCHANGED.get(family, 0.0), color=RULE, linewidth=1, zorder=0)
    axes.grid(axis="y")


def _root(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.sqrt(np.abs(values))


def _square(values: np.ndarray) -> np.ndarray:
    return np.sign(values) * np.square(values)


def draw_robustness(inputs: Inputs) -> Drawn:
    """Accuracy on changed images of a panel, from its table `robustness`."""
    return robustness_chart(inputs.table("robustness"))
