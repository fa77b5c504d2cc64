"""What each part of a model, or each step of its pictures, is worth: the model without it against the whole."""

from collections.abc import Mapping
from typing import Any

import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import Run, parse_run
from leukoflow.stats.paired import Difference, paired
from leukoflow.stats.samples import Sample, sample_of

WHOLE = "whole"
COLUMNS = [
    "experiment", "cohort", "task", "protocol", "model", "part", "view", "variant", "runs", "images", "groups",
    "accuracy", "macro_f1", "difference", "low", "high", "f1_difference", "f1_low", "f1_high", "resampling",
]  # fmt: skip


def ablation_table(inputs: Inputs) -> pd.DataFrame:
    """Table `ablation`, from the `predictions` of the runs that setting `ablated` lists by experiment, model and part.

    Settings `evaluation` and `tasks` are sections of the config.
    """
    evaluation = Evaluation.model_validate(inputs.settings["evaluation"])
    tasks = {name: Task.model_validate(each) for name, each in inputs.settings["tasks"].items()}
    files = inputs.by_run("predictions")
    rows: list[dict[str, Any]] = []
    whole: dict[tuple[int, int], Sample] = {}
    for each in inputs.settings["ablated"]:
        runs = [parse_run(name) for name in each["runs"]]
        classes = tasks[runs[0].task].classes
        samples = {(run.fold, run.seed): _tested(run, files, tuple(classes)) for run in runs}
        if not each["entry"]:
            whole = samples
        found, resampling = paired(samples, whole, evaluation)
        rows.append(_row(each, runs[0], samples, found, resampling))
    return pd.DataFrame(rows, columns=COLUMNS)


def _tested(run: Run, files: Mapping[Run, Any], classes: tuple[str, ...]) -> Sample:
    table = read_table(files[run], ["image_id", "group", "role", "y", "perturbation", "probabilities"])
    table = table[(table["role"] == "test") & (table["perturbation"] == "none")].sort_values("image_id")
    return sample_of(run, table, classes, run.cohort, "test")


def _row(
    each: Mapping[str, Any], run: Run, samples: Mapping[Any, Sample], found: Mapping[str, Difference], resampling: str
) -> dict[str, Any]:
    accuracy, f1 = found["accuracy"], found["f1"]
    by_fold = {fold: sample for (fold, _), sample in samples.items()}
    row: dict[str, Any] = {"experiment": each["experiment"], "cohort": run.cohort, "task": run.task}
    row |= {"protocol": run.protocol, "model": each["of"], "part": each["entry"] or WHOLE, "view": run.view}
    row |= {"variant": run.model, "runs": len(samples), "images": sum(len(one.y) for one in by_fold.values())}
    row |= {"groups": sum(one.number_of_groups for one in by_fold.values())}
    row |= {"accuracy": accuracy.first, "macro_f1": f1.first}
    if not each["entry"]:
        return row
    row |= {"difference": accuracy.difference, "low": accuracy.low, "high": accuracy.high, "resampling": resampling}
    return row | {"f1_difference": f1.difference, "f1_low": f1.low, "f1_high": f1.high}
