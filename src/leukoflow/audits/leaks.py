"""What a leak made on purpose is worth: a protocol with it against its twin without, on the same test images."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.stats.bootstrap import MOST_LEFT_OUT, interval, resample, sums_by_unit

COLUMNS = [
    "cohort", "task", "view", "model", "protocol", "leaks", "against", "metric", "runs", "images", "units",
    "with_leak", "without", "difference", "low", "high", "interval",
]  # fmt: skip
METRICS = ("accuracy", "macro_f1")


def worth(
    run: Run,
    pairs: Sequence[tuple[pd.DataFrame, pd.DataFrame]],
    classes: int,
    settings: Evaluation,
) -> list[dict[str, Any]]:
    """A row of each metric: with the leak, without, the difference, and its interval.

    `run` is one of those with the leak, for its names; `pairs` holds for each fold and seed the answers with the leak
    and without: image_id, group, y, probabilities, of the test images alone. Folds are pooled and seeds averaged. For
    the interval the images are drawn, or their groups where these are larger, and both sides meet the same ones. There
    is none where no answer differs. LeukoFlowError if the two sides have other test images.
    """
    parts = [_counts(run, *pair, classes) for pair in pairs]
    images = pd.concat([table for table, _ in parts], ignore_index=True)
    sums = np.concatenate([each for _, each in parts], axis=1)
    units = pd.factorize(images["group"])[0]
    by_unit = np.asarray(sums_by_unit(sums, units))

    def metrics(totals: np.ndarray) -> np.ndarray:
        with_leak, without = (_metrics(side, classes) for side in np.split(totals, 2))
        return with_leak - without

    both = np.stack([_metrics(side, classes)[:, 0] for side in np.split(sums.sum(1, keepdims=True), 2)])
    drawn = resample(lambda counts: metrics(by_unit @ counts), by_unit.shape[1], settings.resamples, settings.seed)
    low, high = interval(settings, drawn, both[0] - both[1], lambda: [_left_out(sums, units, metrics)])
    rows = []
    for place, metric in enumerate(METRICS):
        wide = bool(high[place] - low[place] > 1e-9)
        kind = "groups" if images["group"].nunique() < images["image_id"].nunique() else "images"
        row = {"metric": metric, "runs": len(pairs), "images": images["image_id"].nunique(), "units": units.max() + 1}
        row |= {"with_leak": both[0, place], "without": both[1, place], "difference": both[0, place] - both[1, place]}
        row |= {"low": low[place], "high": high[place]} if wide else {"low": np.nan, "high": np.nan}
        rows.append(row | {"interval": kind if wide else ""})
    return rows


def _counts(run: Run, leaky: pd.DataFrame, honest: pd.DataFrame, classes: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Images of one run, and what each adds to the sums of both sides, [2 (1 + 3 K), n]."""
    leaky, honest = (table.sort_values("image_id", ignore_index=True) for table in (leaky, honest))
    if list(leaky["image_id"]) != list(honest["image_id"]):
        raise LeukoFlowError(f"{run.name}: its test images are not those of the run without leaks; predict both again")
    sides = []
    for table in (leaky, honest):
        y, said = table["y"].to_numpy(), np.stack(table["probabilities"].to_list()).argmax(1)
        ones = [each[None, :] == np.arange(classes)[:, None] for each in (y, said)]
        sides.append(np.concatenate([(y == said)[None, :], ones[0] & ones[1], *ones]).astype(float))
    return leaky[["image_id", "group"]].assign(group=leaky["group"].fillna(leaky["image_id"])), np.concatenate(sides)


def _metrics(sums: np.ndarray, classes: int) -> np.ndarray:
    """Accuracy and macro F1 of sums [1 + 3 K, R]: right answers, and of each class hits, truths and answers."""
    right, hits, truths, said = np.split(sums, [1, 1 + classes, 1 + 2 * classes])
    with np.errstate(invalid="ignore"):
        # A class that is neither there nor answered has an F1 of 0, as in the table of scores.
        f1 = np.where(truths + said > 0, 2 * hits / (truths + said), 0.0)
        return np.stack([right[0] / truths.sum(0), f1.mean(0)])


def _left_out(sums: np.ndarray, units: np.ndarray, metrics: Any) -> np.ndarray:
    number = min(int(units.max()) + 1, MOST_LEFT_OUT)
    by_unit = np.asarray(sums_by_unit(sums, units % number, number))
    found: np.ndarray = metrics(sums.sum(1, keepdims=True) - by_unit)
    return found


def leaks_table(
    answers: Mapping[Run, pd.DataFrame], pairs: Mapping[str, Mapping[str, Any]], classes: int, settings: Evaluation
) -> pd.DataFrame:
    """`COLUMNS`: a row for each view, model, protocol with leaks that has a twin, and metric.

    `answers` holds the test images of each run of one cohort and task; `pairs`, by protocol with leaks, its twin
    (`against`), what it has and the twin has not (`leaks`), and the models that this can touch (`models`).
    """
    rows: list[dict[str, Any]] = []
    cells: dict[tuple[str, str, str], list[Run]] = {}
    for run in answers:
        if run.protocol in pairs and run.model in pairs[run.protocol]["models"]:
            cells.setdefault((run.view, run.protocol, run.model), []).append(run)
    for (view, protocol, model), runs in sorted(cells.items()):
        asked = pairs[protocol]
        twins = [_twin(run, asked["against"]) for run in runs]
        if missing := [twin.name for twin in twins if twin not in answers]:
            raise LeukoFlowError(f"{missing[0]}: no answers to compare with those of {protocol}; predict again")
        both = [(answers[run], answers[twin]) for run, twin in zip(runs, twins, strict=True)]
        place = {"cohort": runs[0].cohort, "task": runs[0].task, "view": view, "model": model, "protocol": protocol}
        place |= {"leaks": " + ".join(asked["leaks"]), "against": asked["against"]}
        rows += [place | row for row in worth(runs[0], both, classes, settings)]
    return pd.DataFrame(rows, columns=COLUMNS)


def _twin(run: Run, protocol: str) -> Run:
    return Run(run.cohort, run.task, run.view, protocol, run.model, run.fold, run.seed)
