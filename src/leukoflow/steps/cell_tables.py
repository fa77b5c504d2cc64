"""Gather what is known of white cells and of features into the study's tables.

Each file under --outputs is written by its name: segmentation, instances, masks, cells, selection, stability,
neighbours (CSV). A table for which there is nothing has its header alone. Cohorts are named by the folder of their
files, selections like runs (the entry of section features in the model's place).
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from leukoflow.cells.morphology import FEATURES
from leukoflow.cells.tables import COLUMNS, cell_rows, gathered, mask_rows, of_run
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, run

SCALE = ["um_per_pixel", "scale_confidence", "scale_source"]
UNITS = {feature.name: feature.unit for feature in FEATURES}


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    for name, text in {
        "scores": "scores.csv of every segmenter",
        "instances": "instances.csv of every segmenter",
        "masks": "index.parquet of every source with masks, rejects.csv next to it",
        "cells": "cells.parquet of every cohort, images.parquet next to it",
        "manifests": "manifest.parquet of the same cohorts, quality.parquet next to it",
        "neighbours": "tables of neighbours in feature space",
    }.items():
        arguments.add_argument(f"--{name}", nargs="*", type=Path, default=[], help=text)
    arguments.add_argument("--selections", type=Path, help="folder of the study's selections")
    arguments.add_argument("--of", nargs="*", type=parse_run, default=[], help="names of the selections")
    arguments.add_argument("--outputs", nargs="+", type=Path, required=True, help="tables to write")
    args = arguments.parse_args(argv)
    for path in args.outputs:
        if path.stem not in COLUMNS:
            raise LeukoFlowError(f"{path}: there is no table {path.stem}; known: {', '.join(COLUMNS)}")

    manifests = {path.parent.name: path for path in args.manifests}
    rows = [row for path in args.cells for row in _cells(path, manifests)]
    parts = {
        "segmentation": [read_table(path) for path in args.scores],
        "instances": [read_table(path) for path in args.instances],
        "masks": [pd.DataFrame(_masks(path)) for path in args.masks],
        "cells": [pd.DataFrame(rows)] if rows else [],
        "selection": [_selection(args.selections, run, "selection", "ranking.csv") for run in args.of],
        "stability": [_selection(args.selections, run, "stability", "stability.csv") for run in args.of],
        "neighbours": [read_table(path) for path in args.neighbours],
    }
    for path in args.outputs:
        write_table(path, gathered(path.stem, parts[path.stem]))


def _selection(folder: Path, run: Run, table: str, file: str) -> pd.DataFrame:
    return of_run(table, run, read_table(folder / run.name / file))


def _masks(path: Path) -> Iterator[dict[str, Any]]:
    return mask_rows(path.parent.name, read_table(path), read_table(path.with_name("rejects.csv")))


def _cells(path: Path, manifests: dict[str, Path]) -> Iterator[dict[str, Any]]:
    cohort = path.parent.name
    if cohort not in manifests:
        raise LeukoFlowError(f"{path}: the manifest of {cohort} is missing; name it among --manifests")
    manifest = read_table(manifests[cohort], ["image_id", "label"])
    images = read_table(path.with_name("images.parquet"), ["image_id", "cells", "border_cells"])
    quality = read_table(manifests[cohort].with_name("quality.parquet"))
    if set(SCALE) <= set(quality.columns):
        images = images.merge(quality[["image_id", *SCALE]], on="image_id", how="left", validate="one_to_one")

    def column(name: str) -> np.ndarray:
        try:
            return np.asarray(pq.read_table(path, columns=[name]).column(0).to_numpy())
        except (OSError, ValueError, IndexError) as error:
            raise LeukoFlowError(f"{path}: cannot read {name} ({error}); delete it and run again") from error

    yield from cell_rows(cohort, manifest, images, UNITS, column)


if __name__ == "__main__":
    run(main)
