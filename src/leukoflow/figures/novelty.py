"""How well images of another kind are noticed, and what the gate on image quality refuses."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.protocols import strictest
from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.figures.abstention import look, models_of
from leukoflow.figures.style import INK, MUTED, PALETTE, RULE, Drawn, empty, wrap

SCORES = {
    "mahalanobis": "Mahalanobis distance",
    "neighbours": "nearest neighbours",
    "energy": "energy",
    "softmax": "1 \N{MINUS SIGN} confidence",
}
ROLES = {
    "train": INK, "validation": INK, "test": INK, "external": PALETTE[1], "damaged": PALETTE[0],
    "non-smear": PALETTE[2],
}  # fmt: skip
MEASURES = {
    "focus": "focus",
    "exposure": "brightness",
    "dark_fraction": "dark pixels",
    "bright_fraction": "burnt-out pixels",
    "saturation": "saturation",
    "foreground_fraction": "area of cells",
    "background_L_mean": "field: lightness",
    "background_a_mean": "field: green to red",
    "background_b_mean": "field: blue to yellow",
}


def novelty_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each score, a row for each kind of image, a point for each model: AUROC against test images.

    `table` holds the detection by the runs of one panel; runs of a model are averaged.
    """
    columns = ["role", "kind", "score", "model", "auroc", "auroc_low", "auroc_high", "fpr95", "refused"]
    shown = table[table["role"] != "test"]
    if shown.empty:
        return empty("There are no images of another kind."), table.reindex(columns=columns)
    means = shown.groupby(columns[:4], sort=False)[columns[4:]].mean().reset_index()
    models, scores = models_of(means), [name for name in SCORES if (means["score"] == name).any()]
    kinds = list(dict.fromkeys(zip(means["role"], means["kind"], strict=True)))
    styles = look(models)
    step = max(0.26, 0.05 * len(models))
    figure = Figure(figsize=(1.9 + 2.1 * len(scores), 1.2 + step * len(kinds)), layout="constrained")
    grid = figure.subplots(1, len(scores), squeeze=False, sharey=True)[0]
    for axes, score in zip(grid, scores, strict=True):
        axes.axvspan(0, 0.5, color="#F3F5F8", zorder=0)
        axes.axvline(0.5, color=MUTED, linewidth=1)
        for row in means[means["score"] == score].to_dict("records"):
            number = models.index(row["model"])
            y = kinds.index((row["role"], row["kind"])) + 0.7 * ((number + 0.5) / len(models) - 0.5)
            colour = styles[row["model"]][0]
            axes.plot([row["auroc_low"], row["auroc_high"]], [y, y], color=colour, linewidth=1)
            axes.plot(row["auroc"], y, "o", color=colour, markersize=3.6)
        axes.set(title=SCORES[score], xlim=(-0.02, 1.02))
        axes.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        _kinds(axes, kinds)
    _named(grid[0], kinds, [wrap(kind, 28) for _, kind in kinds])
    figure.supxlabel("Chance that such an image looks stranger than a test image (AUROC)", fontsize=9)
    handles = [Line2D([], [], color=styles[name][0], marker="o", linestyle="none", label=name) for name in models]
    figure.legend(handles=handles, loc="outside upper center", ncols=4)
    return figure, means[columns]


def _kinds(axes: Axes, kinds: list[tuple[str, str]]) -> None:
    axes.set_ylim(len(kinds) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    for edge in range(1, len(kinds)):
        axes.axhline(edge - 0.5, color=RULE, linewidth=0.5 if kinds[edge][0] == kinds[edge - 1][0] else 1.4)


def _named(axes: Axes, kinds: list[tuple[str, str]], names: list[str]) -> None:
    """Names of the rows, for all panels that share them, in the colours of their roles."""
    axes.set_yticks(range(len(kinds)), names, fontsize=7.2)
    for label, (role, _) in zip(axes.get_yticklabels(), kinds, strict=True):
        label.set_color(ROLES[role])


def gate_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """Share of images that the gate refuses, and each measure: median and middle 90 % of every kind, limits shaded.

    `table` holds the gate's rows of one cohort and task; shown are those of the strictest split, first fold.
    """
    part = table[(table["protocol"] == strictest(table["protocol"])) & (table["fold"] == table["fold"].min())]
    part = part.assign(measure=part["measure"].fillna(""))
    kinds = list(dict.fromkeys(zip(part["role"], part["kind"], strict=True)))
    names = [f"{kind}, {role}" if role in ("train", "validation", "test") else kind for role, kind in kinds]
    names = [name.replace(", train", ", training") for name in names]
    figure = Figure(figsize=(12.5, 1.4 + 0.42 * len(kinds)), layout="constrained")
    grid = figure.subplots(2, 5, squeeze=False, sharey=True).ravel()
    for axes, measure in zip(grid, ["", *MEASURES], strict=True):
        rows = part[part["measure"] == measure]
        for row in rows.to_dict("records"):
            _spread(axes, row, kinds.index((row["role"], row["kind"])))
        if measure and len(rows):
            axes.axvspan(*rows[["limit_low", "limit_high"]].iloc[0], color="#DDEBF5", zorder=0)
        _kinds(axes, kinds)
        axes.set_title(MEASURES.get(measure, f"refused, {strictest} split"))
        axes.grid(axis="x")
    for axes in grid[::5]:
        _named(axes, kinds, names)
    grid[0].set_xlim(-0.03, 1.03)
    grid[0].xaxis.set_major_formatter("{x:.0%}")
    return figure, part


def _spread(axes: Axes, row: dict, y: int) -> None:
    """The share refused with its interval; of a measure the median and the middle 90 %."""
    whole = row["measure"] == ""
    low, value, high = (row[name] for name in (("low", "refused", "high") if whole else ("q05", "median", "q95")))
    if np.isnan(value):
        return
    colour = ROLES[row["role"]]
    axes.plot([low, high], [y, y], color=colour, linewidth=1.4, solid_capstyle="round")
    axes.plot(value, y, "o", color=colour, markersize=3.6)


def draw_novelty(inputs: Inputs) -> Drawn:
    """Images of another kind against test images, from the panel's table `novelty`."""
    return novelty_chart(inputs.table("novelty"))


def draw_gate(inputs: Inputs) -> Drawn:
    """The gate on image quality under every protocol, from the tables `gate`."""
    return gate_chart(pd.concat([read_table(path) for path in inputs.paths("gate")], ignore_index=True))
