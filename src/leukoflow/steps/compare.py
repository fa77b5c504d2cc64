"""Compare the models of an experiment with its reference, on the same test images, folds and seeds.

Runs are named by the folder of their files.
"""

import json
from pathlib import Path

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import run_of
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.evaluation.compare import answers_of, compare


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--experiment", required=True, help="name of the experiment")
    arguments.add_argument("--reference", required=True, help="model that the others are compared with")
    arguments.add_argument("--published", type=json.loads, required=True, help="published accuracies by model, as JSON")
    arguments.add_argument("--predictions", nargs="+", type=Path, required=True, help="of every run, on its own cohort")
    arguments.add_argument("--models", nargs="+", type=Path, required=True, help="model.json of every run")
    arguments.add_argument("--output", type=Path, required=True, help="comparisons (CSV)")
    given = arguments.parse_args(argv)
    train_images = {run_of(path): read_json(path)["train_images"] for path in given.models}
    columns = ["cohort", "image_id", "group", "role", "y", "perturbation", "probabilities"]
    runs = {
        run_of(path): answers_of(run_of(path), read_table(path, columns), train_images[run_of(path)])
        for path in progress(given.predictions, len(given.predictions), "run")
    }
    write_table(given.output, compare(given.experiment, given.reference, runs, given.published, given.settings))


if __name__ == "__main__":
    run(main)
