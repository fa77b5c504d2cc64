"""What explanations are worth: means over images with intervals, of each run and method."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import RUN_COLUMNS, Run
from leukoflow.stats.bootstrap import interval, replicate_sums

COLUMNS = [
    *RUN_COLUMNS,
    "subset",
    "method",
    "reference_map",
    "score",
    "images",
    "groups",
    "value",
    "low",
    "high",
    "resampling",
]
MEANS = (
    "probability", "blurred", "empty", "cells", "cells_area", "nuclei", "nuclei_area", "deletion", "insertion",
    "rank_head", "rank_all", "rank_edges",
)  # fmt: skip
"""Scores of single images whose mean is shown."""
RATIOS = {"cells_ratio": ("cells", "cells_area"), "nuclei_ratio": ("nuclei", "nuclei_area")}
"""Heat in a region over its area: 1 for heat that falls anywhere."""
GAINS = {"deletion_gain": ("deletion", -1), "insertion_gain": ("insertion", 1)}
"""How much better than the uniform map on the same images: positive is better in both."""


def explanations(tables: Mapping[Run, pd.DataFrame], settings: Evaluation) -> pd.DataFrame:
    """`COLUMNS`: every score of every run, subset (all, right, wrong predictions) and method, with its interval.

    `tables` holds each run's table of single images (`steps.explain`). The interval is a percentile bootstrap over
    groups, over images if each image is a group of its own; none if there are fewer than two. Images of which a
    score is not defined (a map without heat, a picture without cells) are left out of it.
    """
    parts = [_run(table, settings).assign(**run.columns()) for run, table in tables.items()]
    return pd.concat(parts, ignore_index=True)[COLUMNS] if parts else pd.DataFrame(columns=COLUMNS)


def _run(table: pd.DataFrame, settings: Evaluation) -> pd.DataFrame:
    right = table["y"] == table["predicted"]
    rows = []
    for subset, part in (("all", table), ("right", table[right]), ("wrong", table[~right])):
        for method, images in part.groupby("method", sort=False):
            is_reference = bool(images["reference_map"].iloc[0])
            images = images.sort_values("image_id", ignore_index=True)
            uniform = part[part["method"] == "uniform"].sort_values("image_id", ignore_index=True)
            for name, value in _scores(images, uniform, settings).items():
                rows.append({"subset": subset, "method": method, "reference_map": is_reference, "score": name} | value)
    return pd.DataFrame(rows)


def _scores(images: pd.DataFrame, uniform: pd.DataFrame, settings: Evaluation) -> dict[str, dict[str, float | str]]:
    """Each score of one method: images, groups, value, low, high, resampling."""
    columns = {name: (images[name].to_numpy(np.float64), np.ones(len(images))) for name in MEANS}
    columns |= {name: (images[part].to_numpy(np.float64), images[whole].to_numpy(np.float64))
                for name, (part, whole) in RATIOS.items()}  # fmt: skip
    columns |= {name: (sign * (images[score] - uniform[score]).to_numpy(np.float64), np.ones(len(images)))
                for name, (score, sign) in GAINS.items()}  # fmt: skip
    return {name: _ratio(*pair, images["group"].to_numpy(), settings) for name, pair in columns.items()}


def _ratio(above: np.ndarray, below: np.ndarray, groups: np.ndarray, settings: Evaluation) -> dict[str, float | str]:
    """Sum of one number [n] over that of another, with its interval; images without them are left out."""
    known = ~(np.isnan(above) | np.isnan(below))
    above, below, units = above[known], below[known], pd.factorize(groups[known])[0]
    number = int(units.max()) + 1 if len(units) else 0
    row: dict[str, float | str] = {"images": len(above), "groups": number, "low": np.nan, "high": np.nan}
    row |= {"value": above.sum() / below.sum() if below.sum() > 0 else np.nan, "resampling": ""}
    if number < 2 or not below.sum() > 0:
        return row
    low, high = interval(settings, replicate_sums(np.stack([above, below]), units, _quotient, settings))
    kind = "images" if number == len(units) else "groups"
    return row | {"low": float(low[0]), "high": float(high[0]), "resampling": kind}


def _quotient(sums: np.ndarray) -> np.ndarray:
    """First row over second, [1, R]; NaN if the second is 0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(sums[1] > 0, sums[0] / sums[1], np.nan)[None]
