"""Draw ROC or precision-recall curves of all models on one cohort, task, view and protocol.

Predictions of folds and seeds are pooled.
"""

from pathlib import Path

import pandas as pd

from leukoflow.core.files import read_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run
from leukoflow.figures.curves import LABELS, curves
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--kind", choices=list(LABELS), required=True, help="which curves")
    arguments.add_argument("--classes", nargs="+", required=True, help="the task's classes, in order")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the runs shown")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    by_model: dict[str, list[pd.DataFrame]] = {}
    for each in given.of:
        path = given.runs / each.name / "predictions" / f"{each.cohort}.parquet"
        by_model.setdefault(each.model, []).append(read_table(path))
    pooled = {model: pd.concat(tables, ignore_index=True) for model, tables in by_model.items()}
    save(*curves(given.kind, pooled, given.classes), given.output)


if __name__ == "__main__":
    run(main)
