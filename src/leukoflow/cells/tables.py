"""Tables of white cells and of features: what was found, how well, which features were chosen."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.features import RANKED
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run

UNLABELLED = "(no label)"
PLACE = ["cohort", "task", "view", "protocol", "features", "fold", "seed"]
COLUMNS = {
    "segmentation": [
        "segmenter", "network", "trained_on", "source", "within", "kind", "label", "part", "metric", "images",
        "undefined", "value", "low", "high",
    ],
    "instances": [
        "segmenter", "network", "trained_on", "source", "images", "true_cells", "found_cells", "ap50", "precision",
        "recall", "f1", "count_error", "count_error_abs",
    ],
    "masks": ["source", "fact", "reason", "masks"],
    "cells": ["cohort", "label", "feature", "unit", "images", "cells", "median", "q1", "q3"],
    "selection": [*PLACE, "position", "feature", "score"],
    "stability": [*PLACE, "k", "pair", "jaccard", "kuncheva"],
    "neighbours": [*PLACE, "group", "images", "neighbours", "share", "expected"],
}  # fmt: skip
"""Columns of each table, which a study without cells or features has with no row."""
SCALES = ("own", "cohort", "assumed")
Column = Callable[[str], np.ndarray]


def gathered(name: str, tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Tables of one kind below one another, in the columns of `COLUMNS`; LeukoFlowError if a column lacks."""
    columns = COLUMNS[name]
    for table in tables:
        lacking = [column for column in columns if column not in table]
        if lacking:
            raise LeukoFlowError(f"{name}: a table has no column {lacking[0]}; delete it and run again")
    filled = [table[columns] for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)


def mask_rows(source: str, index: pd.DataFrame, rejects: pd.DataFrame) -> Iterator[dict[str, Any]]:
    """Rows of the table of masks for one source: how many are used, hold no cell, and are rejected for what reason.

    index: cell_pixels of every mask used; rejects: reason.
    """
    counts = {("used", ""): len(index), ("without a cell", ""): int((index["cell_pixels"] == 0).sum())}
    counts["rejected", ""] = len(rejects)
    counts |= {("rejected", str(reason)): int(count) for reason, count in rejects["reason"].value_counts().items()}
    for (fact, reason), count in counts.items():
        yield {"source": source, "fact": fact, "reason": reason, "masks": count}


def of_run(name: str, run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """A ranking or stability table of one run with the run's columns; its `model` is the entry of section features."""
    columns = run.columns()
    columns["features"] = columns.pop("model")
    if name == "selection":
        table = table.sort_values("position", kind="stable").head(RANKED)
    return table.assign(**columns)


def cell_rows(
    cohort: str, manifest: pd.DataFrame, images: pd.DataFrame, units: Mapping[str, str], column: Column
) -> Iterator[dict[str, Any]]:
    """Rows of the table of cells for one cohort: each label, and all of them together (label "").

    manifest: image_id and label; images: image_id, cells, border_cells, and of the quality table um_per_pixel,
    scale_confidence and scale_source if they are known; units: each morphological feature's unit; column: reads one
    column of the table of cells, [n], besides `image_id` and `border`, so that no more than one feature is in memory.

    Facts of images come first (their `cells` counts the cells of those images): how many white cells an image has, how
    many of them the edge cuts, images without any, scale and its confidence, and images by what their scale was taken
    from. Features are over cells that the edge does not cut, those that could be measured.
    """
    names = manifest["label"].astype(object).where(manifest["label"].notna(), UNLABELLED)
    order = sorted(set(names) - {UNLABELLED}) + ([UNLABELLED] if (names == UNLABELLED).any() else [])
    code = pd.Categorical(names, order).codes
    index = pd.Index(manifest["image_id"])
    yield from _image_rows(cohort, images, code[_places(cohort, index, images["image_id"])], order)
    whole = ~column("border").astype(bool)
    image = _places(cohort, index, column("image_id"))[whole]
    label_of_cell = code[image]
    groups = {"": slice(None), **{name: np.flatnonzero(label_of_cell == number) for number, name in enumerate(order)}}
    for feature, unit in units.items():
        values = column(feature)[whole]
        for label, rows in groups.items():
            fact = {"cohort": cohort, "label": label, "feature": feature, "unit": unit}
            yield fact | _spread(values[rows], image[rows])


def _places(cohort: str, index: pd.Index, image_ids: Any) -> np.ndarray:
    """Row of each image in the manifest, int64."""
    places = np.asarray(index.get_indexer(pd.Index(image_ids)))
    if (places < 0).any():
        name = image_ids[int(np.argmin(places))]
        raise LeukoFlowError(f"{cohort}: {name} was segmented but is not in the manifest; segment the cohort again")
    return places


def _image_rows(cohort: str, images: pd.DataFrame, code: np.ndarray, order: list[str]) -> Iterator[dict[str, Any]]:
    for label, rows in {"": slice(None), **{name: code == number for number, name in enumerate(order)}}.items():
        part = images[rows] if label else images
        base = {"cohort": cohort, "label": label}
        cells = part["cells"].to_numpy()
        yield base | _fact("cells_per_image", "cells", cells, cells)
        yield base | _fact("border_cells_per_image", "cells", part["border_cells"].to_numpy(), part["border_cells"])
        none = {"images": int((cells == 0).sum()), "cells": 0, "median": np.nan, "q1": np.nan, "q3": np.nan}
        yield base | {"feature": "images_without_cells", "unit": ""} | none
        if "um_per_pixel" in part:
            yield base | _fact("um_per_pixel", "µm", part["um_per_pixel"].to_numpy(), cells)
            yield base | _fact("scale_confidence", "", part["scale_confidence"].to_numpy(), cells)
            for source in SCALES:
                held = (part["scale_source"] == source).to_numpy()
                count = {"images": int(held.sum()), "cells": int(cells[held].sum())}
                blank = {"median": np.nan, "q1": np.nan, "q3": np.nan}
                yield base | {"feature": f"scale_{source}", "unit": ""} | count | blank


def _fact(feature: str, unit: str, values: Any, cells: Any) -> dict[str, Any]:
    values = np.asarray(values, float)
    known = ~np.isnan(values)
    fact = {"feature": feature, "unit": unit, "images": int(known.sum()), "cells": int(np.asarray(cells)[known].sum())}
    return fact | _quartiles(values[known])


def _spread(values: np.ndarray, image: np.ndarray) -> dict[str, Any]:
    known = ~np.isnan(values)
    # Counting is ten times as fast as sorting, and there may be millions of cells.
    images = int(np.count_nonzero(np.bincount(image[known])))
    count = {"images": images, "cells": int(known.sum())}
    return count | _quartiles(values[known])


def _quartiles(values: np.ndarray) -> dict[str, float]:
    q1, median, q3 = np.quantile(values.astype(np.float64), [0.25, 0.5, 0.75]) if len(values) else [np.nan] * 3
    return {"median": float(median), "q1": float(q1), "q3": float(q3)}
