"""What holding answers back gains: accuracy against coverage, and prediction sets that keep their promise or not."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, MUTED, RULE, Drawn, class_colour, empty, panels, wrap

STYLES = ("-", (0, (5, 2)), (0, (1, 1.5)))
METHODS = {"split": "all classes together", "class-conditional": "within each class"}


def models_of(table: pd.DataFrame) -> list[str]:
    """Models in the table's order, the colour baseline first."""
    return sorted(dict.fromkeys(table["model"]), key=lambda name: not is_baseline(name))


def look(models: Sequence[str]) -> dict[str, tuple[str, object]]:
    """Colour and line style of each model: the colour baseline grey, the others in turn."""
    networks = [name for name in models if not is_baseline(name)]
    baselines: dict[str, tuple[str, object]] = {name: (MUTED, (0, (3, 2))) for name in models if is_baseline(name)}
    return baselines | {name: (class_colour(k), STYLES[k // 7 % len(STYLES)]) for k, name in enumerate(networks)}


def targets_of(table: pd.DataFrame) -> list[str]:
    """The own cohort, then the others in the table's order."""
    cohort = table.loc[table["role"] == "test", "target"]
    return list(dict.fromkeys([*cohort, *table["target"]]))


def title_of(table: pd.DataFrame, target: str) -> str:
    """What a panel of this target shows."""
    return f"{target}, test" if (table["role"][table["target"] == target] == "test").any() else f"{target}, external"


def risk_coverage_chart(curves: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each cohort tested on, a line for each model: accuracy on the share of images it is most sure of.

    `curves` holds coverage and accuracy of the runs of one panel; runs of a model are averaged.
    """
    columns = ["target", "role", "model", "coverage", "accuracy"]
    if curves.empty:
        return empty("There is no labelled image to answer."), curves.reindex(columns=columns)
    means = curves.groupby(columns[:4], sort=False)["accuracy"].mean().reset_index()
    models, targets = models_of(means), targets_of(means)
    styles = look(models)
    figure, grid = panels(len(targets), 3, 3.5 if len(targets) > 1 else 5.2, 3.0)
    for axes, target in zip(grid, targets, strict=True):
        for model in models:
            line = means[(means["target"] == target) & (means["model"] == model)]
            colour, style = styles[model]
            axes.plot(line["coverage"], line["accuracy"], color=colour, linestyle=style)
        axes.set(title=title_of(means, target), xlim=(0, 1.01), ylim=(-0.01, 1.02))
        axes.xaxis.set_major_formatter("{x:.0%}")
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.grid()
    figure.supxlabel("Share of images answered, the most confident first", fontsize=9)
    figure.supylabel("Accuracy of these answers", fontsize=9)
    handles = [Line2D([], [], color=styles[name][0], linestyle=styles[name][1], label=name) for name in models]  # type: ignore[arg-type]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4))
    return figure, means[columns]


def conformal_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each cohort and level, a row for each model: share of sets that hold the true class, with intervals.

    `table` holds the conformal sets of the runs of one panel; runs of a model are averaged. The broken line is the
    level that was promised; the number next to it the mean size of the sets calibrated over all classes together.
    """
    columns = ["target", "role", "level", "model", "method", "coverage", "low", "high", "size"]
    whole = table[table["class"].fillna("") == ""]
    if whole.empty:
        return empty("There is no labelled image to answer."), table.reindex(columns=columns)
    means = whole.groupby(columns[:5], sort=False)[columns[5:]].mean().reset_index()
    models, targets, levels = models_of(means), targets_of(means), sorted(means["level"].unique())
    height = 0.9 + 0.26 * len(models)
    figure = Figure(figsize=(1.6 + 2.9 * len(targets), height * len(levels) + 0.7), layout="constrained")
    grid = figure.subplots(len(levels), len(targets), squeeze=False, sharex=True, sharey=True)
    for row, level in enumerate(levels):
        for axes, target in zip(grid[row], targets, strict=True):
            part = means[(means["target"] == target) & (means["level"] == level)]
            _rows(axes, part, models, level)
            axes.set_title(f"{title_of(means, target)}: {level:.0%}")
    for axes in grid[-1]:
        axes.set_xlim(-0.02, 1.02)
        axes.xaxis.set_major_formatter("{x:.0%}")
    figure.supxlabel("Share of prediction sets that hold the true class", fontsize=9)
    handles = [
        Line2D(
            [], [], color=INK, marker="o", markerfacecolor=fill, linestyle="none", label=f"calibrated {METHODS[name]}"
        )
        for name, fill in (("split", INK), ("class-conditional", "white"))
    ]
    handles.append(Line2D([], [], color=INK, linestyle=STYLES[1], linewidth=1, label="promised"))
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure, means[columns]


def _rows(axes: Axes, part: pd.DataFrame, models: list[str], level: float) -> None:
    styles = look(models)
    axes.axvline(level, color=INK, linestyle=STYLES[1], linewidth=1, zorder=1)
    for row in part.to_dict("records"):
        colour = styles[row["model"]][0]
        y = models.index(row["model"]) + (0.17 if row["method"] != "split" else -0.17)
        axes.plot([row["low"], row["high"]], [y, y], color=colour, linewidth=1.8, solid_capstyle="round")
        fill = colour if row["method"] == "split" else "white"
        axes.plot(row["coverage"], y, "o", color=colour, markerfacecolor=fill, markersize=5)
        if row["method"] == "split":
            across = axes.get_yaxis_transform()
            size = f"{row['size']:.1f}" if not np.isnan(row["size"]) else ""
            axes.text(1.01, y + 0.17, size, transform=across, fontsize=7.5, va="center", color=MUTED)
    axes.text(1.01, -0.75, "size", transform=axes.get_yaxis_transform(), fontsize=7.5, va="center", color=MUTED)
    axes.set_yticks(range(len(models)), [wrap(name, 26) for name in models])
    axes.set_ylim(len(models) - 0.5, -0.55)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    for edge in range(1, len(models)):
        axes.axhline(edge - 0.5, color=RULE, linewidth=0.5)


def draw_risk_coverage(inputs: Inputs) -> Drawn:
    """Accuracy against the share answered, from the panel's table `risk_curves`."""
    return risk_coverage_chart(inputs.table("risk_curves"))


def draw_conformal(inputs: Inputs) -> Drawn:
    """Coverage of prediction sets, from the panel's table `conformal`."""
    return conformal_chart(inputs.table("conformal"))
