"""What changed images do to the models of one cohort, task, view and protocol."""

from pathlib import Path

import pandas as pd

from leukoflow.audits.modules import COLUMNS as MODULES
from leukoflow.audits.robustness import robustness
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, progress, run, settings

COLUMNS = ["image_id", "group", "y", "perturbation", "level", "target", "probabilities"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of all runs")
    arguments.add_argument("--of", nargs="*", default=[], help="names of the runs, each with its changed.parquet")
    arguments.add_argument("--modules", nargs="*", default=[], help="names of those that have a modules.csv")
    arguments.add_argument("--output", type=Path, required=True, help="robustness (CSV)")
    arguments.add_argument("--modules-output", type=Path, required=True, help="modules of all those runs (CSV)")
    args = arguments.parse_args(argv)
    named = progress(args.of, len(args.of), "run")
    tables = [(parse_run(name), read_table(args.runs / name / "changed.parquet", COLUMNS)) for name in named]
    write_table(args.output, robustness(tables, args.settings))
    parts = [read_table(args.runs / name / "modules.csv") for name in args.modules]
    write_table(args.modules_output, pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=MODULES))


if __name__ == "__main__":
    run(main)
