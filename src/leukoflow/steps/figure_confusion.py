"""Draw confusion matrices of all models on one cohort, task, view and protocol; folds and seeds are summed."""

from pathlib import Path

import pandas as pd

from leukoflow.core.files import read_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run
from leukoflow.figures.confusion import confusion_matrices
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the runs shown")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    counts = [read_table(given.runs / each.name / "confusion.csv") for each in given.of]
    save(*confusion_matrices(pd.concat(counts)), given.output)


if __name__ == "__main__":
    run(main)
