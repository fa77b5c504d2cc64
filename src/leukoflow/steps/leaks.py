"""Measure what the leaks of protocols that have some on purpose are worth, on one cohort and task, from predictions."""

import json
from pathlib import Path

from leukoflow.audits.leaks import leaks_table
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.stats.compare import tested

READ = ["cohort", "image_id", "group", "role", "y", "perturbation", "probabilities"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="*", type=parse_run, default=[], help="runs with leaks and without")
    arguments.add_argument("--pairs", type=json.loads, required=True, help="by protocol: against, leaks, models (JSON)")
    arguments.add_argument("--classes", type=json.loads, required=True, help="names of the task's classes, as JSON")
    arguments.add_argument("--output", type=Path, required=True, help="table (CSV)")
    args = arguments.parse_args(argv)
    answers = {}
    for trained in progress(args.of, len(args.of), "run"):
        path = args.runs / trained.name / "predictions" / f"{trained.cohort}.parquet"
        answers[trained] = tested(trained, read_table(path, READ))
    write_table(args.output, leaks_table(answers, args.pairs, len(args.classes), args.settings))


if __name__ == "__main__":
    run(main)
