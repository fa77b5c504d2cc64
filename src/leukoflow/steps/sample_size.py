"""Accuracy against the number of training images, from the scores of all runs."""

import json
from pathlib import Path

from leukoflow.config.models import Model
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run
from leukoflow.stats.sample_size import sample_size


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--models", type=json.loads, required=True, help="models on several shares by name, as JSON")
    arguments.add_argument("--scores", type=Path, required=True, help="scores of all runs (CSV)")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    arguments.add_argument("--of", nargs="*", default=[], help="names of these models' runs")
    arguments.add_argument("--output", type=Path, required=True, help="sample sizes (CSV)")
    args = arguments.parse_args(argv)
    models = {name: Model.model_validate(model) for name, model in args.models.items()}
    images = {parse_run(name): int(read_json(args.runs / name / "model.json")["train_images"]) for name in args.of}
    scores = read_table(args.scores).astype({"class": object, "resampling": object})
    scores = scores.fillna({"class": "", "resampling": ""})
    write_table(args.output, sample_size(scores, models, images))


if __name__ == "__main__":
    run(main)
