"""Score one run's predictions: metrics with intervals, and confusion counts.

Every target in the prediction files is scored on all its labelled images, and again without the images that have a
duplicate among those the model learnt from. Where another task of the study joins the run's classes into fewer, the
joined predictions are scored as well, under that task and the name MODEL_from_TASK.
"""

import json
from pathlib import Path

import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run, settings
from leukoflow.evaluation import scores


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--run", type=parse_run, required=True, help="name of the run's folder")
    arguments.add_argument("--tasks", type=json.loads, required=True, help="section tasks, as JSON")
    arguments.add_argument("--predictions", nargs="+", type=Path, required=True, help="one file for each target")
    arguments.add_argument("--split", type=Path, required=True, help="split table of the run's protocol")
    arguments.add_argument("--duplicates", type=Path, required=True, help="pairs of duplicates")
    arguments.add_argument("--output", type=Path, required=True, help="scores (CSV)")
    arguments.add_argument("--confusion", type=Path, required=True, help="confusion counts (CSV)")
    given = arguments.parse_args(argv)
    predictions = pd.concat([read_table(path) for path in given.predictions], ignore_index=True)
    tasks = {name: Task.model_validate(each) for name, each in given.tasks.items()}
    own = tasks[given.run.task]
    parts = list(
        scores.samples(given.run, predictions, read_table(given.split), read_table(given.duplicates), own.classes)
    )
    table = [scores.score(part, own.classes, given.settings) for part in parts]
    tables = [scores.with_run(given.run, table, scores.SCORE_COLUMNS)]
    for name, task in tasks.items():
        if places := own.collapsed_to(task):
            joined = (scores.collapsed(part, places, len(task.classes)) for part in parts)
            table = [scores.score(part, task.classes, given.settings) for part in joined]
            tables.append(scores.with_run(given.run.collapsed_to(name), table, scores.SCORE_COLUMNS))
    write_table(given.output, pd.concat(tables, ignore_index=True))
    counts = [scores.confusion(part, own.classes) for part in parts]
    write_table(given.confusion, scores.with_run(given.run, counts, scores.CONFUSION_COLUMNS))


if __name__ == "__main__":
    run(main)
