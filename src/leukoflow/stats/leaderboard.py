"""Tables of a study's runs: leaderboard, external cohorts. The colour baseline comes first everywhere."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.protocols import in_order
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run, is_baseline
from leukoflow.stats.samples import EVERY

BLOCK = ["cohort", "task", "view", "protocol"]
CELL = [*BLOCK, "model"]
METRICS = {
    "accuracy": "accuracy",
    "balanced_accuracy": "balanced_accuracy",
    "f1": "macro_f1",
    "auc": "macro_auc",
    "mcc": "mcc",
    "kappa": "kappa",
    "precision": "macro_precision",
    "specificity": "macro_specificity",
    "ovr_accuracy": "ovr_accuracy",
    "weighted_precision": "weighted_precision",
    "weighted_f1": "weighted_f1",
}
LIMITS = {"images": ("low", "high"), "groups": ("group_low", "group_high"), "wilson": ("wilson_low", "wilson_high")}
_OF_METRICS = [
    f"{name}{ending}"
    for name in METRICS.values()
    for ending in (
        *("", "_sd", "_low", "_high", "_group_low", "_group_high"),
        *(("_wilson_low", "_wilson_high") if name == "accuracy" else ()),
    )
]
_SUMMARY = ["runs", "images", "groups", *_OF_METRICS, "low", "high", "interval"]
LEADERBOARD_COLUMNS = [*CELL, "weights", "recipe", *_SUMMARY, *(f"published_{name}" for name in METRICS.values())]
EXTERNAL_COLUMNS = [
    *(*CELL, "weights", "target", *_SUMMARY, "removed", "unlabelled"),
    *(f"unseen_{name}" for name in _SUMMARY if name != "runs"),
]


def blocks_first(table: pd.DataFrame, by: list[str], falling: str) -> pd.DataFrame:
    """Sort by block (protocols from loose to strict); in each, the baseline, then by a falling column."""
    order = {name: position for position, name in enumerate(in_order(table["protocol"]))}
    keys = table.assign(
        _protocol=table["protocol"].map(order), _first=~table["model"].map(is_baseline), _falling=-table[falling]
    )
    names = [{"protocol": "_protocol"}.get(name, name) for name in by]
    index = keys.sort_values([*names, "_first", "_falling", "model"], kind="stable").index
    return table.loc[index].reset_index(drop=True)


def test_scores(scores: pd.DataFrame) -> pd.DataFrame:
    """Scores of the models on the test images of their own cohort, all of them; LeukoFlowError if there are none."""
    test = scores[(scores["role"] == "test") & (scores["subset"] == EVERY)]
    if test.empty:
        raise LeukoFlowError("tables: no run has scores of role test; score the runs again")
    return test


def summary(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """One row for each value of `by`: every metric of `METRICS`, averaged over runs (folds and seeds).

    NAME is the mean of the runs' values, NAME_sd their standard deviation (empty for one run), and NAME_low to
    NAME_group_high the means of the runs' limits: the interval that one run has. low, high and interval are what is
    shown of accuracy. `images` counts the distinct scored
    images, `groups` their groups, over all folds.
    """
    rows = []
    for key, part in scores.groupby(by, sort=False):
        row: dict[str, Any] = dict(zip(by, key, strict=True))
        runs = part.drop_duplicates(["fold", "seed"])
        row |= {"runs": len(runs), "images": int(runs["n"].sum() / runs["seed"].nunique())}
        row["groups"] = int(runs["groups"].sum() / runs["seed"].nunique())
        whole = part[part["class"] == ""]
        for metric, name in METRICS.items():
            for resampling, (low, high) in LIMITS.items():
                values = whole[(whole["metric"] == metric) & (whole["resampling"] == resampling)]
                if resampling == "images":
                    row[name], row[f"{name}_sd"] = values["value"].mean(), values["value"].std()
                if resampling != "wilson" or metric == "accuracy":
                    row[f"{name}_{low}"], row[f"{name}_{high}"] = values["low"].mean(), values["high"].mean()
        rows.append(row | _shown(row))
    return pd.DataFrame(rows)


def _shown(row: Mapping[str, Any]) -> dict[str, Any]:
    """The interval of accuracy that figures and report show: `low`, `high`, and `interval`, its kind.

    Over groups if there are several, else over images. If no image, or every image, is wrong, a bootstrap has
    nothing to vary and closes at one point; there Wilson's interval stands in.
    """
    for kind in ("groups", "images", "wilson"):
        low, high = (row[f"accuracy_{limit}"] for limit in LIMITS[kind])
        if low < high:
            return {"low": low, "high": high, "interval": kind}
    return {"low": np.nan, "high": np.nan, "interval": ""}


def _facts(table: pd.DataFrame, models: Mapping[Run, Mapping[str, Any]], *names: str) -> pd.DataFrame:
    """Add facts of each model.json: `weights` (what the model started from), `recipe` (what it was trained by)."""
    tasks = set(table["task"])
    known = {
        tuple(getattr(member, name) for name in CELL): facts
        for run, facts in models.items()
        for member in (run, *(run.collapsed_to(task) for task in tasks))
    }
    keys = list(table[CELL].itertuples(index=False, name=None))
    for position, name in enumerate(names, len(CELL)):
        table.insert(position, name, [str(known.get(key, {}).get(name, "")) for key in keys])
    return table


def leaderboard(
    scores: pd.DataFrame,
    models: Mapping[Run, Mapping[str, Any]],
    published: Mapping[str, Mapping[str, Mapping[str, float]]] | None = None,
) -> pd.DataFrame:
    """One row for each cohort, task, view, protocol and model: the test role of the cohort itself, all images.

    `published` holds figures as published by model, task and metric; they become the columns `published_...`.
    """
    table = _facts(blocks_first(summary(test_scores(scores), CELL), BLOCK, "accuracy"), models, "weights", "recipe")
    known = [
        (published or {}).get(model, {}).get(task, {})
        for model, task in zip(table["model"], table["task"], strict=True)
    ]
    for metric in METRICS.values():
        table[f"published_{metric}"] = [figures.get(metric, np.nan) for figures in known]
    return table[LEADERBOARD_COLUMNS]


def summary_outside(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """`leaderboard`'s summary for images of other cohorts, one row for each value of `by`.

    Each fold trains on other images, so the same outside image is scored once in every fold; `images` and `groups`
    count it once.
    """
    table = summary(scores, by)
    folds = scores.groupby(by, sort=False)["fold"].nunique().to_numpy()
    for name in ("images", "groups"):
        table[name] = (table[name] / folds).round().astype(int)
    return table


def external(scores: pd.DataFrame, models: Mapping[Run, Mapping[str, Any]]) -> pd.DataFrame:
    """One row for each target outside and model: all images, and (columns `unseen_...`) those without overlap.

    `unlabelled` and `removed` count images left out of the scores: without a label, and with a duplicate among the
    images that the model was trained on. Over folds they are averaged.
    """
    outside = scores[scores["role"] == "external"]
    by = [*CELL, "target"]
    if outside.empty:
        return pd.DataFrame(columns=[*CELL, "weights", "target", "runs", "images", "unlabelled", "removed"])
    every = summary_outside(outside[outside["subset"] == EVERY], by)
    unseen = summary_outside(outside[outside["subset"] != EVERY], by).drop(columns="runs")
    unseen = unseen.rename(columns={name: f"unseen_{name}" for name in unseen.columns if name not in by})
    counts = outside[outside["metric"].isin(["unlabelled", "removed"])]
    counts = counts.pivot_table(index=by, columns="metric", values="value", aggfunc="max").round().astype(int)
    counts = counts.reset_index()
    table = every.merge(counts, on=by).merge(unseen, on=by)
    table = blocks_first(table, [*BLOCK, "target"], "accuracy")
    return _facts(table, models, "weights")[EXTERNAL_COLUMNS]


def leaderboard_table(inputs: Inputs) -> pd.DataFrame:
    """Table `leaderboard`, from `scores` and the `models` of the runs; setting `published` holds what papers print."""
    return leaderboard(_scores(inputs), _models(inputs), inputs.settings["published"])


def external_table(inputs: Inputs) -> pd.DataFrame:
    """Table `external`, from `scores` and the `models` of the runs."""
    return external(_scores(inputs), _models(inputs))


def _scores(inputs: Inputs) -> pd.DataFrame:
    # Empty texts are missing in a CSV file.
    return inputs.table("scores").fillna({"class": "", "resampling": ""})


def _models(inputs: Inputs) -> dict[Run, Any]:
    return {run: read_json(path) for run, path in inputs.by_run("models").items()}
