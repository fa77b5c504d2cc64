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
    tasks = {name: Task.model_validate(task) for name, task in inputs.settings["tasks"].items()}
    files = inputs.by_run("predictions")
    rows: list[dict[str, Any]] = []
    whole: dict[tuple[int, int], Sample] = {}
    for part in inputs.settings["ablated"]:
        runs = [parse_run(name) for name in part["runs"]]
        classes = tasks[runs[0].task].classes
        samples = {(run.fold, run.seed): _tested(run, files, tuple(classes)) for run in runs}
        if not part["entry"]:
            whole = samples
        differences, resampling = paired(samples, whole, evaluation)
        rows.append(_row(part, runs[0], samples, differences, resampling))
    return pd.DataFrame(rows, columns=COLUMNS)


def _tested(run: Run, files: Mapping[Run, Any], classes: tuple[str, ...]) -> Sample:
    table = read_table(files[run], ["image_id", "group", "role", "y", "perturbation", "probabilities"])
    table = table[(table["role"] == "test") & (table["perturbation"] == "none")].sort_values("image_id")
    return sample_of(run, table, classes, run.cohort, "test")


def _row(
    part: Mapping[str, Any],
    run: Run,
    samples: Mapping[Any, Sample],
    differences: Mapping[str, Difference],
    resampling: str,
) -> dict[str, Any]:
    accuracy, f1 = differences["accuracy"], differences["f1"]
    by_fold = {fold: sample for (fold, _), sample in samples.items()}
    row: dict[str, Any] = {"experiment": part["experiment"], "cohort": run.cohort, "task": run.task}
    row |= {"protocol": run.protocol, "model": part["of"], "part": part["entry"] or WHOLE, "view": run.view}
    row |= {"variant": run.model, "runs": len(samples), "images": sum(len(one.y) for one in by_fold.values())}
    row |= {"groups": sum(one.number_of_groups for one in by_fold.values())}
    row |= {"accuracy": accuracy.first, "macro_f1": f1.first}
    if not part["entry"]:
        return row
    row |= {"difference": accuracy.difference, "low": accuracy.low, "high": accuracy.high, "resampling": resampling}
    return row | {"f1_difference": f1.difference, "f1_low": f1.low, "f1_high": f1.high}
