"""ROC and precision-recall curves, a panel for each model, a line for each class."""

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.runs import is_baseline
from leukoflow.figures.style import INK, MUTED, RULE, class_colour, panels, wrap

Kind = Literal["roc", "pr"]
LABELS = {"roc": ("False positive rate", "True positive rate"), "pr": ("Recall", "Precision")}
POINTS = 201
MACRO = "macro average"


def roc_points(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates at every threshold, both from 0 to 1; `positive` [n] bool, `score` [n]."""
    right, wrong = _counts(positive, score)
    return np.r_[0, wrong] / max(wrong[-1], 1), np.r_[0, right] / max(right[-1], 1)


def pr_points(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall (0 to 1) and precision at every threshold; the first point repeats the highest threshold's precision."""
    right, wrong = _counts(positive, score)
    # Past full recall, lower thresholds add nothing but mistakes.
    full = int(np.argmax(right == right[-1])) + 1
    right, wrong = right[:full], wrong[:full]
    precision = right / (right + wrong)
    return np.r_[0, right] / max(right[-1], 1), np.r_[precision[0], precision]


def _counts(positive: np.ndarray, score: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Positives and negatives with at least each distinct score, the highest first."""
    order = np.argsort(-score, kind="stable")
    last = np.r_[np.flatnonzero(np.diff(score[order])), len(score) - 1]
    right = np.cumsum(positive[order])[last]
    return right, last + 1 - right


def area(kind: Kind, x: np.ndarray, y: np.ndarray) -> float:
    """Area under a ROC curve (trapezia), or average precision (steps)."""
    if kind == "roc":
        return float(np.trapezoid(y, x))
    return float((np.diff(x) * y[1:]).sum())


def curve_table(kind: Kind, y: np.ndarray, probabilities: np.ndarray, classes: Sequence[str]) -> pd.DataFrame:
    """Curves of all classes and their mean: class, x, y, area; y [n] int, probabilities [n, K].

    Each class against the rest; a class without images, or without any other, has no curve. The macro average is the
    mean curve on a grid (its area is the mean of the areas).
    """
    grid, parts, means, areas = np.linspace(0, 1, POINTS), [], [], []
    for index, name in enumerate(classes):
        positive = y == index
        if not positive.any() or positive.all():
            continue
        x, height = (roc_points if kind == "roc" else pr_points)(positive, probabilities[:, index])
        areas.append(area(kind, x, height))
        means.append(_at(kind, x, height, grid))
        keep = _corners(x, height)
        parts.append(pd.DataFrame({"class": name, "x": x[keep], "y": height[keep], "area": areas[-1]}))
    if means:
        parts.append(pd.DataFrame({"class": MACRO, "x": grid, "y": np.mean(means, axis=0), "area": np.mean(areas)}))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=["class", "x", "y", "area"])


def _at(kind: Kind, x: np.ndarray, y: np.ndarray, grid: np.ndarray) -> np.ndarray:
    if kind == "pr":
        return y[np.minimum(np.searchsorted(x, grid), len(x) - 1)]
    # At a vertical step the curve's upper end counts.
    upper = np.flatnonzero(np.r_[np.diff(x) > 0, True])
    return np.interp(grid, x[upper], y[upper])


def _corners(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Points that a straight line does not already pass through, and of those no more than can be seen."""
    if len(x) < 3:
        return np.arange(len(x))
    ahead, behind = (np.diff(x)[1:], np.diff(y)[1:]), (np.diff(x)[:-1], np.diff(y)[:-1])
    bends = np.flatnonzero(np.abs(ahead[0] * behind[1] - ahead[1] * behind[0]) > 1e-12) + 1
    keep = np.r_[0, bends, len(x) - 1]
    return keep if len(keep) <= 3 * POINTS else np.unique(keep[np.linspace(0, len(keep) - 1, 3 * POINTS).astype(int)])


def curves(kind: Kind, predictions: Mapping[str, pd.DataFrame], classes: Sequence[str]) -> tuple[Figure, pd.DataFrame]:
    """Panels of the test role of each model, the colour baseline first; folds and seeds are pooled.

    `predictions` holds each model's table (y, role, perturbation, probabilities). The table returned has the plotted
    points: model, class, x, y, area.
    """
    models = sorted(predictions, key=lambda name: (not is_baseline(name), name))
    figure, grid = panels(len(models), 4, 2.75, 2.85)
    parts = []
    for axes, model in zip(grid, models, strict=True):
        table = predictions[model]
        rows = table[(table["role"] == "test") & (table["perturbation"] == "none") & (table["y"] >= 0)]
        shares = np.stack([np.asarray(each, float) for each in rows["probabilities"]])
        points = curve_table(kind, rows["y"].to_numpy(), shares, classes)
        _panel(axes, kind, points, classes)
        axes.set_title(wrap(model, 26))
        axes.label_outer()
        parts.append(points.assign(model=model))
    figure.supxlabel(LABELS[kind][0], fontsize=9)
    figure.supylabel(LABELS[kind][1], fontsize=9)
    handles = [Line2D([], [], color=class_colour(index), label=name) for index, name in enumerate(classes)]
    handles.append(Line2D([], [], color=INK, linestyle=(0, (4, 2)), label=MACRO))
    figure.legend(handles=handles, loc="outside upper center", ncols=min(len(handles), 2 * min(4, len(models)) + 1))
    return figure, pd.concat(parts, ignore_index=True)[["model", "class", "x", "y", "area"]]


def _panel(axes: Axes, kind: Kind, points: pd.DataFrame, classes: Sequence[str]) -> None:
    axes.grid()
    axes.set(xlim=(-0.015, 1.015), ylim=(-0.015, 1.015), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1], aspect="equal")
    if kind == "roc":
        axes.plot([0, 1], [0, 1], color=RULE, linewidth=1)
    _lines(axes, points, classes)
    good = len(points) > 0 and points["area"].min() > 0.9
    if good:
        # Curves of a good model hug the corner; the inset enlarges it five times.
        span = (-0.004, 0.2) if kind == "roc" else (0.8, 1.004)
        inset = axes.inset_axes(
            (0.46, 0.44, 0.46, 0.46) if kind == "roc" else (0.08, 0.44, 0.46, 0.46), xlim=span, ylim=(0.8, 1.004)
        )
        inset.set(xticks=[], yticks=[])
        inset.spines[:].set(visible=True, color=MUTED, linewidth=0.6)
        _lines(inset, points, classes)
    name = "AUC" if kind == "roc" else "AP"
    shown = points.drop_duplicates("class")
    shown = shown if len(classes) <= 5 else shown[shown["class"] == MACRO]
    lines = [(f"{name} {value:.3f}", label) for label, value in zip(shown["class"], shown["area"], strict=True)]
    for row, (text, label) in enumerate(reversed(lines)):
        colour = INK if label == MACRO else class_colour(list(classes).index(label))
        x = 0.97 if kind == "roc" else 0.04
        axes.text(
            x, 0.04 + 0.075 * row, text, color=colour, fontsize=7, transform=axes.transAxes,
            ha="right" if kind == "roc" else "left",
        )  # fmt: skip


def _lines(axes: Axes, points: pd.DataFrame, classes: Sequence[str]) -> None:
    for label, line in points.groupby("class", sort=False):
        if label == MACRO:
            axes.plot(line["x"], line["y"], color=INK, linewidth=1.1, linestyle=(0, (4, 2)), zorder=3)
        else:
            axes.plot(line["x"], line["y"], color=class_colour(list(classes).index(str(label))), linewidth=1.4)
