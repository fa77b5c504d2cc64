"""Reliability diagrams: what was predicted against what came true, before and after calibration."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.config.tasks import task_of
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, MUTED, PALETTE, RULE, Drawn, class_colour, legend_columns, panels, wrap

STAGES = {"none": ("as trained", PALETTE[1], "o"), "temperature": ("temperature", PALETTE[0], "s")}
"""Calibrators that are drawn: name in the legend, colour, marker."""
COLUMNS = ["model", "calibrator", "class", "bin_low", "bin_high", "count", "predicted", "observed", "low", "high"]


def models_of(table: pd.DataFrame) -> list[str]:
    """Models in the order of the panels, the colour baseline first."""
    return sorted(table["model"].unique(), key=lambda name: (not is_baseline(name), name))


def reliability_chart(table: pd.DataFrame, calibration: pd.DataFrame, few: int) -> tuple[Figure, pd.DataFrame]:
    """A panel for each model: accuracy against confidence, as trained and with a temperature fitted on validation.

    `table` holds the bins of one panel's test images, `calibration` its measures (means over runs are written in). A
    line joins bins of at least `few` images; bins with fewer are pale. Bars along the bottom are shares of images as
    trained.
    """
    shown = table[(table["class"] == "") & table["calibrator"].isin(STAGES)]
    models = models_of(shown)
    figure, grid = panels(len(models), 4, 2.75, 2.95)
    for axes, model in zip(grid, models, strict=True):
        bins = shown[shown["model"] == model]
        _frame(axes, wrap(model, 26))
        before = bins[bins["calibrator"] == "none"]
        width = before["bin_high"] - before["bin_low"]
        axes.bar(
            before["bin_low"], 0.22 * before["count"] / before["count"].sum(), width, align="edge", color=RULE,
            edgecolor="white", linewidth=0.4, zorder=0,
        )  # fmt: skip
        for name, (_, colour, marker) in STAGES.items():
            _points(axes, bins[bins["calibrator"] == name], colour, marker, few)
        _write(axes, calibration[(calibration["model"] == model) & (calibration["class"] == "")])
        axes.label_outer()
    figure.supxlabel("Confidence", fontsize=9)
    figure.supylabel("Accuracy", fontsize=9)
    handles = [Line2D([], [], color=colour, marker=marker, label=name) for name, colour, marker in STAGES.values()]
    figure.legend(handles=handles, loc="outside upper center", ncols=3)
    return figure, shown[COLUMNS].reset_index(drop=True)


def _frame(axes: Axes, title: str) -> None:
    axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")
    axes.grid()
    axes.plot([0, 1], [0, 1], color=MUTED, linewidth=0.9, zorder=1)
    axes.set_title(title)


def _points(axes: Axes, bins: pd.DataFrame, colour: str, marker: str, few: int) -> None:
    """Bins with the interval of what was observed; a line joins those of at least `few` images, others are pale."""
    for part, pale in ((bins[bins["count"] >= few], False), (bins[bins["count"] < few], True)):
        if part.empty:
            continue
        if not pale:
            axes.plot(part["predicted"], part["observed"], color=colour, linewidth=1.1, zorder=2)
        alpha, size = (0.35, 9) if pale else (1, 26)
        axes.vlines(part["predicted"], part["low"], part["high"], color=colour, linewidth=0.8, alpha=alpha / 1.6)
        axes.scatter(
            part["predicted"], part["observed"], size, color=colour, marker=marker, edgecolors="white", alpha=alpha,
            linewidths=0.5, zorder=3,
        )  # fmt: skip


def _write(axes: Axes, measures: pd.DataFrame) -> None:
    """Mean ECE over runs of each stage, and the temperature."""
    for line, (name, (_, colour, _)) in enumerate(STAGES.items()):
        error, temperature = measures.loc[measures["calibrator"] == name, ["ece", "temperature"]].mean()
        text = f"ECE {error:.3f}" + (f", T {temperature:.2f}" if name == "temperature" else "")
        text = "no temperature determined" if np.isnan(error) else text
        axes.text(0.03, 0.95 - 0.085 * line, text, color=colour, fontsize=7.5, transform=axes.transAxes, va="top")


def class_reliability_chart(
    table: pd.DataFrame, calibration: pd.DataFrame, classes: Sequence[str], few: int
) -> tuple[Figure, pd.DataFrame]:
    """A panel for each model, a line for each class: its share of the images against its mean probability.

    As trained solid, with a temperature broken, both through bins of at least `few` images; bins with fewer are pale.
    Written in are Brier scores of each class against the rest, as trained (means over runs).
    """
    shown = table[(table["class"] != "") & table["calibrator"].isin(STAGES)]
    models = models_of(shown)
    figure, grid = panels(len(models), 4, 2.75, 2.95)
    for axes, model in zip(grid, models, strict=True):
        _frame(axes, wrap(model, 26))
        measures = calibration[(calibration["model"] == model) & (calibration["calibrator"] == "none")]
        brier = measures.groupby("class")["brier"].mean()
        for index, label in enumerate(classes):
            bins, colour = shown[(shown["model"] == model) & (shown["class"] == label)], class_colour(index)
            before = bins[bins["calibrator"] == "none"]
            _points(axes, before.assign(low=before["observed"], high=before["observed"]), colour, "o", few)
            after = bins[(bins["calibrator"] == "temperature") & (bins["count"] >= few)]
            axes.plot(after["predicted"], after["observed"], color=colour, linewidth=1, linestyle=(0, (3, 2)))
            if len(before):
                axes.text(0.97, 0.03 + 0.07 * (len(classes) - 1 - index), f"Brier {brier[label]:.3f}", color=colour,
                          fontsize=7, ha="right", transform=axes.transAxes)  # fmt: skip
        axes.label_outer()
    figure.supxlabel("Mean probability of the class", fontsize=9)
    figure.supylabel("Share of images of the class", fontsize=9)
    handles = [
        Line2D([], [], color=class_colour(k), marker="o", label=wrap(label, 24)) for k, label in enumerate(classes)
    ]
    handles.append(Line2D([], [], color=INK, linestyle=(0, (3, 2)), label="with a temperature"))
    figure.legend(handles=handles, loc="outside upper center", ncols=legend_columns(handles, figure, 9))
    return figure, shown[COLUMNS].reset_index(drop=True)


def confidence_chart(table: pd.DataFrame, errors: pd.DataFrame) -> tuple[Figure, pd.DataFrame]:
    """A panel for each model: how confidence is spread over right (upwards) and over wrong answers (downwards).

    Bars are shares of the right, and of the wrong; `errors` gives their mean confidence (means over runs).
    """
    shown = table[(table["class"] == "") & (table["calibrator"] == "none")].copy()
    shown["right"] = (shown["count"] * shown["observed"]).round().astype(int)
    shown["wrong"] = shown["count"] - shown["right"]
    models = models_of(shown)
    figure, grid = panels(len(models), 4, 2.75, 2.3)
    for axes, model in zip(grid, models, strict=True):
        bins = shown[shown["model"] == model]
        means = errors[errors["model"] == model][["confidence_right", "confidence_wrong"]].mean()
        for sign, name, colour in ((1, "right", PALETTE[0]), (-1, "wrong", PALETTE[1])):
            total = bins[name].sum()
            axes.bar(bins["bin_low"], sign * bins[name] / max(total, 1), bins["bin_high"] - bins["bin_low"],
                     align="edge", color=colour, edgecolor="white", linewidth=0.4)  # fmt: skip
            text = f"{total} {name}" + (f", mean {means[f'confidence_{name}']:.2f}" if total else "")
            axes.text(0.03, 0.95 if sign > 0 else 0.05, text, color=colour, fontsize=7.5, transform=axes.transAxes,
                      va="top" if sign > 0 else "bottom")  # fmt: skip
        axes.axhline(0, color=INK, linewidth=0.8)
        axes.set(
            xlim=(0, 1.005), ylim=(-1.05, 1.05), xticks=[0, 0.5, 1], yticks=[-1, 0, 1], yticklabels=["1", "0", "1"]
        )
        axes.set_title(wrap(model, 26))
        axes.label_outer()
    figure.supxlabel("Confidence", fontsize=9)
    figure.supylabel("Share of the wrong (down), of the right (up)", fontsize=9)
    return figure, shown[["model", "bin_low", "bin_high", "right", "wrong"]].reset_index(drop=True)


def draw_reliability(inputs: Inputs) -> Drawn:
    """Reliability of a panel on test images, from its tables `reliability` and `calibration`."""
    return reliability_chart(inputs.test("reliability"), inputs.test("calibration"), inputs.settings["fewest"])


def draw_reliability_classes(inputs: Inputs) -> Drawn:
    """Reliability of each class on test images, from the tables `reliability` and `calibration`."""
    bins, measures = inputs.test("reliability"), inputs.test("calibration")
    return class_reliability_chart(bins, measures, task_of(inputs).classes, inputs.settings["fewest"])


def draw_confidence(inputs: Inputs) -> Drawn:
    """Confidence of right and wrong answers on test images, from the tables `reliability` and `errors`."""
    return confidence_chart(inputs.test("reliability"), inputs.test("errors"))
