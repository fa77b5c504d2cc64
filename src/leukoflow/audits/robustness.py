"""What changed images do to the answers of a model: from predictions alone.

All changes of a run were made on the same images, so that whole units (images, or groups of them) are drawn for all of
them at once, and a drop is that of the same images.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run, is_baseline
from leukoflow.stats.bootstrap import interval, replicate_sums, wilson_interval

METRICS = ("accuracy", "macro_f1", "confidence", "changed", "drop")
"""`confidence`: mean probability of the answer given; `changed`: share of the images with another answer than
unchanged; `drop`: accuracy unchanged less accuracy under the change."""
SUMMARIES = {
    "light": ("brightness", "contrast", "stain_shift"),
    "sharpness": ("gaussian_noise", "salt_pepper", "gaussian_blur", "defocus", "resolution", "jpeg"),
    "place": ("occlusion", "rotation"),
}
"""Kinds of changes that are also summed up, and the families of each; `all` sums up every family."""
CHANGE = ["perturbation", "level"]
COLUMNS = [
    "cohort", "task", "view", "protocol", "model", *CHANGE, "runs", "images", "groups",
    "metric", "value", "sd", "low", "high", "resampling",
]  # fmt: skip


def robustness(runs: Sequence[tuple[Run, pd.DataFrame]], settings: Evaluation) -> pd.DataFrame:
    """`COLUMNS`, a row for each model, family, level and metric; the colour baseline first, `none` first of its rows.

    Last come `SUMMARIES` and `all` in column perturbation: means over their families, and over the levels of each.

    `runs` are runs of one panel with their predictions on changed images; families with targets instead of levels are
    left out. Over several runs (folds, seeds), values and limits are means of the runs' own, and sd their standard
    deviation; images and groups are those of a mean run.
    """
    if not runs:
        return pd.DataFrame(columns=COLUMNS)
    parts = [_run(run, table, settings) for run, table in runs]
    whole = pd.concat(parts, ignore_index=True)
    keys = ["cohort", "task", "view", "protocol", "model", *CHANGE, "metric"]
    grouped = whole.groupby(keys, sort=False, dropna=False)
    means = grouped.agg(
        runs=("value", "size"),
        images=("images", "mean"),
        groups=("groups", "mean"),
        value=("value", "mean"),
        sd=("value", "std"),
        low=("low", "mean"),
        high=("high", "mean"),
        resampling=("resampling", "first"),
    ).reset_index()
    means[["images", "groups"]] = means[["images", "groups"]].round().astype(int)
    return means.sort_values("model", key=_baseline_first, kind="stable", ignore_index=True)[COLUMNS]


def _baseline_first(names: pd.Series) -> pd.Series:
    order = {name: index for index, name in enumerate(dict.fromkeys(names))}
    return names.map(lambda name: (not is_baseline(name)) * (1 + order[name]))


@dataclass(frozen=True)
class Measured:
    """What was measured of one run."""

    changes: list[tuple[str, float]]
    """Family and level, `none` first; summaries last."""
    columns: np.ndarray
    """`METRICS` of each change, of the images and of their resamples, [changes, 5, 1 + R + U] (see
    `bootstrap.replicates`). Runs on the same images meet the same resamples."""
    image_ids: list[str]
    groups: int

    @property
    def values(self) -> np.ndarray:
        """`METRICS` of each change, [changes, 5]."""
        return self.columns[..., 0]


def measure(run: Run, table: pd.DataFrame, settings: Evaluation) -> Measured:
    """Metrics of a run's predictions on changed images, and of their resamples.

    LeukoFlowError if unchanged images are missing, or a change was made on other images.
    """
    table = table[table["target"] == ""]
    blocks = list(table.groupby(CHANGE, sort=False, dropna=False))
    base = blocks[0][1] if blocks else table
    if not blocks or blocks[0][0][0] != "none" or base.empty:
        raise LeukoFlowError(f"{run.name}: changed.parquet holds no unchanged images; delete it and run again")
    ids, y = base["image_id"].tolist(), base["y"].to_numpy(np.int64)
    if any(part["image_id"].tolist() != ids for _, part in blocks):
        raise LeukoFlowError(f"{run.name}: changed.parquet has other images for each change; delete it and run again")
    shares = np.stack([np.stack(part["probabilities"].to_list()) for _, part in blocks]).astype(np.float64)
    groups = pd.factorize(base["group"].fillna(base["image_id"]))[0]
    number = int(groups.max()) + 1
    units = groups if number < len(y) else np.arange(len(y))
    columns = _bootstrap(_sums(y, shares), units, shares.shape[2], settings)
    means = summary_weights([str(key[0]) for key, _ in blocks])
    changes = [(str(key[0]), float(part["level"].iloc[0])) for key, part in blocks]
    changes += [(name, np.nan) for name in means]
    if means:
        matrix = np.stack(list(means.values()))
        columns = np.concatenate([columns, np.tensordot(matrix, columns, 1)])
    return Measured(changes, columns, ids, number)


def _run(run: Run, table: pd.DataFrame, settings: Evaluation) -> pd.DataFrame:
    """Rows of one run: CHANGE, images, groups, metric, value, low, high, resampling."""
    measured = measure(run, table, settings)
    values, images = measured.values, len(measured.image_ids)
    limits = np.stack(interval(settings, measured.columns))
    rows = []
    for index, change in enumerate(measured.changes):
        for number, metric in enumerate(METRICS):
            value, (least, most) = values[index, number], limits[:, index, number]
            if metric in ("accuracy", "changed") and value in (0, 1):
                # A bootstrap of images that are all alike has nothing to vary.
                least, most = wilson_interval(value * images, images, settings.confidence)
            if index == 0 and metric in ("changed", "drop"):
                least = most = np.nan
            rows.append((*change, metric, value, least, most))
    made = pd.DataFrame(rows, columns=[*CHANGE, "metric", "value", "low", "high"])
    resampling = "groups" if measured.groups < images else "images"
    return made.assign(**run.columns(), images=images, groups=measured.groups, resampling=resampling)


def summary_weights(families: Sequence[str]) -> dict[str, np.ndarray]:
    """Weights [changes] of each summary of which there are families: equal for its families, and for a family's levels.

    families: of each change, `none` among them.
    """
    names, weights = np.array(families, object), {}
    for summary, wanted in {
        **SUMMARIES,
        "all": tuple(name for members in SUMMARIES.values() for name in members),
    }.items():
        present = [name for name in wanted if name in families]
        if present:
            weights[summary] = np.mean([(names == name) / (names == name).sum() for name in present], axis=0)
    return weights


def _sums(y: np.ndarray, shares: np.ndarray) -> np.ndarray:
    """What is summed over images, [changes, 3 K + 2, n]: right, true, answered of each class, confidence, changed.

    y: [n]; shares: probabilities [changes, n, K], the first of them unchanged.
    """
    classes = np.arange(shares.shape[2])[:, None]
    answered = shares.argmax(2)[:, None, :] == classes
    true = np.broadcast_to(y == classes, answered.shape)
    confidence = shares.max(2)[:, None]
    changed = (shares.argmax(2) != shares.argmax(2)[0])[:, None]
    return np.concatenate([answered & true, true, answered, confidence, changed], axis=1, dtype=np.float64)


def _statistics(sums: np.ndarray, classes: int) -> np.ndarray:
    """`METRICS` [changes, 5, R] from sums [changes, 3 K + 2, R]. Macro F1 is over the classes present."""
    right, true, answered = (sums[:, part * classes : (part + 1) * classes] for part in range(3))
    total = true.sum(1)
    accuracy = right.sum(1) / total
    present = true > 0
    f1 = np.divide(2 * right, true + answered, out=np.zeros_like(right), where=present)
    macro = f1.sum(1) / present.sum(1)
    confidence, changed = sums[:, 3 * classes] / total, sums[:, 3 * classes + 1] / total
    return np.stack([accuracy, macro, confidence, changed, accuracy[:1] - accuracy], axis=1)


def _bootstrap(sums: np.ndarray, units: np.ndarray, classes: int, settings: Evaluation) -> np.ndarray:
    """`METRICS` of all images and of resamples of whole units, [changes, 5, 1 + R + U]."""
    changes, width, images = sums.shape
    rows = sums.reshape(-1, images)

    def finish(drawn: np.ndarray) -> np.ndarray:
        return _statistics(drawn.reshape(changes, width, -1), classes)

    return replicate_sums(rows, units, finish, settings)
