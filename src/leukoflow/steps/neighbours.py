"""Measure what the nearest neighbours of the images in a panel's features have in common."""

from pathlib import Path

import pandas as pd

from leukoflow.cells.tables import COLUMNS, of_run
from leukoflow.config.tasks import Task
from leukoflow.core.files import write_table
from leukoflow.core.runs import run_of
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.embedding import neighbour_agreement, points_of


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="the task, as JSON")
    arguments.add_argument("--manifest", type=Path, required=True, help="manifest of the cohort")
    arguments.add_argument("--groups", type=Path, required=True, help="acquisition clusters")
    arguments.add_argument("--matrices", nargs="+", type=Path, required=True, help="scaled/COHORT.npy of selections")
    arguments.add_argument("--output", type=Path, required=True, help="table (CSV)")
    args = arguments.parse_args(argv)
    parts = []
    for path in args.matrices:
        points = points_of(path, args.manifest, args.groups, args.settings)
        parts.append(of_run("neighbours", run_of(path), neighbour_agreement(points)))
    columns = COLUMNS["neighbours"]
    write_table(args.output, pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns))


if __name__ == "__main__":
    run(main)
