"""Duplicate pairs as they were found, side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec

from leukoflow.core.inputs import Inputs
from leukoflow.core.names import shown
from leukoflow.figures.pictures import load, shards_in, show, view_of
from leukoflow.figures.style import Drawn, empty

PAIRS = 12


def examples(duplicates: pd.DataFrame, count: int = PAIRS) -> pd.DataFrame:
    """Up to `count` pairs: across cohorts, then within, the altered ones first, each kind from most to least alike."""
    across = duplicates["cohort_a"] != duplicates["cohort_b"]
    kinds = [duplicates[across]]
    kinds += [duplicates[~across & (duplicates["kind"] == kind)] for kind in ("moved", "turned", "near", "identical")]
    most = (count // 2, count // 4, count // 4, count, count // 4)
    shares = [min(len(kind), share) for kind, share in zip(kinds, most, strict=True)]
    shares[4] = min(shares[4], max(0, count - sum(shares[:3])))
    shares[3] = min(shares[3], count - sum(shares[:3]) - shares[4])
    chosen = []
    for kind, share in zip(kinds, shares, strict=True):
        ordered = kind.sort_values(["correlation", "image_a", "image_b"], ascending=[False, True, True], kind="stable")
        chosen.append(
            ordered.iloc[np.linspace(0, len(ordered) - 1, share).round().astype(int)] if share else ordered[:0]
        )
    return pd.concat(chosen, ignore_index=True)


def duplicate_pairs(duplicates: pd.DataFrame, shards: Mapping[str, Sequence[Path]]) -> tuple[Figure, pd.DataFrame]:
    """Pairs with what was measured between them; `shards` holds the plain view's files of each cohort."""
    chosen = examples(duplicates)
    if chosen.empty:
        return empty("No duplicates were found."), chosen
    pictures = {}
    for cohort, files in shards.items():
        wanted = [image for side in "ab" for image in chosen.loc[chosen[f"cohort_{side}"] == cohort, f"image_{side}"]]
        pictures.update({(cohort, name): picture for name, picture in load(files, wanted).items()})
    columns = min(3, len(chosen))
    rows = -(-len(chosen) // columns)
    figure = Figure(figsize=(columns * 3.1, rows * 2.0))
    outer = GridSpec(
        rows,
        columns,
        figure=figure,
        left=0.01,
        right=0.99,
        top=1 - 0.24 / (rows * 2.0),
        bottom=0.2 / (rows * 2.0),
        hspace=0.36,
        wspace=0.06,
    )
    for number, (_, pair) in enumerate(chosen.iterrows()):
        inner = outer[number // columns, number % columns].subgridspec(1, 2, wspace=0.02)
        left, right = (figure.add_subplot(inner[0, side]) for side in range(2))
        show(left, pictures.get((pair["cohort_a"], pair["image_a"])))
        show(right, pictures.get((pair["cohort_b"], pair["image_b"])))
        left.set_title(_heading(pair), fontsize=7.8, pad=4)
        for axes, side in ((left, "a"), (right, "b")):
            axes.set_xlabel(_short(pair[f"image_{side}"]), fontsize=6.2, labelpad=2)
    return figure, chosen


def _heading(pair: pd.Series) -> str:
    where = pair["cohort_a"] if pair["cohort_a"] == pair["cohort_b"] else f"{pair['cohort_a']} | {pair['cohort_b']}"
    if pair["kind"] == "identical":
        return f"{where}: identical bytes"
    if pair["kind"] in ("turned", "moved"):
        return f"{where}: {pair['change']}, r = {pair['correlation']:.3f}"
    if pd.isna(pair["hash_distance"]):  # found by the search for moved pictures
        return f"{where}: r = {pair['correlation']:.3f}"
    return f"{where}: {int(pair['hash_distance'])} of 64 bits, r = {pair['correlation']:.3f}"


def _short(name: str, width: int = 26) -> str:
    tail = shown(name.rsplit("/", 1)[-1])
    return tail if len(tail) <= width else f"...{tail[-width + 3 :]}"


def draw_duplicates(inputs: Inputs) -> Drawn:
    """Examples of pairs, from the table `duplicates` and the summaries of each cohort's plain view, `views`."""
    by_cohort = {view_of(path.parent)[0]: shards_in(path.parent) for path in inputs.paths("views")}
    pairs = inputs.table("duplicates")
    # Pairs of pooled cohorts are those of the cohorts that they join.
    return duplicate_pairs(pairs[pairs["cohort_a"].isin(by_cohort)], by_cohort)
