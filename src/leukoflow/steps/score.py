"""Score predictions of all runs of a panel: metrics with intervals, and confusion counts.

Every cohort that a run is tested on is scored on all its labelled images, and again without the images that have a
duplicate among those the model was trained on. Where another task of the study joins the runs' classes into fewer, the
joined predictions are scored as well, under that task and the name MODEL_from_TASK.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import Run, add_runs_on, runs_on
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.stats import scores


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--tasks", type=json.loads, required=True, help="section tasks, as JSON")
    add_runs_on(arguments)
    arguments.add_argument("--split", type=Path, required=True, help="split table of the panel's protocol")
    arguments.add_argument("--duplicates", type=Path, required=True, help="pairs of duplicates")
    arguments.add_argument("--output", type=Path, required=True, help="scores (CSV)")
    arguments.add_argument("--confusion", type=Path, required=True, help="confusion counts (CSV)")
    args = arguments.parse_args(argv)
    tasks = {name: Task.model_validate(task) for name, task in args.tasks.items()}
    split, duplicates = read_table(args.split), read_table(args.duplicates)
    named = runs_on(args)
    made, counted = [], []
    for trained, files in progress(named, len(named), "run"):
        predictions = pd.concat([read_table(path) for path in files], ignore_index=True)
        parts = list(scores.samples(trained, predictions, split, duplicates, tasks[trained.task].classes))
        made += list(_scored(trained, parts, tasks, args.settings))
        counts = [scores.confusion(part, tasks[trained.task].classes) for part in parts]
        counted.append(scores.with_run(trained, counts, scores.CONFUSION_COLUMNS))
    write_table(args.output, pd.concat(made, ignore_index=True))
    write_table(args.confusion, pd.concat(counted, ignore_index=True))


def _scored(
    of: Run, parts: list[scores.Sample], tasks: Mapping[str, Task], chosen: Evaluation
) -> Iterator[pd.DataFrame]:
    """Scores of a run on its own task, and on those that its classes are joined to."""
    run_task = tasks[of.task]
    table = [scores.score(part, run_task.classes, chosen) for part in parts]
    yield scores.with_run(of, table, scores.SCORE_COLUMNS)
    for name, task in tasks.items():
        if places := run_task.collapsed_to(task):
            joined = (scores.collapsed(part, places, len(task.classes)) for part in parts)
            table = [scores.score(part, task.classes, chosen) for part in joined]
            yield scores.with_run(of.collapsed_to(name), table, scores.SCORE_COLUMNS)


if __name__ == "__main__":
    run(main)
