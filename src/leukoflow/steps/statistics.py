"""Test the models of an experiment against its reference, against each other, and between tasks as published.

Written are the tests (statistics.csv) and the mean ranks of the models over folds and seeds (ranks.csv).
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.stats.compare import tested
from leukoflow.stats.comparisons import Asked, Outcome, statistics

READ = ["cohort", "image_id", "group", "role", "y", "perturbation", "probabilities"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--experiment", required=True, help="name of the experiment")
    arguments.add_argument("--reference", help="model that the others are tested against")
    arguments.add_argument("--tasks", type=json.loads, required=True, help="section tasks, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the experiment's runs")
    arguments.add_argument(
        "--partners", nargs="*", type=parse_run, default=[], help="runs of the same models on tasks of fewer classes"
    )
    arguments.add_argument("--output", type=Path, required=True, help="tests (CSV)")
    arguments.add_argument("--ranks", type=Path, required=True, help="mean ranks (CSV)")
    args = arguments.parse_args(argv)
    tasks = {name: Task.model_validate(task) for name, task in args.tasks.items()}
    outcomes = {run: _outcome(args.runs, run) for run in progress(args.of, len(args.of), "run")}
    accuracies = [row for run, outcome in outcomes.items() for row in _accuracies(run, outcome, tasks)]
    accuracies += [_row(run, run.task, _outcome(args.runs, run).right) for run in args.partners]
    by_task = pd.DataFrame(accuracies, columns=["view", "protocol", "model", "task", "accuracy"])
    asked = Asked(args.experiment, args.reference, tasks[args.of[0].task].classes)
    made, ranks = statistics(asked, outcomes, by_task, args.settings)
    write_table(args.output, made)
    write_table(args.ranks, ranks)


def _outcome(runs: Path, run: Run) -> Outcome:
    folder = runs / run.name
    table = tested(run, read_table(folder / "predictions" / f"{run.cohort}.parquet", READ))
    return Outcome(
        tuple(table["image_id"]),
        table["y"].to_numpy(np.int64),
        pd.factorize(table["group"])[0],
        np.stack(table["probabilities"].to_list()),
        len(table) / read_json(folder / "model.json")["train_images"],
    )


def _accuracies(run: Run, outcome: Outcome, tasks: dict[str, Task]) -> list[dict]:
    """Accuracy on the run's own task, and on each that joins its classes into fewer."""
    rows = [_row(run, run.task, outcome.right)]
    for name, task in tasks.items():
        if places := tasks[run.task].collapsed_to(task):
            joined = np.zeros((len(outcome.y), len(task.classes)))
            np.add.at(joined.T, np.asarray(places), outcome.probabilities.T)
            rows.append(_row(run, f"{name}, classes joined", joined.argmax(1) == np.asarray(places)[outcome.y]))
    return rows


def _row(run: Run, task: str, right: np.ndarray) -> dict:
    facts = {"view": run.view, "protocol": run.protocol, "model": run.model}
    return facts | {"task": task, "accuracy": float(right.mean())}


if __name__ == "__main__":
    run(main)
