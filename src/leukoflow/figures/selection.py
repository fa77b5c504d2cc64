"""Which features were chosen, by what score, and whether the choice holds on other images."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import run_of
from leukoflow.figures.style import PALETTE, Drawn, empty

TOP = 20
LONGEST = 34
WIDE = 20
"""Times the median score from which the axis of scores is logarithmic."""
MEASURES = {"jaccard": ("Jaccard", "-", "o"), "kuncheva": ("Kuncheva", "--", "s")}


def leading(ranking: pd.DataFrame, count: int = TOP) -> pd.DataFrame:
    """The first `count` features of the first run, in order: position, feature, score, runs, chosen.

    `ranking` has fold, seed, position (from 0), feature, score. `chosen` says in how many of the `runs` the feature is
    among the first `count`.
    """
    runs = ranking.drop_duplicates(["fold", "seed"]).sort_values(["fold", "seed"])
    if runs.empty:
        return pd.DataFrame(columns=["position", "feature", "score", "runs", "chosen"])
    first = runs.iloc[0]
    rows = ranking[(ranking["fold"] == first["fold"]) & (ranking["seed"] == first["seed"])]
    top = rows.sort_values("position", kind="stable").head(count)[["position", "feature", "score"]]
    places = ranking.groupby(["fold", "seed"])["position"].rank(method="first")
    times = ranking.loc[places <= count, "feature"].value_counts()
    return top.assign(runs=len(runs), chosen=times.reindex(top["feature"]).to_numpy()).reset_index(drop=True)


def selection_chart(
    rankings: Mapping[str, pd.DataFrame], stabilities: Mapping[str, pd.DataFrame]
) -> tuple[Figure, pd.DataFrame]:
    """A row for each entry of section features: leading features with scores, and stability against their number.

    `rankings` as for `leading`; `stabilities` has fold, seed, k, pair, jaccard, kuncheva. Both by the entry's name.
    The table has features, panel (ranking, jaccard, kuncheva), name, value, low, high, chosen, runs.
    """
    names = [name for name, table in rankings.items() if len(table)]
    parts: list[pd.DataFrame] = []
    if not names:
        return empty("No features were ranked."), pd.DataFrame(columns=["features", "panel", "name", "value"])
    shown = {name: leading(rankings[name]) for name in names}
    heights = [0.75 + 0.17 * max(len(top), 8) for top in shown.values()]
    figure = Figure(figsize=(9.2, sum(heights)), layout="constrained")
    grid = figure.subplots(len(names), 2, squeeze=False, height_ratios=heights, width_ratios=[1.25, 1])
    for (left, right), name in zip(grid, names, strict=True):
        _bars(left, shown[name])
        left.set_title(f"{name}: first {len(shown[name])} features")
        means = stability_means(stabilities.get(name, pd.DataFrame()))
        _lines(right, means)
        right.set_title("Stability of the choice")
        ranked = shown[name].rename(columns={"feature": "name", "score": "value"}).drop(columns="position")
        parts.append(ranked.assign(features=name, panel="ranking"))
        parts.append(means.rename(columns={"k": "name", "mean": "value", "measure": "panel"}).assign(features=name))
    columns = ["features", "panel", "name", "value", "low", "high", "chosen", "runs"]
    return figure, pd.concat([part for part in parts if len(part)], ignore_index=True).reindex(columns=columns)


def stability_means(stability: pd.DataFrame) -> pd.DataFrame:
    """Mean, lowest and highest over pairs (and runs) at each k: measure, k, mean, low, high."""
    columns = ["measure", "k", "mean", "low", "high"]
    parts = []
    for measure in MEASURES if len(stability) else ():
        values = stability.groupby("k")[measure].agg(mean="mean", low="min", high="max").reset_index()
        parts.append(values.assign(measure=measure))
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def _bars(axes: Axes, top: pd.DataFrame) -> None:
    places = np.arange(len(top))
    # A score far below nought (one of a difference) has its bar to the left.
    axes.barh(places, top["score"], color=PALETTE[5], height=0.72)
    labels = []
    for feature, chosen, runs in zip(top["feature"], top["chosen"], top["runs"], strict=True):
        name = str(feature) if len(str(feature)) <= LONGEST else f"{str(feature)[: LONGEST - 3]}..."
        labels.append(name if runs == 1 else f"{name}  ({chosen} of {runs})")
    axes.set_yticks(places, labels, fontsize=7.2)
    axes.set_ylim(len(top) - 0.4, -0.6)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x")
    axes.set_xlabel("Score when chosen")
    if top["score"].min() > 0 and top["score"].max() > WIDE * top["score"].median():
        # A quotient whose denominator is nearly nought would flatten all the others.
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter("")
        axes.set_xlim(left=float(top["score"].min()) / 2)
        axes.set_xlabel("Score when chosen (logarithmic)")
    if (top["score"] < 0).any():
        axes.axvline(0, color="#5B6472", linewidth=0.8)


def _lines(axes: Axes, means: pd.DataFrame) -> None:
    if means.empty:
        axes.axis("off")
        axes.text(0, 0.5, "not measured", transform=axes.transAxes, color="#5B6472")
        return
    ticks = sorted(means["k"].unique())
    for number, (measure, (title, style, marker)) in enumerate(MEASURES.items()):
        line = means[means["measure"] == measure].sort_values("k")
        colour = PALETTE[number]
        axes.plot(line["k"], line["mean"], style, color=colour, marker=marker, markersize=4, label=title)
        axes.fill_between(line["k"], line["low"], line["high"], color=colour, alpha=0.15, linewidth=0)
    if len(ticks) > 1:
        axes.set_xscale("log")
    # From the largest down, each a fair step from the one before, so that labels do not touch.
    chosen: list[int] = []
    for k in reversed(ticks):
        if not chosen or k <= 0.65 * chosen[-1]:
            chosen.append(k)
    axes.set_xticks(chosen, [f"{int(k):,}" for k in chosen])
    axes.minorticks_off()
    axes.set(xlabel="Number of features k", ylim=(min(0.0, float(means["low"].min())) - 0.02, 1.02))
    axes.grid(axis="y")
    axes.legend(loc="lower right")


def draw_selection(inputs: Inputs) -> Drawn:
    """Leading features of a panel, from the `rankings` and `stabilities` of its selections."""
    return selection_chart(_by_entry(inputs.paths("rankings")), _by_entry(inputs.paths("stabilities")))


def _by_entry(paths: Sequence[Path]) -> dict[str, pd.DataFrame]:
    """Tables of all folds and seeds below one another, by entry of section `features`."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        run = run_of(path)
        parts.setdefault(run.model, []).append(read_table(path).assign(fold=run.fold, seed=run.seed))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}
