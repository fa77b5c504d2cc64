"""What the models and views of an experiment gain on changed images over its reference."""

from pathlib import Path

from leukoflow.audits.remedies import compare_with_reference
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, progress, run, settings

COLUMNS = ["image_id", "group", "y", "perturbation", "level", "target", "probabilities"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--experiment", required=True, help="name of the experiment")
    arguments.add_argument("--reference", nargs=2, required=True, metavar=("VIEW", "MODEL"), help="what it is held to")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    arguments.add_argument("--of", nargs="*", default=[], help="names of the runs, each with its changed.parquet")
    arguments.add_argument("--output", type=Path, required=True, help="gains (CSV)")
    args = arguments.parse_args(argv)
    named = progress(args.of, len(args.of), "run")
    tables = [(parse_run(name), read_table(args.runs / name / "changed.parquet", COLUMNS)) for name in named]
    write_table(args.output, compare_with_reference(args.experiment, tuple(args.reference), tables, args.settings))


if __name__ == "__main__":
    run(main)
