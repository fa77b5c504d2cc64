"""Tests between the models of an experiment, each with what it takes for independent and what it cannot say."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from leukoflow.config.evaluation import Evaluation
from leukoflow.config.protocols import strictness
from leukoflow.core.runs import Run, is_baseline
from leukoflow.stats import delong, ranks
from leukoflow.stats.compare import corrected_t, holm, mcnemar

COLUMNS = [
    "experiment", "cohort", "task", "view", "protocol", "test", "model", "against", "class", "fold", "seed",
    "unit", "units", "estimate", "statistic", "p", "p_holm", "least_p", "answers", "caveat",
]  # fmt: skip
RANK_COLUMNS = [
    "experiment", "cohort", "task", "view", "protocol", "model", "blocks", "mean_rank", "mean_accuracy",
    "critical_difference", "p_friedman", "least_blocks",
]  # fmt: skip
ALL = "all"
MCNEMAR, CORRECTED, WILCOXON, DELONG, GROUPED = (
    "McNemar", "corrected t", "Wilcoxon", "DeLong", "DeLong over groups",
)  # fmt: skip
COCHRAN, FRIEDMAN, NEMENYI, ANOVA = "Cochran Q", "Friedman", "Nemenyi", "ANOVA between tasks"
CAVEATS = {
    MCNEMAR: "of two trained networks, not of two methods; takes images for independent",
    CORRECTED: "runs share training images, for which the variance is widened",
    WILCOXON: "takes runs for independent, which they are not; few runs cannot give a small p",
    DELONG: "of two trained networks; takes images for independent",
    GROUPED: "of two trained networks; images of a group may be alike; nothing if a class is in one group",
    COCHRAN: "of trained networks, any of them; takes images for independent",
    FRIEDMAN: "any of the models; takes blocks for independent, but seeds of a fold share its images",
    NEMENYI: "all pairs of models; takes blocks for independent, but seeds of a fold share its images",
    ANOVA: "compares two problems, not two methods: fewer classes are easier for any model, so it cannot say that a "
    "model is good, or better than another",
}


@dataclass(frozen=True)
class Outcome:
    """What one run did on its labelled test images, sorted by image."""

    images: tuple[str, ...]
    y: np.ndarray
    """True classes, [n] int."""
    groups: np.ndarray
    """Group of each image, [n] int, 0 to G-1."""
    probabilities: np.ndarray
    """[n, K]."""
    ratio: float
    """Test images over training images."""

    @property
    def right(self) -> np.ndarray:
        """Whether each image is right, [n] bool."""
        return np.asarray(self.probabilities.argmax(1) == self.y)


@dataclass(frozen=True)
class Asked:
    """What an experiment compares."""

    experiment: str
    reference: str | None
    classes: tuple[str, ...]


Cell = Mapping[str, Mapping[tuple[int, int], Outcome]]
"""Outcomes of one view and protocol by model, then by fold and seed."""


def statistics(
    asked: Asked, outcomes: Mapping[Run, Outcome], by_task: pd.DataFrame, settings: Evaluation
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Tests (`COLUMNS`) and mean ranks (`RANK_COLUMNS`) of an experiment.

    `by_task`: view, protocol, model, task, accuracy, a row for each run of the experiment's models and of the same
    models on coarser tasks, for the comparison of tasks. Models are compared with the reference if there is one,
    and all at once. p_holm is adjusted within a view, protocol and test, and for tests of one run within it.
    """
    cells: dict[tuple[str, str], dict[str, dict[tuple[int, int], Outcome]]] = {}
    for run in sorted(outcomes, key=lambda run: (run.view, strictness(run.protocol), not is_baseline(run.model), run)):
        models = cells.setdefault((run.view, run.protocol), {})
        models.setdefault(run.model, {})[run.fold, run.seed] = outcomes[run]
    rows: list[dict[str, Any]] = []
    ranked: list[dict[str, Any]] = []
    for (view, protocol), cell in cells.items():
        compared = [*_pairs(asked, cell), *_together(cell)]
        rows += [{"view": view, "protocol": protocol} | row for row in compared]
        tested, placed = _ranks({(): cell}, settings)
        rows += [{"view": view, "protocol": protocol} | row for row in tested]
        ranked += [{"view": view, "protocol": protocol} | row for row in placed]
    if len(cells) > 1:
        tested, placed = _ranks(cells, settings)
        rows += [{"view": ALL, "protocol": ALL} | row for row in tested]
        ranked += [{"view": ALL, "protocol": ALL} | row for row in placed]
    rows += _between_tasks(by_task)
    first = next(iter(outcomes))
    where = {"experiment": asked.experiment, "cohort": first.cohort, "task": first.task}
    table = pd.DataFrame(rows, columns=[name for name in COLUMNS if name not in (*where, "p_holm")]).assign(**where)
    table["caveat"] = table["test"].map(CAVEATS)
    table["answers"] = np.where(table["test"] == ANOVA, "no", "yes")
    return _adjusted(table)[COLUMNS], pd.DataFrame(ranked, columns=RANK_COLUMNS[3:]).assign(**where)[RANK_COLUMNS]


def _adjusted(table: pd.DataFrame) -> pd.DataFrame:
    """Holm's adjustment where a test is made of several models; Nemenyi's p is adjusted already."""
    several = table["test"].isin([MCNEMAR, CORRECTED, WILCOXON, DELONG, GROUPED])
    table["p_holm"] = table["p"].where(~several).astype(float)
    family = ["view", "protocol", "test", "fold", "seed"]
    for _, part in table[several].groupby(family, dropna=False):
        table.loc[part.index, "p_holm"] = holm(part["p"].to_numpy(float))
    return table


def _pairs(asked: Asked, cell: Cell) -> Iterator[dict[str, Any]]:
    """Each model against the reference."""
    if asked.reference is None or asked.reference not in cell:
        return
    base = cell[asked.reference]
    for model, outcomes in cell.items():
        if model == asked.reference:
            continue
        names = {"model": model, "against": asked.reference}
        keys = sorted(set(outcomes) & set(base))
        for fold, seed in keys:
            labels = names | {"fold": fold, "seed": seed}
            for row in _of_run(outcomes[fold, seed], base[fold, seed], asked.classes):
                yield labels | row
        differences = np.array([outcomes[key].right.mean() - base[key].right.mean() for key in keys])
        if len(keys) > 1:
            common = names | {"unit": "runs", "units": len(keys), "estimate": float(differences.mean())}
            t, p = corrected_t(differences, float(np.mean([outcomes[key].ratio for key in keys])))
            yield common | {"test": CORRECTED, "statistic": t, "p": p}
            w, p, least = ranks.wilcoxon(differences)
            yield common | {"test": WILCOXON, "statistic": w, "p": p, "least_p": least}


def _of_run(mine: Outcome, theirs: Outcome, classes: Sequence[str]) -> Iterator[dict[str, Any]]:
    """McNemar's test, and DeLong's by class, of one run of each."""
    only = [int((one.right & ~other.right).sum()) for one, other in ((mine, theirs), (theirs, mine))]
    images = {"unit": "test images", "units": len(mine.y)}
    estimate = float(mine.right.mean() - theirs.right.mean())
    least = 2.0 ** (1 - sum(only)) if sum(only) else np.nan
    yield (
        images
        | {"test": MCNEMAR, "estimate": estimate, "statistic": only[0] - only[1], "least_p": least}
        | {"p": mcnemar(only[0], only[1])}
    )
    number = int(mine.groups.max()) + 1
    groups = {"unit": "groups of test images", "units": number}
    for index, name in enumerate(classes):
        positive = mine.y == index
        scores = np.stack([mine.probabilities[:, index], theirs.probabilities[:, index]])
        areas, influence = delong.influences(scores, positive)
        row = {"class": name, "estimate": float(areas[0] - areas[1])}
        z, p = delong.difference(areas, delong.covariance(influence, positive), 0, 1)
        yield row | images | {"test": DELONG, "statistic": z, "p": p}
        if number < len(mine.y):
            spread, degrees = delong.group_covariance(influence, mine.groups), delong.freedom(positive, mine.groups)
            z, p = delong.difference(areas, spread, 0, 1, degrees)
            yield row | groups | {"test": GROUPED, "statistic": z, "p": p}


def _together(cell: Cell) -> Iterator[dict[str, Any]]:
    """Cochran's Q over all models, if each image is tested once."""
    keys = sorted(set.intersection(*(set(runs) for runs in cell.values())))
    folds = [fold for fold, _ in keys]
    if len(cell) > 2 and keys and len(folds) == len(set(folds)):
        right = np.stack([np.concatenate([runs[key].right for key in keys]) for runs in cell.values()], axis=1)
        q, p = ranks.cochran_q(right)
        yield {"test": COCHRAN, "unit": "test images", "units": len(right), "statistic": q, "p": p}


def _ranks(cells: Mapping[Any, Cell], settings: Evaluation) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Friedman's and Nemenyi's tests over the runs of all cells as blocks, and the mean rank of each model."""
    models = [name for name in next(iter(cells.values())) if all(name in cell for cell in cells.values())]
    blocks = []
    for cell in cells.values():
        keys = sorted(set.intersection(*(set(cell[name]) for name in models))) if models else []
        blocks += [[float(cell[name][key].right.mean()) for name in models] for key in keys]
    if len(blocks) < 2 or len(models) < 3:
        return [], []
    values = np.array(blocks)
    count = {"unit": "blocks", "units": len(values)}
    statistic, p = ranks.friedman(values)
    least = ranks.least_friedman(*values.shape)
    rows: list[dict[str, Any]] = [count | {"test": FRIEDMAN, "statistic": statistic, "p": p, "least_p": least}]
    placed, enough = ranks.mean_ranks(values), ranks.least_blocks(len(models), settings.confidence)
    apart = ranks.critical_difference(len(models), len(values), settings.confidence)
    if len(values) >= enough:
        for one, other in combinations(range(len(models)), 2):
            names = {"model": models[one], "against": models[other]}
            gap = float(placed[one] - placed[other])
            p_pair = ranks.nemenyi(gap, len(models), len(values))
            rows.append(names | count | {"test": NEMENYI, "statistic": gap, "p": p_pair})
            rows[-1]["estimate"] = float(values[:, one].mean() - values[:, other].mean())
    shown = {"blocks": len(values), "critical_difference": apart, "p_friedman": p, "least_blocks": enough}
    means = zip(models, placed, values.mean(0), strict=True)
    return rows, [shown | {"model": name, "mean_rank": rank, "mean_accuracy": mean} for name, rank, mean in means]


def _between_tasks(by_task: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """One-way analysis of variance of the accuracies of one model on two tasks, as published; it answers nothing."""
    for (view, protocol, model), part in by_task.groupby(["view", "protocol", "model"], sort=False):
        samples = {str(task): group["accuracy"].to_numpy(float) for task, group in part.groupby("task", sort=False)}
        first, *others = samples
        for other in others:
            one, two = samples[first], samples[other]
            if min(len(one), len(two)) < 2 or np.ptp(one) + np.ptp(two) == 0:
                continue
            test = stats.f_oneway(one, two)
            row = {"view": view, "protocol": protocol, "test": ANOVA, "model": model, "against": other, "unit": "runs"}
            row |= {"units": len(one) + len(two), "estimate": float(one.mean() - two.mean())}
            yield row | {"statistic": float(test.statistic), "p": float(test.pvalue)}
