"""The runs that a study asks for."""

import re
from collections.abc import Iterable
from itertools import product

from leukoflow.config.experiments import Check
from leukoflow.config.protocols import strictest
from leukoflow.config.study import Study, exportable
from leukoflow.config.views import CohortStain
from leukoflow.core.runs import Run, fold_name

_FOLD_AND_SEED = re.compile(r"(.*)\.fold(\d+)\.seed(\d+)(.*)")


def drawn_view(study: Study, run: Run) -> str:
    """The view that a run sees, as its folder is named: if its stain is fitted on training images, one for each fold.

    Whatever has cohort, task, view, protocol and fold may stand for a run.
    """
    fitted = study.views[run.view].target == "training"
    return f"{run.view}~{fold_name(run)}" if fitted else run.view


def stain_name(study: Study, view: str, fold: str) -> str | None:
    """Name of the stain that a view is brought to, if that has to be found; `fold` is where it is trained on."""
    target = study.views[view].target
    if isinstance(target, CohortStain):
        return f"cohort.{target.cohort}"
    return {"given": None, "training": fold}.get(target, view)


def runs_of(study: Study, experiment: str) -> list[Run]:
    """Every run of one experiment: view x protocol x model x fold x seed, in the config's order."""
    asked = study.experiments[experiment]
    folds = {protocol: range(study.folds(asked.cohort, protocol)) for protocol in asked.protocols}
    axes = product(asked.views, asked.protocols, asked.models)
    return [
        Run(asked.cohort, asked.task, *axis, fold, seed)
        for axis in axes
        for fold, seed in product(folds[axis[1]], asked.seeds)
    ]


def all_runs(study: Study) -> dict[Run, list[str]]:
    """Every run of the study, once, with the cohorts it is tested on: its own first, then the external ones."""
    targets: dict[Run, list[str]] = {}
    for name, experiment in study.experiments.items():
        for run in runs_of(study, name):
            cohorts = targets.setdefault(run, [run.cohort])
            cohorts.extend(cohort for cohort in experiment.external if cohort not in cohorts)
    return targets


def checked_runs(study: Study, check: Check) -> list[Run]:
    """The runs of every experiment with this check, once: under the protocol that it is checked under."""
    runs: dict[Run, None] = {}
    for name, experiment in study.experiments.items():
        if check in experiment.checks:
            under = experiment.checked_under or strictest(experiment.protocols)
            runs |= dict.fromkeys(run for run in runs_of(study, name) if run.protocol == under)
    return list(runs)


def exported_runs(study: Study) -> dict[str, Run]:
    """The run that each exported model is taken from: under the strictest protocol of the first experiment with it, on
    that experiment's first view of whole pictures, first fold and seed."""
    exported: dict[str, Run] = {}
    for name, experiment in study.experiments.items():
        views = [view for view in experiment.views if study.views[view].kind != "cells"]
        able = [model for model in experiment.models if views and not exportable(study, model)]
        wanted = able[:1] if study.export.models is None else [model for model in able if model in study.export.models]
        under = strictest(experiment.protocols)
        for run in runs_of(study, name):
            if run.model in wanted and (run.view, run.protocol) == (views[0], under):
                exported.setdefault(run.model, run)
    return exported


def partners_of(study: Study, experiment: str) -> list[Run]:
    """Runs of an experiment's models, on its cohort, views and protocols, for tasks of fewer classes."""
    asked = study.experiments[experiment]
    keys = {(run.cohort, run.view, run.protocol, run.model) for run in runs_of(study, experiment)}
    fewer = {name for name, task in study.tasks.items() if len(task.classes) < len(study.tasks[asked.task].classes)}
    return [
        run for run in all_runs(study) if run.task in fewer and (run.cohort, run.view, run.protocol, run.model) in keys
    ]


def words_of(runs: Iterable[Run]) -> str:
    """Names of runs as words of a Bash command, folds and seeds in braces: `...neurallnet.fold{0,1}.seed{0,1,2}`.

    One argument of a command ends at 128 KiB, which the names of a few thousand runs would pass.
    """
    return file_words(run.name for run in runs)


def file_words(files: Iterable[str]) -> str:
    """Files as words of a Bash command, those that differ in a run's fold and seed alone as one word, as `words_of`."""
    alike: dict[tuple[str, str], list[tuple[int, int]]] = {}
    words: list[str] = []
    for file in files:
        if match := _FOLD_AND_SEED.fullmatch(file):
            start, fold, seed, end = match.groups()
            alike.setdefault((start, end), []).append((int(fold), int(seed)))
        else:
            words.append(file)
    for (start, end), some in alike.items():
        folds, seeds = sorted({fold for fold, _ in some}), sorted({seed for _, seed in some})
        whole = len(some) == len(folds) * len(seeds)
        for fold, seed in [(_any_of(folds), _any_of(seeds))] if whole else some:
            words.append(f"{start}.fold{fold}.seed{seed}{end}")
    return " ".join(words)


def _any_of(numbers: list[int]) -> str:
    return "{" + ",".join(map(str, numbers)) + "}" if len(numbers) > 1 else str(numbers[0])
