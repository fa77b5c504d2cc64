"""The runs that a study asks for."""

from collections.abc import Iterable
from dataclasses import replace
from itertools import product
from typing import get_args

from leukoflow.config.experiments import Check
from leukoflow.config.splits import Protocol
from leukoflow.config.study import Study
from leukoflow.core.runs import Run


def runs_of(study: Study, experiment: str) -> list[Run]:
    """Every run of one experiment: view x protocol x model x fold x seed, in the config's order."""
    asked = study.experiments[experiment]
    folds = range(study.splits.folds)
    axes = product(asked.views, asked.protocols, asked.models, folds, asked.seeds)
    return [Run(asked.cohort, asked.task, *axis) for axis in axes]


def all_runs(study: Study) -> dict[Run, list[str]]:
    """Every run of the study, once, with the cohorts it is tested on: its own first, then the external ones."""
    targets: dict[Run, list[str]] = {}
    for name, experiment in study.experiments.items():
        for run in runs_of(study, name):
            cohorts = targets.setdefault(run, [run.cohort])
            cohorts.extend(each for each in experiment.external if each not in cohorts)
    return targets


def checked_runs(study: Study, check: Check) -> list[Run]:
    """The runs under the strictest protocol of every experiment with this check, once."""
    strictness = get_args(Protocol)
    found: dict[Run, None] = {}
    for name, experiment in study.experiments.items():
        if check in experiment.checks:
            strictest = max(experiment.protocols, key=strictness.index)
            found |= dict.fromkeys(run for run in runs_of(study, name) if run.protocol == strictest)
    return list(found)


def words_of(runs: Iterable[Run]) -> str:
    """Names of runs as words of a Bash command, folds and seeds in braces: `...neurallnet.fold{0,1}.seed{0,1,2}`.

    One argument of a command ends at 128 KiB, which the names of a few thousand runs would pass.
    """
    alike: dict[Run, list[Run]] = {}
    for run in runs:
        alike.setdefault(replace(run, fold=0, seed=0), []).append(run)
    words = []
    for some in alike.values():
        folds, seeds = sorted({run.fold for run in some}), sorted({run.seed for run in some})
        if len(some) == len(folds) * len(seeds):
            stem = some[0].name.rsplit(".", 2)[0]
            words.append(f"{stem}.fold{_any_of(folds)}.seed{_any_of(seeds)}")
        else:
            words += [run.name for run in some]
    return " ".join(words)


def _any_of(numbers: list[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}" if len(numbers) > 1 else str(numbers[0])
