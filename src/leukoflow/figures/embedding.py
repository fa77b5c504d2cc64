"""A map of the features, coloured by class and by slide, and what the nearest neighbours have in common."""

import colorsys
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.neighbors import NearestNeighbors

from leukoflow.config.features import RANKED
from leukoflow.config.tasks import Task, task_of
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.features.matrix import open_selection
from leukoflow.figures.style import MUTED, Drawn, class_colour, empty, legend_columns, wrap

MOST_IMAGES = 2000
NEIGHBOURS = 10
METHODS = {"tsne": "t-SNE", "umap": "UMAP"}
COMPONENTS = 50
"""Principal components that the map is made from, as is usual for t-SNE."""
UNKNOWN = "#C3C9D2"
GROUPS = {"cluster": "acquisition cluster", "patient": "patient"}


@dataclass(frozen=True)
class Points:
    """Images in feature space."""

    matrix: np.ndarray
    """Scaled features, float32 [n, D], finite."""
    facts: pd.DataFrame
    """image_id, class (its number, -1 for none), and for each of `GROUPS` that is known its name or None: [n] rows."""


def sampled(count: int, most: int = MOST_IMAGES) -> np.ndarray:
    """At most `most` rows of `count`, evenly spaced: int64."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)) if count else np.arange(0)


def nearest(matrix: np.ndarray, count: int = NEIGHBOURS) -> np.ndarray:
    """Rows of the `count` nearest neighbours (Euclidean) of each row, itself left out: int64 [n, count]."""
    count = min(count, len(matrix) - 1)
    neighbours = NearestNeighbors(n_neighbors=count + 1, algorithm="brute").fit(matrix).kneighbors(matrix)[1]
    # Duplicates lie as near as the row itself, which then need not come first.
    itself = neighbours == np.arange(len(matrix))[:, None]
    itself[~itself.any(1), -1] = True
    return np.asarray(neighbours[~itself].reshape(len(matrix), count))


def neighbour_agreement(points: Points) -> pd.DataFrame:
    """Share of the nearest neighbours with the same class, and of those of the same class with the same group.

    One row each: group (class, cluster, patient), images, neighbours, share, expected. `expected` is the share that a
    blind draw would give: from all images for the class, from the images of the same class for the others. Images
    without class take no part; those whose class has no other image, or whose group is unknown, not in that group's.
    """
    known = np.flatnonzero(points.facts["class"].to_numpy() >= 0)
    columns = ["group", "images", "neighbours", "share", "expected"]
    if len(known) < 3:
        return pd.DataFrame(columns=columns)
    facts = points.facts.iloc[known].reset_index(drop=True)
    near = nearest(points.matrix[known])
    label = facts["class"].to_numpy()
    alike = label[near] == label[:, None]
    same_class = _others(label)
    rows = [["class", len(known), near.shape[1], alike.mean(), (same_class / (len(known) - 1)).mean()]]
    for group in GROUPS:
        if group not in facts or facts[group].isna().all():
            continue
        named = facts[group].notna().to_numpy()
        code = pd.factorize(facts[group])[0]
        both = _others(label * (code.max() + 2) + code)
        # Neighbours of the same class whose group is known, and of those the ones of the same group.
        counted = alike & named[near]
        usable = named & counted.any(1)
        shares = (counted & (code[near] == code[:, None])).sum(1)[usable] / counted.sum(1)[usable]
        pool = _others(np.where(named, label, -1))
        chance = both[usable] / np.maximum(pool[usable], 1)
        if usable.any():
            rows.append([group, int(usable.sum()), near.shape[1], shares.mean(), chance.mean()])
    return pd.DataFrame(rows, columns=columns)


def _others(code: np.ndarray) -> np.ndarray:
    """How many other rows have the same code as each row."""
    group = np.unique(code, return_inverse=True)[1]
    return np.asarray(np.bincount(group)[group] - 1)


def mapped(matrix: np.ndarray, method: str = "tsne", seed: int = 0) -> np.ndarray:
    """A map (`METHODS`) of float32 [n, D], from its principal components: float64 [n, 2].

    Images that are all alike lie at one point. LeukoFlowError for `umap` if its package is not installed.
    """
    project = _tsne if method == "tsne" else _umap()
    if len(matrix) and (matrix == matrix[0]).all():  # scikit-learn's t-SNE would crash the process
        return np.zeros((len(matrix), 2))
    components = min(COMPONENTS, *matrix.shape)
    reduced = PCA(components, svd_solver="full").fit_transform(matrix.astype(np.float64))
    if len(matrix) < 5 or components < 2:
        return np.pad(reduced, ((0, 0), (0, 2)))[:, :2]
    return np.asarray(project(reduced, seed), np.float64)


def _tsne(reduced: np.ndarray, seed: int) -> np.ndarray:
    """t-SNE (van der Maaten and Hinton 2008)."""
    perplexity = min(30.0, (len(reduced) - 1) / 3)
    return np.asarray(TSNE(2, perplexity=perplexity, init="pca", random_state=seed, n_jobs=1).fit_transform(reduced))


def _umap() -> Callable[[np.ndarray, int], np.ndarray]:
    """UMAP (McInnes et al. 2018, arXiv 1802.03426), as its package does it."""
    try:
        package = importlib.import_module("umap")
    except ImportError as error:
        raise LeukoFlowError(
            "evaluation.embedding: umap needs the package umap-learn; pip install -e '.[umap]', or set tsne"
        ) from error

    def project(reduced: np.ndarray, seed: int) -> np.ndarray:
        neighbours = min(15, len(reduced) - 1)
        # One thread: with several the same seed gives other maps.
        made = package.UMAP(n_neighbors=neighbours, init="pca", random_state=seed, n_jobs=1)
        return np.asarray(made.fit_transform(reduced))

    return project


def embedding_chart(
    entries: Mapping[str, Points], classes: Sequence[str], method: str = "tsne"
) -> tuple[Figure, pd.DataFrame, pd.DataFrame]:
    """A row for each entry of section features: the same map (`METHODS`) coloured by class, by cluster and, where
    known, patient.

    Returns the figure, the points (features, image_id, class, cluster, patient, x, y), and the agreement of
    neighbours (features, then as `neighbour_agreement`).
    """
    points = {name: entry for name, entry in entries.items() if len(entry.facts)}
    if not points:
        return empty("No features were made."), pd.DataFrame(), pd.DataFrame()
    groups = [group for group in GROUPS if any(_has(part.facts, group) for part in points.values())]
    # Squares in cells that are higher than wide: the layout leaves no room for words above and below a square.
    figure = Figure(figsize=(3.9 * (1 + len(groups)), 4.5 * len(points) + 0.45), layout="constrained")
    grid = figure.subplots(len(points), 1 + len(groups), squeeze=False)
    tables, agreements = [], []
    for row, (name, entry) in enumerate(points.items()):
        coordinates, agreement = mapped(entry.matrix, method), neighbour_agreement(entry)
        label = entry.facts["class"].to_numpy()
        colours = np.array([class_colour(index) if index >= 0 else UNKNOWN for index in label])
        _dots(grid[row, 0], coordinates, colours, f"{name}, {METHODS[method]}: by class", _told(agreement, "class"))
        for column, group in enumerate(groups, start=1):
            axes = grid[row, column]
            if not _has(entry.facts, group):
                axes.set_visible(False)
                continue
            code, known = pd.factorize(entry.facts[group])
            title = f"by {GROUPS[group]} ({len(known):,})"
            _dots(axes, coordinates, group_colours(code), title, _told(agreement, group))
        names = [classes[index] if index >= 0 else "" for index in label]
        facts = entry.facts.assign(**{"class": names}).reindex(columns=["image_id", "class", *GROUPS])
        tables.append(facts.assign(features=name, x=coordinates[:, 0], y=coordinates[:, 1]))
        agreements.append(agreement.assign(features=name))
    handles = [
        Line2D([], [], color=class_colour(index), marker="o", linestyle="none", markersize=5, label=wrap(name, 24))
        for index, name in enumerate(classes)
    ]
    figure.legend(handles=handles, loc="outside lower left", ncols=legend_columns(handles, figure, 4))
    table = pd.concat(tables, ignore_index=True)[["features", "image_id", "class", *GROUPS, "x", "y"]]
    return figure, table.round({"x": 3, "y": 3}), pd.concat(agreements, ignore_index=True)


def _has(facts: pd.DataFrame, group: str) -> bool:
    return group in facts and bool(facts[group].notna().any())


def group_colours(code: np.ndarray) -> np.ndarray:
    """A colour for each code (hues far apart for neighbouring codes, three shades), grey for -1: RGB [n, 3]."""
    colours = [colorsys.hls_to_rgb(k * 0.618034 % 1, (0.42, 0.55, 0.68)[k % 3], 0.75) for k in range(code.max() + 1)]
    grey = tuple(int(UNKNOWN[start : start + 2], 16) / 255 for start in (1, 3, 5))
    return np.array([*colours, grey])[code]


def _told(agreement: pd.DataFrame, group: str) -> str:
    rows = agreement[agreement["group"] == group]
    if rows.empty:
        return ""
    row = rows.iloc[0]
    share, chance = f"{row['share']:.0%}", f"by chance {row['expected']:.0%}"
    if group == "class":
        return f"Of the {row['neighbours']} nearest, {share} share the class\n({chance})"
    return f"Of those of the same class, {share} share the {group}\n({chance})"


def _dots(axes: Axes, coordinates: np.ndarray, colours: np.ndarray, title: str, told: str) -> None:
    size = float(np.clip(6000 / max(len(coordinates), 1), 4, 26))
    # Classes must not lie in layers, the last one hiding the first.
    order = np.random.default_rng(0).permutation(len(coordinates))
    axes.scatter(
        coordinates[order, 0], coordinates[order, 1], s=size, c=colours[order], linewidths=0.2, edgecolors="white"
    )
    axes.set(xticks=[], yticks=[], aspect="equal")
    axes.spines[:].set(visible=True, color="#D5DAE1")
    axes.set_title(title)
    axes.set_xlabel(told, fontsize=7.5, color=MUTED)
    axes.set_box_aspect(1)
    axes.set_aspect("auto")


def draw_embedding(inputs: Inputs) -> Drawn:
    """Maps of a panel's features by setting `embedding`, from the `matrices` of its selections, the cohort's `manifest`
    and the `groups`."""
    manifest, groups = inputs.path("manifest"), inputs.path("groups")
    points = {
        run.model: points_of(path, manifest, groups, task_of(inputs)) for run, path in inputs.by_run("matrices").items()
    }
    figure, table, _ = embedding_chart(points, task_of(inputs).classes, inputs.settings.get("embedding", "tsne"))
    return figure, table


def points_of(matrix: Path, manifest: Path, groups: Path, task: Task) -> Points:
    """The images of a selection, evenly sampled, with class, cluster and patient; `matrix` is scaled/COHORT.npy.

    LeukoFlowError if the manifest does not name one of its images.
    """
    values, _ = open_selection(matrix.parents[1], matrix.stem, RANKED)
    rows = sampled(len(values))
    facts = read_table(manifest, ["image_id", "label", "patient"]).set_index("image_id")
    ids = pd.Index(values.image_ids[rows])
    if not ids.isin(facts.index).all():
        raise LeukoFlowError(f"{matrix}: holds images that {manifest} does not name; delete it and run again")
    clusters = read_table(groups, ["cohort", "image_id", "acquisition"])
    cluster = clusters[clusters["cohort"] == matrix.stem].set_index("image_id")["acquisition"]
    classes = [task.class_of(label if isinstance(label, str) else None) for label in facts["label"].reindex(ids)]
    named = pd.DataFrame(
        {
            "image_id": ids,
            "class": np.array([-1 if code is None else code for code in classes], np.int64),
            "cluster": cluster.reindex(ids).to_numpy(object),
            "patient": facts["patient"].reindex(ids).to_numpy(object),
        }
    )
    return Points(values.gather(rows), named)
