"""Which ranked features models attend to: the leading ones by class, and all of them by rank."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.tasks import task_of
from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import INK, MUTED, RULE, Drawn, class_colour, empty, legend_columns, wrap

SHOWN = 12
"""Features in the bars."""
EVEN = (0, (3, 2))


def feature_attention_chart(tables: Mapping[str, pd.DataFrame], classes: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """A row for each model: bars of the features with the most attention, and all features by their rank.

    Tables by model, with the columns of a run's `feature_attention.parquet`. The table returned has model, then these
    columns, of all features over all images and of those in the bars by class.
    """
    tables = {name: table for name, table in tables.items() if len(table)}
    if not tables:
        return empty("No model attends to single features."), pd.DataFrame(columns=["model", "class", "feature"])
    figure = Figure(figsize=(9.6, 2.9 * len(tables) + 0.5), layout="constrained")
    grid = figure.subplots(len(tables), 2, squeeze=False, width_ratios=(1.25, 1))
    parts = []
    for (bars, ranks), (name, table) in zip(grid, tables.items(), strict=True):
        whole = table[table["class"] == ""].sort_values("position", ignore_index=True)
        top = whole.sort_values("attention", ascending=False, kind="stable").head(SHOWN)
        single = table[(table["class"] != "") & table["feature"].isin(top["feature"])]
        _bars(bars, top, single, classes, len(whole))
        bars.set_title(wrap(name, 40))
        _ranks(ranks, whole)
        parts.append(pd.concat([whole, single]).assign(model=name))
    grid[-1, 0].set_xlabel("Attention (all features: 1)")
    grid[-1, 1].set_xlabel("Rank of the feature")
    handles = [
        Line2D([], [], color=class_colour(index), marker="o", linestyle="none", markersize=5, label=wrap(name, 24))
        for index, name in enumerate(classes)
    ]
    handles.append(Line2D([], [], color=INK, linestyle=EVEN, linewidth=1, label="spread evenly"))
    figure.legend(handles=handles, loc="outside upper center", ncols=legend_columns(handles, figure, 6))
    table = pd.concat(parts, ignore_index=True)
    return figure, table[["model", *table.columns.drop("model")]]


def _bars(axes: Axes, top: pd.DataFrame, single: pd.DataFrame, classes: Sequence[str], count: int) -> None:
    places = range(len(top))
    spread = top["attention_sd"].fillna(0)
    # A share is no less than 0, whatever its standard deviation.
    below = spread.clip(upper=top["attention"])
    axes.barh(places, top["attention"], height=0.62, color=RULE)
    axes.errorbar(top["attention"], places, xerr=[below, spread], fmt="none", ecolor=MUTED, elinewidth=1, capsize=2)
    row = {feature: index for index, feature in enumerate(top["feature"])}
    for index, name in enumerate(classes):
        part = single[single["class"] == name]
        axes.plot(
            part["attention"], part["feature"].map(row), "o", color=class_colour(index), markersize=4,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
    axes.axvline(1 / count, color=INK, linestyle=EVEN, linewidth=1)
    labels = [f"{wrap(feature, 34)} (rank {rank + 1:,})" for feature, rank in zip(row, top["position"], strict=True)]
    axes.set_yticks(list(places), labels, fontsize=7)
    axes.set_ylim(len(top) - 0.4, -0.6)
    axes.set_xlim(left=0)
    axes.grid(axis="x")


def _ranks(axes: Axes, whole: pd.DataFrame) -> None:
    axes.plot(whole["position"] + 1, whole["attention"], "o", color=MUTED, markersize=2.5, alpha=0.7, markeredgewidth=0)
    axes.axhline(1 / len(whole), color=INK, linestyle=EVEN, linewidth=1)
    # The first rank is the most relevant feature: with a correlation of -1, relevance and attention agree.
    agreement = whole["position"].corr(whole["attention"], method="spearman") if len(whole) > 1 else float("nan")
    axes.set_title("" if pd.isna(agreement) else f"rank correlation {agreement:+.2f}", fontsize=8, fontweight="normal")
    axes.set_ylim(bottom=0)
    axes.grid()


def draw_feature_attention(inputs: Inputs) -> Drawn:
    """Attention to features of a panel's models, from their tables `attention`."""
    tables = {run.model: read_table(path) for run, path in inputs.by_run("attention").items()}
    return feature_attention_chart(tables, task_of(inputs).classes)
