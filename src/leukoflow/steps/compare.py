"""Compare the models of an experiment with its reference, on the same test images, folds and seeds."""

import json
from pathlib import Path

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.stats.compare import answers_of, compare


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--experiment", required=True, help="name of the experiment")
    arguments.add_argument("--reference", required=True, help="model that the others are compared with")
    arguments.add_argument("--published", type=json.loads, required=True, help="published accuracies by model, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the experiment's runs")
    arguments.add_argument("--output", type=Path, required=True, help="comparisons (CSV)")
    args = arguments.parse_args(argv)
    columns = ["cohort", "image_id", "group", "role", "y", "perturbation", "probabilities"]
    runs = {}
    for trained in progress(args.of, len(args.of), "run"):
        folder = args.runs / trained.name
        predictions = read_table(folder / "predictions" / f"{trained.cohort}.parquet", columns)
        runs[trained] = answers_of(trained, predictions, read_json(folder / "model.json")["train_images"])
    write_table(args.output, compare(args.experiment, args.reference, runs, args.published, args.settings))


if __name__ == "__main__":
    run(main)
