"""Put the explanations of a panel's runs into one table: every score of each run and method with its interval."""

from pathlib import Path

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run, settings
from leukoflow.explain.tables import explanations


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the runs' folders")
    arguments.add_argument("--of", nargs="*", type=parse_run, required=True, help="names of the runs")
    arguments.add_argument("--output", type=Path, required=True, help="table (CSV)")
    args = arguments.parse_args(argv)
    tables = {trained: read_table(args.runs / trained.name / "explain.parquet") for trained in args.of}
    write_table(args.output, explanations(tables, args.settings))


if __name__ == "__main__":
    run(main)
