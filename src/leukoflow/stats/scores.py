"""Scores of one run: every metric with its intervals, on each target cohort and role, from predictions alone."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import RUN_COLUMNS, Run
from leukoflow.stats import metrics
from leukoflow.stats.bootstrap import interval, resample_metrics, wilson_interval
from leukoflow.stats.samples import UNSEEN, Sample, sample_of

LEARNT = ("train", "validation")
SCORE_COLUMNS = [
    *RUN_COLUMNS,
    "target",
    "role",
    "subset",
    "n",
    "groups",
    "metric",
    "class",
    "value",
    "low",
    "high",
    "resampling",
]
CONFUSION_COLUMNS = [*RUN_COLUMNS, "target", "role", "subset", "true", "predicted", "count"]


def samples(
    run: Run, predictions: pd.DataFrame, split: pd.DataFrame, duplicates: pd.DataFrame, classes: Sequence[str]
) -> Iterator[Sample]:
    """Samples to score, in order of target and role: all images, then, but for validation, those not seen before.

    `predictions` is a run's table (unperturbed rows are used), `split` the split of the run's protocol.
    LeukoFlowError if the probabilities do not fit the classes.
    """
    table = predictions[predictions["perturbation"] == "none"]
    fold = split[split["fold"] == run.fold]
    roles = [(run.cohort, "validation"), (run.cohort, "test")]
    targets = sorted(set(table["cohort"]) - {run.cohort})
    for target, role in [*roles, *((target, "external") for target in targets)]:
        rows = table[(table["cohort"] == target) & (table["role"] == role)]
        if rows.empty:
            continue
        yield sample_of(run, rows, classes, target, role)
        if role != "validation":
            seen = rows["image_id"].isin(seen_images(duplicates, fold, run.cohort, target))
            yield sample_of(run, rows[~seen], classes, target, role, UNSEEN, int(seen.sum()))


def collapsed(sample: Sample, places: Sequence[int], classes: int) -> Sample:
    """The sample with classes joined: class k becomes class places[k] of `classes`, probabilities are added."""
    joined = np.zeros((len(sample.y), classes))
    for old, new in enumerate(places):
        joined[:, new] += sample.probabilities[:, old]
    return replace(sample, y=np.asarray(places, np.int64)[sample.y], probabilities=joined)


def score(sample: Sample, classes: Sequence[str], settings: Evaluation) -> pd.DataFrame:
    """Tidy scores of a sample: target to resampling of `SCORE_COLUMNS`.

    Each metric has a row for each resampling ("images", "groups" and, if the settings ask for it, "stratified": images
    drawn within their classes) with the same value and its own interval; accuracy
    and recall, being proportions, also have one with Wilson's interval ("wilson"), which does not close at 1.
    The counts "images" (by class too), "unlabelled" and "removed" have rows without an interval.
    """
    number = len(sample.y)
    sets = metrics.design(sample.y, sample.probabilities)
    labels = metrics.names(tuple(classes))
    rows: list[tuple] = []
    drawn_by: dict[str, tuple[np.ndarray, np.ndarray | None]] = {
        "images": (np.arange(number), None),
        "groups": (sample.group_numbers, None),
    }
    if settings.stratified:
        drawn_by["stratified"] = (np.arange(number), sample.y)
    for resampling, (units, strata) in drawn_by.items():
        columns = resample_metrics(sets, units, settings, strata)
        values, (low, high) = columns[:, 0], interval(settings, columns)
        undefined = np.isnan(values)
        low[undefined] = high[undefined] = np.nan
        rows += [
            (*label, *estimate, resampling)
            for label, estimate in zip(labels, zip(values, low, high, strict=True), strict=True)
        ]
    rows += _proportions(sample, classes, settings.confidence)
    rows += [("images", "", number, np.nan, np.nan, "")]
    rows += [("images", name, int((sample.y == k).sum()), np.nan, np.nan, "") for k, name in enumerate(classes)]
    rows += [
        ("unlabelled", "", sample.unlabelled, np.nan, np.nan, ""),
        ("removed", "", sample.removed, np.nan, np.nan, ""),
    ]
    table = pd.DataFrame(rows, columns=["metric", "class", "value", "low", "high", "resampling"])
    facts: dict[str, str | int] = {"target": sample.target, "role": sample.role, "subset": sample.subset}
    facts |= {"n": number, "groups": sample.number_of_groups}
    for position, (column, value) in enumerate(facts.items()):
        table.insert(position, column, value)
    return table


def _proportions(sample: Sample, classes: Sequence[str], confidence: float) -> list[tuple]:
    right = sample.probabilities.argmax(1) == sample.y if len(sample.y) else np.zeros(0, bool)
    parts = [("accuracy", "", np.ones(len(right), bool))]
    parts += [("recall", name, sample.y == index) for index, name in enumerate(classes)]
    rows: list[tuple] = []
    for metric, name, part in parts:
        count, hits = int(part.sum()), int(right[part].sum())
        value = hits / count if count else np.nan
        rows.append((metric, name, value, *wilson_interval(hits, count, confidence), "wilson"))
    return rows


def confusion(sample: Sample, classes: Sequence[str]) -> pd.DataFrame:
    """Confusion counts in long form, K * K rows: target, role, subset, true, predicted, count."""
    size = len(classes)
    predicted = sample.probabilities.argmax(1) if len(sample.y) else np.zeros(0, int)
    counts = np.bincount(sample.y * size + predicted, minlength=size * size)
    return pd.DataFrame(
        {
            "target": sample.target,
            "role": sample.role,
            "subset": sample.subset,
            "true": np.repeat(np.asarray(classes, object), size),
            "predicted": np.tile(np.asarray(classes, object), size),
            "count": counts,
        }
    )


def with_run(run: Run, tables: list[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    """One table of all samples, the run's columns before the others."""
    if not tables:
        raise LeukoFlowError(f"{run.name}: no predictions to score; predict again")
    return pd.concat(tables, ignore_index=True).assign(**run.columns())[columns]


def seen_images(duplicates: pd.DataFrame, split: pd.DataFrame, cohort: str, target: str) -> set[str]:
    """Image ids of `target` that have a duplicate among the images that a run on `cohort` was trained on.

    `duplicates` holds each pair once (cohort_a, image_a, cohort_b, image_b); `split` the image_id and role of one fold
    of the run. Training and validation images both count: one fits the weights, the other chooses the epoch.
    """
    learnt = set(split.loc[split["role"].isin(LEARNT), "image_id"])
    seen: set[str] = set()
    for here, there in (("a", "b"), ("b", "a")):
        pairs = duplicates[(duplicates[f"cohort_{here}"] == target) & (duplicates[f"cohort_{there}"] == cohort)]
        seen.update(pairs.loc[pairs[f"image_{there}"].isin(learnt), f"image_{here}"])
    return seen
