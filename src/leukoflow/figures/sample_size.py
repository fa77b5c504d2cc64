"""Accuracy against the number of training images."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.protocols import in_order
from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import (
    MUTED,
    PALETTE,
    Drawn,
    empty,
    legend_columns,
    line_style,
    panels,
    protocol_style,
    wrap,
)


def sample_size_chart(table: pd.DataFrame, metrics: Sequence[str] = ("accuracy", "f1")) -> tuple[Figure, pd.DataFrame]:
    """A panel for each model, a line of accuracy for each protocol with its interval, macro F1 dotted.

    `table` holds the sample sizes of one cohort, task and view; if there are several runs, bars are their standard
    deviation. `metrics` are what is shown: `accuracy` with or without `f1`.
    """
    table = table[table["class"] == ""].reset_index(drop=True)
    models = list(dict.fromkeys(table["model"]))
    if not models:
        return empty("No model was trained on several shares of the images."), table
    table = table[table["metric"].isin(metrics)].reset_index(drop=True)
    figure, grid = panels(len(models), 4, 2.7 if len(models) > 1 else 4.2, 2.7)
    least = float(np.nanmin(table[["low", "value"]].to_numpy(float)))
    for axes, model in zip(grid, models, strict=True):
        _panel(axes, table[table["model"] == model])
        axes.set(title=wrap(model, 26), ylim=(max(0.0, np.floor(10 * least) / 10 - 0.02), 1.02))
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.label_outer()
        axes.tick_params(labelbottom=True)
    figure.supxlabel("Training images", fontsize=9)
    figure.supylabel("On the same test images", fontsize=9)
    used = in_order(table["protocol"])
    handles = [Line2D([], [], **line_style(name), markersize=4.5, label=f"{name} split") for name in used]
    if "f1" in metrics:
        handles.append(Line2D([], [], color=MUTED, linestyle=":", label="macro F1"))
    figure.legend(handles=handles, loc="outside upper center", ncols=legend_columns(handles, figure, 6))
    return figure, table


def class_sizes_chart(table: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each model and protocol, a line of F1 for each class against the training images.

    `table` as for `sample_size_chart`; bars are standard deviations over runs.
    """
    table = table[(table["class"] != "") & (table["metric"] == "f1")].reset_index(drop=True)
    places = list(dict.fromkeys(table[["model", "protocol"]].itertuples(index=False, name=None)))
    if not places:
        return empty("No model was trained on several shares of the images."), table
    classes = list(dict.fromkeys(table["class"]))
    figure, grid = panels(len(places), 4, 2.7 if len(places) > 1 else 4.2, 2.7)
    for axes, (model, protocol) in zip(grid, places, strict=True):
        part = table[(table["model"] == model) & (table["protocol"] == protocol)]
        for number, label in enumerate(classes):
            line = part[part["class"] == label].sort_values("train_images")
            axes.errorbar(
                line["train_images"], line["value"], yerr=line["sd"].fillna(0), color=PALETTE[number % len(PALETTE)],
                marker="os^D"[number // len(PALETTE) % 4], markersize=4, linewidth=1.2, elinewidth=1, capsize=2,
            )  # fmt: skip
        axes.set(title=wrap(f"{model}, {protocol} split", 26), xlim=(0, None), ylim=(0, 1.02))
        axes.yaxis.set_major_formatter("{x:.0%}")
        axes.grid(axis="y")
    figure.supxlabel("Training images", fontsize=9)
    figure.supylabel("F1 of each class on the same test images", fontsize=9)
    handles = [
        Line2D([], [], color=PALETTE[number % len(PALETTE)], marker="os^D"[number // len(PALETTE) % 4], label=label)
        for number, label in enumerate(classes)
    ]
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 4))
    return figure, table


def _panel(axes: Axes, part: pd.DataFrame) -> None:
    for protocol, lines in part.groupby("protocol", sort=False):
        colour, marker = protocol_style(str(protocol))
        line = lines[lines["metric"] == "accuracy"].sort_values("train_images")
        axes.fill_between(line["train_images"], line["low"], line["high"], color=colour, alpha=0.14, linewidth=0)
        axes.errorbar(
            line["train_images"], line["value"], yerr=line["sd"].fillna(0), color=colour, marker=marker,
            markersize=4.5, elinewidth=1, capsize=2,
        )  # fmt: skip
        f1 = lines[lines["metric"] == "f1"].sort_values("train_images")
        axes.plot(f1["train_images"], f1["value"], color=colour, linestyle=":", linewidth=1.2)
    axes.set_xlim(left=0)
    axes.grid(axis="y")


def draw_sample_size(inputs: Inputs) -> Drawn:
    """Accuracy against the number of training images, from the table `sample_size`."""
    return sample_size_chart(inputs.rows("sample_size").astype({"class": object}).fillna({"class": ""}))
