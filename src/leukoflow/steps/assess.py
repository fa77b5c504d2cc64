"""Measure calibration and discrimination of all runs of a panel from their predictions.

Calibrators and thresholds are fitted on the validation role; every number is of the test role, or of other cohorts.
Writes OUTPUT/TABLE.csv of each table.
"""

from pathlib import Path

from leukoflow.config.evaluation import Evaluation
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import add_runs_on, runs_on
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.stats.assess import assess

COLUMNS = ["cohort", "image_id", "group", "role", "y", "perturbation", "logits"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--task", type=settings(Task), required=True, help="the panel's entry of section tasks")
    add_runs_on(arguments)
    arguments.add_argument("--output", type=Path, required=True, help="folder to write the tables into")
    args = arguments.parse_args(argv)
    named = runs_on(args)
    predictions = {}
    for trained, files in progress(named, len(named), "run"):
        predictions[trained] = [read_table(path, COLUMNS) for path in files]
    for name, table in assess(predictions, args.task.classes, args.settings).items():
        write_table(args.output / f"{name}.csv", table)


if __name__ == "__main__":
    run(main)
