"""Models of an experiment against its reference, on the same test images, folds and seeds.

An accuracy is the mean over runs, as in the leaderboard. A figure as published stands in columns named so, and enters
no measured one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from leukoflow.config.evaluation import Evaluation
from leukoflow.config.protocols import strictness
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run, is_baseline
from leukoflow.stats.shares import Stratum, intervals, stratum

COLUMNS = [
    "experiment", "cohort", "task", "view", "protocol", "model", "reference", "images", "groups", "runs",
    "accuracy", "reference_accuracy", "difference", "low", "high", "resampling",
    "only_model", "only_reference", "p_mcnemar", "t", "p_t", "test", "p", "p_holm",
    "published", "published_reference", "published_difference",
]  # fmt: skip
MCNEMAR, CORRECTED_T = "McNemar", "corrected t"


@dataclass(frozen=True)
class Answers:
    """What one run did on its test images."""

    table: pd.DataFrame
    """image_id, group, right (bool), sorted by image."""
    train_images: int
    """Images that the run was trained on."""


Runs = Mapping[tuple[int, int], Answers]
"""The runs of one model by fold and seed."""


def answers_of(run: Run, predictions: pd.DataFrame, train_images: int) -> Answers:
    """The labelled test images of a run's predictions on its own cohort, unperturbed.

    LeukoFlowError if there are none.
    """
    return Answers(tested(run, predictions)[["image_id", "group", "right"]], train_images)


def tested(run: Run, predictions: pd.DataFrame) -> pd.DataFrame:
    """The labelled test images of a run's predictions on its own cohort, unperturbed, sorted by image.

    Columns of the predictions, `group` (the image itself if there is none) and `right` (bool). LeukoFlowError if
    there are none.
    """
    rows = (predictions["perturbation"] == "none") & (predictions["role"] == "test") & (predictions["y"] >= 0)
    table = predictions[rows & (predictions["cohort"] == run.cohort)]
    if table.empty:
        raise LeukoFlowError(f"{run.name}: no predictions of role test to compare; predict again")
    return answered(table).sort_values("image_id", ignore_index=True)


def answered(table: pd.DataFrame) -> pd.DataFrame:
    """Labelled predictions with `right` (bool); the group of an image without one is the image itself."""
    right = np.stack(table["probabilities"].to_list()).argmax(1) == table["y"]
    return table.assign(right=right, group=table["group"].fillna(table["image_id"]))


def compare(
    experiment: str,
    reference: str,
    runs: Mapping[Run, Answers],
    published: Mapping[str, float],
    settings: Evaluation,
) -> pd.DataFrame:
    """`COLUMNS`, a row for each view, protocol and model but the reference; in each, the colour baseline comes first.

    `published` holds accuracies as published by model. LeukoFlowError if a model and the reference were not tested
    on the same images in the same runs.
    """
    views = list(dict.fromkeys((run.cohort, run.task, run.view) for run in runs))
    cells = sorted({(views.index((run.cohort, run.task, run.view)), strictness(run.protocol)) for run in runs})
    tables = []
    for view, protocol in cells:
        cell = (*views[view], protocol[-1])
        here = {run: answers for run, answers in runs.items() if (run.cohort, run.task, run.view, run.protocol) == cell}
        rows = _cell(reference, here, settings)
        if len(rows):
            names = dict(zip(COLUMNS[:5], (experiment, *cell), strict=True))
            tables.append(rows.assign(**names, reference=reference))
    if not tables:
        return gather([])
    table = pd.concat(tables, ignore_index=True)
    table["published"] = table["model"].map(dict(published)).astype(float)
    table["published_reference"] = published.get(reference, np.nan)
    table["published_difference"] = table["published"] - table["published_reference"]
    return table[COLUMNS]


def gather(tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """The comparisons of all experiments in one table; the header alone if no experiment has a reference."""
    # An empty part has no types to speak for.
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True)[COLUMNS] if filled else pd.DataFrame(columns=COLUMNS)


def comparisons_table(inputs: Inputs) -> pd.DataFrame:
    """Table `comparisons`, from the `comparisons` of every experiment."""
    return gather(inputs.tables("comparisons"))


def _cell(reference: str, runs: Mapping[Run, Answers], settings: Evaluation) -> pd.DataFrame:
    """Rows of one view and protocol."""
    by_model: dict[str, dict[tuple[int, int], Answers]] = {}
    for run, answers in runs.items():
        by_model.setdefault(run.model, {})[run.fold, run.seed] = answers
    base = by_model.pop(reference, {})
    if not by_model:
        return pd.DataFrame()
    for name, model_runs in by_model.items():
        if _images(model_runs) != _images(base):
            raise LeukoFlowError(f"{name} and {reference} were not tested on the same images and runs; predict again")
    models = sorted(by_model)
    limits = _intervals([by_model[name] for name in models], base, settings)
    rows = [{"model": name} | _measured(by_model[name], base) | limits[index] for index, name in enumerate(models)]
    table = pd.DataFrame(rows)
    several = table["runs"] > 1
    table["test"] = np.where(several, CORRECTED_T, MCNEMAR)
    table["p"] = table["p_t"].where(several, table["p_mcnemar"])
    table["p_holm"] = holm(table["p"].to_numpy())
    keys = table.assign(_second=[not is_baseline(name) for name in models], _fall=-table["difference"])
    return keys.sort_values(["_second", "_fall"], kind="stable")


def _images(runs: Runs) -> dict[tuple[int, int], list[str]]:
    return {key: run.table["image_id"].to_list() for key, run in runs.items()}


def _measured(runs: Runs, base: Runs) -> dict[str, float]:
    """Accuracies, their difference, and the tests that apply."""
    rights = [(runs[key].table["right"].to_numpy(), base[key].table["right"].to_numpy()) for key in runs]
    accuracy, other = (float(np.mean([pair[side].mean() for pair in rights])) for side in (0, 1))
    differences = np.array([mine.mean() - theirs.mean() for mine, theirs in rights])
    every = pd.concat([runs[key].table.assign(fold=key[0]) for key in runs])
    once = every.drop_duplicates(["fold", "image_id"])
    mine, theirs = (np.concatenate([pair[side] for pair in rights]) for side in (0, 1))
    row: dict[str, float] = {"images": len(once), "groups": len(once[["fold", "group"]].drop_duplicates())}
    row |= {"runs": len(runs), "accuracy": accuracy, "reference_accuracy": other, "difference": accuracy - other}
    row |= {"only_model": int((mine & ~theirs).sum()), "only_reference": int((theirs & ~mine).sum())}
    # Several seeds answer for the same image more than once, and such pairs are not independent.
    alone = not every["image_id"].duplicated().any()
    row["p_mcnemar"] = mcnemar(int(row["only_model"]), int(row["only_reference"])) if alone else np.nan
    ratio = float(np.mean([len(answers.table) / answers.train_images for answers in runs.values()]))
    row["t"], row["p_t"] = corrected_t(differences, ratio)
    return row


def mcnemar(only_first: int, only_second: int) -> float:
    """Exact two-sided p of McNemar's test (1947, doi 10.1007/BF02295996) from the counts of discordant pairs.

    1 if there are none.
    """
    discordant = only_first + only_second
    return float(stats.binomtest(only_first, discordant).pvalue) if discordant else 1.0


def corrected_t(differences: np.ndarray, ratio: float) -> tuple[float, float]:
    """t and two-sided p of the corrected resampled t-test (Nadeau and Bengio 2003, doi 10.1023/A:1024068626366).

    differences [k], one for each run; t = mean / sqrt((1/k + ratio) variance), k - 1 degrees of freedom, where ratio is
    n_test / n_train: runs share training images, so their differences vary less than those of new data would. NaN for
    fewer than two runs, or if all differ alike.
    """
    count = len(differences)
    variance = float(np.var(differences, ddof=1)) if count > 1 else 0.0
    if np.sqrt(variance) <= 1e-12:
        return np.nan, np.nan
    t = float(np.mean(differences) / np.sqrt((1 / count + ratio) * variance))
    return t, float(2 * stats.t.sf(abs(t), count - 1))


def holm(p: np.ndarray) -> np.ndarray:
    """p-values [n] adjusted for how many they are (Holm 1979); undefined ones stay undefined and do not count."""
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    adjusted[order] = np.minimum(1, np.maximum.accumulate(p[order] * factors)) if len(order) else []
    return adjusted


def _intervals(models: list[Runs], base: Runs, settings: Evaluation) -> list[dict[str, float | str]]:
    """low, high and resampling of each model's difference: over groups where that leaves a width, else over images.

    Where a bootstrap has nothing to vary, as where both models are right on the same images, there is no interval.
    """
    alone = all(answers.table["group"].is_unique for answers in base.values())
    limits: list[dict[str, float | str]] = [{"low": np.nan, "high": np.nan, "resampling": ""} for _ in models]
    for kind in ("images",) if alone else ("images", "groups"):
        _, lows, highs = intervals(_gains(models, base, kind), settings)
        for index, (low, high) in enumerate(zip(lows, highs, strict=True)):
            if low < high:
                limits[index] = {"low": low, "high": high, "resampling": kind}
    return limits


def _gains(models: list[Runs], base: Runs, kind: str) -> dict[int, Stratum]:
    """What each model gains on the reference in each unit, by fold.

    Seeds of a fold share its images, so they are averaged before.
    """
    strata = {}
    for fold in sorted({fold for fold, _ in base}):
        keys = [key for key in base if key[0] == fold]
        table = base[keys[0]].table
        units = pd.factorize(table["group" if kind == "groups" else "image_id"])[0]
        strata[fold] = stratum(
            units, [_right(runs, keys) - _right(base, keys) for runs in models], [np.ones(len(units))]
        )
    return strata


def _right(runs: Runs, keys: list[tuple[int, int]]) -> np.ndarray:
    """Share of these runs that are right on each image, [n]."""
    return np.mean([runs[key].table["right"].to_numpy(np.float64) for key in keys], axis=0)
