"""Draw a map of the features, coloured by class and by slide, and measure what nearest neighbours have in common."""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import Run, run_of
from leukoflow.core.step import parser, run, settings
from leukoflow.evaluation.cell_tables import COLUMNS, RANKED, of_run
from leukoflow.features.matrix import open_selection
from leukoflow.figures.embedding import Points, embedding_chart, sampled
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="the task, as JSON")
    arguments.add_argument("--manifest", type=Path, required=True, help="manifest of the cohort")
    arguments.add_argument("--groups", type=Path, required=True, help="acquisition clusters")
    arguments.add_argument("--matrices", nargs="+", type=Path, required=True, help="scaled/COHORT.npy of selections")
    arguments.add_argument("--neighbours", type=Path, required=True, help="table of neighbours to write (CSV)")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)

    places = {run_of(path).model: (run_of(path), path) for path in given.matrices}
    points = {name: _points(place, path, given) for name, (place, path) in places.items()}
    figure, table, agreement = embedding_chart(points, given.settings.classes)
    parts = [
        of_run("neighbours", places[str(name)][0], part.drop(columns="features"))
        for name, part in agreement.groupby("features", sort=False)
    ]
    columns = COLUMNS["neighbours"]
    write_table(given.neighbours, pd.concat(parts)[columns] if parts else pd.DataFrame(columns=columns))
    save(figure, table, given.output)


def _points(place: Run, path: Path, given: argparse.Namespace) -> Points:
    """The images of a selection, evenly sampled, with class, cluster and patient."""
    matrix, _ = open_selection(path.parents[1], path.stem, RANKED)
    rows = sampled(len(matrix))
    manifest = read_table(given.manifest, ["image_id", "label", "patient"]).set_index("image_id")
    ids = pd.Index(matrix.image_ids[rows])
    if not ids.isin(manifest.index).all():
        raise LeukoFlowError(f"{path}: holds images that {given.manifest} does not name; delete it and run again")
    groups = read_table(given.groups, ["cohort", "image_id", "acquisition"])
    cluster = groups[groups["cohort"] == place.cohort].set_index("image_id")["acquisition"]
    labels = manifest["label"].reindex(ids)
    found = [given.settings.class_of(each if isinstance(each, str) else None) for each in labels]
    facts = pd.DataFrame(
        {
            "image_id": ids,
            "class": np.array([-1 if each is None else each for each in found], np.int64),
            "cluster": cluster.reindex(ids).to_numpy(object),
            "patient": manifest["patient"].reindex(ids).to_numpy(object),
        }
    )
    return Points(matrix.gather(rows), facts)


if __name__ == "__main__":
    run(main)
