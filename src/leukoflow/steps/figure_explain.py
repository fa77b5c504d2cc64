"""Draw where the networks of a panel look: pictures under their heat, and what the heat is worth."""

from pathlib import Path

import numpy as np

from leukoflow.cells.labels import labels_by_id
from leukoflow.config.tasks import Task
from leukoflow.core.files import read_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.explanations import Shown, explanation_grid, explanation_scores, pick_right, pick_wrong
from leukoflow.figures.pictures import load, shards_in
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="the task, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the runs' folders")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the runs")
    arguments.add_argument("--view", type=Path, required=True, help="summary of the view (view.json)")
    arguments.add_argument("--cells", type=Path, help="folder of the cohort's label maps, where the study has them")
    arguments.add_argument("--table", type=Path, required=True, help="explanations of the panel (CSV)")
    arguments.add_argument("--output", type=Path, required=True, help="grid (PNG); SVG and CSV are written beside it")
    arguments.add_argument("--scores", type=Path, required=True, help="scores (PNG); SVG and CSV beside it")
    given = arguments.parse_args(argv)
    shown = []
    for each in given.of:
        rows = read_table(given.runs / each.name / "explain.parquet")
        shown.append(Shown(each.model, rows, np.load(given.runs / each.name / "explain.npy", mmap_mode="r")))
    classes = given.settings.classes
    wanted = [image for image in pick_right(shown, len(classes)) if image is not None]
    wanted = list(dict.fromkeys([*wanted, *(image for each in shown for image in pick_wrong(each))]))
    pictures = load(shards_in(given.view.parent), wanted)
    labels = labels_by_id(shards_in(given.cells), wanted) if given.cells else {}
    save(*explanation_grid(shown, pictures, labels, classes), given.output)
    save(*explanation_scores(read_table(given.table)), given.scores)


if __name__ == "__main__":
    run(main)
