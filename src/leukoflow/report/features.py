"""Section Features of the report: from which networks, which were chosen, what they map."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.features import DeepFeatures
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number, records

FAMILIES = ("selection_methods", "feature_count", "selection", "scaling", "feature_attention", "embedding")
RANKINGS = {
    "mid": "mRMR (information, difference)",
    "miq": "mRMR (information, quotient)",
    "fcq": "mRMR (F over correlation)",
    "anova": "ANOVA F",
    "chi2": "chi-squared",
    "lasso": "LASSO",
    "pca": "principal components",
    "importance": "importance in a linear softmax",
    "random": "drawn at random",
    "none": "not ranked",
}
STACKS = {
    "none": "none (pooled features)",
    "as_coded": "fixed random stack of the public code",
    "as_described": "trained on the training role",
}
MOST_ATTENDED = 5
"""Features of each model in the table of attention."""
MOST_COUNTS = 7
"""Most numbers of features in the table of stability."""
GROUPS = {"class": "class", "cluster": "acquisition cluster", "patient": "patient"}


@dataclass(frozen=True)
class Features:
    """The whole section."""

    entries: Grid
    """Networks with their weights, scaling, ranking."""
    grids: tuple[Grid, ...]
    """Methods of selection, stability, neighbours, attention."""
    pictures: tuple[Picture, ...]


def features_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> Features | None:
    """The section from the tables selection, stability and neighbours; None if no model reads features."""
    selection, stability, neighbours = (tables[name] for name in ("selection", "stability", "neighbours"))
    used = [name for name in study.features if name in set(selection["features"])]
    if not used:
        return None
    shown = sorted(
        (picture for picture in pictures if picture.family in FAMILIES),
        key=lambda picture: FAMILIES.index(picture.family),
    )
    optional = (methods_grid(tables["selection_methods"]), stability_grid(stability), neighbours_grid(neighbours))
    grids = (*(grid for grid in optional if grid is not None), *attention_grids(tables["feature_attention"]))
    return Features(entries(study, used), grids, tuple(shown))


def entries(study: Study, names: Sequence[str]) -> Grid:
    """What each entry of section features is made from."""
    rows = []
    for name in names:
        entry = study.features[name]
        chosen = entry.selection
        ranked = f"{RANKINGS[chosen.method]}, at most {words.count(chosen.features)} features"
        scaling = "z-scores, clipped at 3" if chosen.scaling == "zscore" else "by median and quartiles"
        if isinstance(entry, DeepFeatures):
            random = [network.name for network in entry.backbones if network.weights is None]
            weights = words.listed(dict.fromkeys(_short(network.weights) for network in entry.backbones))
            networks = words.listed([network.name for network in entry.backbones])
            cells = [Cell(name, chip="random weights" if random else ""), Cell(networks), Cell(weights)]
            idle = entry.stack != "none" and not entry.attention
            cells.append(Cell(STACKS[entry.stack] + (", without attention" if idle else "")))
        else:
            cells = [Cell(name), Cell("none: cell morphology, by image"), Cell(words.NONE), Cell(words.NONE)]
        rows.append(Row((*cells, Cell(scaling), Cell(ranked))))
    columns = ["Features", "Networks", "Weights", "Fusion stack", "Scaling", "Ranking"]
    return grid("Where features come from. Scaling and ranking are fitted on the training role.", columns, rows)


def _short(weights: str | None) -> str:
    """Weights as the table names them; a revision by its first digits."""
    name, at, revision = (weights or "random").partition("@")
    return name + at + revision[:8]


def methods_grid(table: pd.DataFrame) -> Grid | None:
    """What models do on features chosen by each method, by number of features; None if there is one method."""
    if table.empty:
        return None
    counts = sorted(table["k"].dropna().unique())
    rows = []
    keys = ["family", "cohort", "view", "protocol", "method"]
    for key, part in table.groupby(keys, sort=False):
        *where, method = map(str, key)
        cells = [Cell(name) for name in where] + [Cell(RANKINGS[method])]
        for k in counts or [None]:
            subset = part if k is None else part[part["k"] == k]
            cells.append(Cell(words.NONE) if subset.empty else _accuracy(subset.iloc[0]))
        rows.append(Row(tuple(cells)))
    columns = ["Model", "Cohort", "View", "Split", "Chosen by"]
    columns += [f"{words.count(k)} features" for k in counts] or ["Accuracy"]
    return grid("Accuracy on test images by method and number of features.", columns, rows, "selection_methods")


def _accuracy(row: pd.Series) -> Cell:
    return number(row["accuracy"], words.percent(row["accuracy"]), words.interval(row["low"], row["high"]))


PLACE = ["features", "cohort", "view", "protocol"]
WHERE = ["Features", "Cohort", "View", "Split"]


def stability_grid(stability: pd.DataFrame) -> Grid | None:
    """How far the choice agrees between parts of the training role, means over pairs and runs."""
    if stability.empty:
        return None
    means = stability.groupby([*PLACE, "k"], sort=False)[["jaccard", "kuncheva"]].mean()
    overlaps = {
        key: {"jaccard": float(jaccard), "kuncheva": float(kuncheva)}
        for key, jaccard, kuncheva in zip(means.index, means["jaccard"], means["kuncheva"], strict=True)
    }
    counts = sorted(int(k) for k in stability["k"].unique())
    if len(counts) > MOST_COUNTS:
        counts = [counts[round(step * (len(counts) - 1) / (MOST_COUNTS - 1))] for step in range(MOST_COUNTS)]
    rows = []
    for panel in dict.fromkeys(key[:-1] for key in overlaps):
        cells = [Cell(str(name)) for name in panel]
        for k in counts:
            here = overlaps.get((*panel, k))
            if here is None:
                cells.append(Cell(words.NONE))
            else:
                note = f"Kuncheva {words.decimal(here['kuncheva'], 2)}"
                cells.append(number(here["jaccard"], words.decimal(here["jaccard"], 2), note))
        rows.append(Row(tuple(cells)))
    caption = (
        "Stability of the choice: Jaccard overlap of the first k features when other training images are left out. "
    )
    caption += "Kuncheva's index is 0 if the overlap is what chance gives, 1 if the same are chosen."
    return grid(caption, [*WHERE, *(f"k = {words.count(k)}" for k in counts)], rows, "stability")


def neighbours_grid(neighbours: pd.DataFrame) -> Grid | None:
    """What nearest neighbours in feature space share, next to what chance would give."""
    if neighbours.empty:
        return None
    groups = [name for name in GROUPS if name in set(neighbours["group"])]
    rows = []
    for key, part in neighbours.groupby(PLACE, sort=False):
        means = part.groupby("group")[["share", "expected", "images"]].mean()
        by_group: dict[str, dict[str, float]] = {str(name): row.to_dict() for name, row in means.iterrows()}  # type: ignore[misc]
        cells = [Cell(str(name)) for name in key]
        for name in groups:
            if name in by_group:
                share, expected = by_group[name]["share"], by_group[name]["expected"]
                cells.append(number(share, words.percent(share, 0), f"by chance {words.percent(expected, 0)}"))
            else:
                cells.append(Cell(words.NONE))
        images = means["images"].max()
        rows.append(Row((*cells, number(images, words.count(images)))))
    titles = [f"Same {GROUPS[name]}" + ("" if name == "class" else ", within the class") for name in groups]
    count = words.count(neighbours["neighbours"].max())
    caption = f"Of the {count} nearest neighbours in feature space, the share that is of the same class; and of those, "
    caption += "the share from the same slide. The images trained on are among them."
    return grid(caption, [*WHERE, *titles, "Images"], rows, "neighbours")


def attention_grids(table: pd.DataFrame) -> list[Grid]:
    """For each task, the features that each model attends to most, over all test images and by class."""
    table = table.assign(**{"class": table["class"].fillna("")})
    return [_attention_grid(part) for _, part in table.groupby("task", sort=False)]


def _attention_grid(table: pd.DataFrame) -> Grid:
    classes = [name for name in dict.fromkeys(table["class"]) if name]
    keys = ["model", "cohort", "view", "protocol", "feature"]
    by_key = records(table, *keys, "class")
    rows = []
    for _, run in table[table["class"] == ""].groupby(keys[:-1], sort=False):
        for row in run[:MOST_ATTENDED].to_dict("records"):
            key = tuple(row[name] for name in keys)
            cells = [Cell(str(value)) for value in key]
            cells.append(number(row["position"], words.count(row["position"] + 1)))
            cells.append(number(row["relevance"], words.significant(row["relevance"])))
            cells += [_attended(by_key.get((*key, name), [])) for name in ("", *classes)]
            cells.append(number(row["effect"], f"{row['effect']:+.2g}".replace("-", "\N{MINUS SIGN}")))
            rows.append(Row(tuple(cells)))
    columns = ["Model", "Cohort", "View", "Split", "Feature", "Rank", "Relevance", "Attention", *classes, "Effect"]
    caption = f"The {MOST_ATTENDED} features that each model attends to most: share of the attention on test images, "
    caption += "with its standard deviation over images, all together and by class; and what the feature does to the "
    caption += "logit of the answer, to first order."
    return grid(caption, columns, rows, "feature_attention")


def _attended(rows: Sequence[Mapping[Hashable, Any]]) -> Cell:
    """Attention of one feature over the images of a class, which there need not be."""
    if not rows:
        return Cell(words.NONE)
    mean, spread = rows[0]["attention"], rows[0]["attention_sd"]
    # Of two thousand features one has 0.0005 on average.
    note = "" if words.missing(spread) else f"\N{PLUS-MINUS SIGN} {words.significant(spread)}"
    return number(mean, words.significant(mean), note)
