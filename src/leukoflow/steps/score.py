"""Score one run's predictions: metrics with intervals, and confusion counts.

Every target in the prediction files is scored on all its labelled images, and again without the images that have a
duplicate among those the model learnt from.
"""

from pathlib import Path

import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run, settings
from leukoflow.evaluation import scores


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--run", type=parse_run, required=True, help="name of the run's folder")
    arguments.add_argument("--classes", nargs="+", required=True, help="the task's classes, in order")
    arguments.add_argument("--predictions", nargs="+", type=Path, required=True, help="one file for each target")
    arguments.add_argument("--split", type=Path, required=True, help="split table of the run's protocol")
    arguments.add_argument("--duplicates", type=Path, required=True, help="pairs of duplicates")
    arguments.add_argument("--output", type=Path, required=True, help="scores (CSV)")
    arguments.add_argument("--confusion", type=Path, required=True, help="confusion counts (CSV)")
    given = arguments.parse_args(argv)
    predictions = pd.concat([read_table(path) for path in given.predictions], ignore_index=True)
    parts = list(
        scores.samples(given.run, predictions, read_table(given.split), read_table(given.duplicates), given.classes)
    )
    table = [scores.score(part, given.classes, given.settings) for part in parts]
    write_table(given.output, scores.with_run(given.run, table, scores.SCORE_COLUMNS))
    counts = [scores.confusion(part, given.classes) for part in parts]
    write_table(given.confusion, scores.with_run(given.run, counts, scores.CONFUSION_COLUMNS))


if __name__ == "__main__":
    run(main)
