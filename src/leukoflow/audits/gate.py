"""A gate on image quality whose limits follow from the images that a model was trained on.

Each measure has a lowest and a highest value accepted. They lie equally far out in the training images' distribution of
every measure, such that the wanted share of the training images is within all of them at once.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.intervals import share

MEASURES = {
    "focus": "sharpness of the cells",
    "exposure": "mean brightness",
    "dark_fraction": "pixels without light",
    "bright_fraction": "pixels burnt out",
    "saturation": "strength of the colours",
    "foreground_fraction": "area of cells",
    "background_L_mean": "lightness of the empty field",
    "background_a_mean": "empty field, green to red",
    "background_b_mean": "empty field, blue to yellow",
}
"""Columns of the quality table that the gate looks at, and what they say."""
COLUMNS = [
    "cohort", "task", "protocol", "fold", "role", "kind", "measure", "images", "groups", "refused", "low", "high",
    "q05", "median", "q95", "limit_low", "limit_high",
]  # fmt: skip
ACCURACY = ["images", "accuracy", "low", "high"]
Limits = Mapping[str, tuple[float, float]]


def limits_of(quality: pd.DataFrame, accepted: float) -> dict[str, tuple[float, float]]:
    """Lowest and highest value of each measure, from the training images' rows of the quality table.

    The tail of a value is the share of training images that lie as far out or farther on its side. Every measure has
    its limits at the same tail, the largest with which at least the share `accepted` of the images is within all.
    """
    values = quality[list(MEASURES)].to_numpy(float)
    ordered = np.sort(values, axis=0)
    tails = np.empty((2, *values.shape))
    for column in range(values.shape[1]):
        tails[0, :, column] = np.searchsorted(ordered[:, column], values[:, column], "right")
        tails[1, :, column] = len(values) - np.searchsorted(ordered[:, column], values[:, column], "left")
    outermost = np.sort(tails.min(axis=(0, 2)))
    tail = outermost[int(np.floor(len(values) * (1 - accepted) + 1e-9))]
    inside = [np.where(part >= tail, values, np.nan) for part in tails]
    lowest, highest = np.nanmin(inside[0], axis=0), np.nanmax(inside[1], axis=0)
    return {name: (float(a), float(b)) for name, a, b in zip(MEASURES, lowest, highest, strict=True)}


def outside(quality: pd.DataFrame, limits: Limits) -> np.ndarray:
    """Whether each image is beyond the limits of each measure: bool [n, measures]."""
    values = quality[list(limits)].to_numpy(float)
    low, high = np.array(list(limits.values())).T
    return ~((values >= low) & (values <= high))


def gate_rows(
    quality: pd.DataFrame, groups: np.ndarray, limits: Limits, facts: Mapping[str, Any], settings: Evaluation
) -> list[dict[str, Any]]:
    """Share of images refused by the whole gate (measure "") and by each measure, rows of `COLUMNS`.

    quality: the images' measures; groups [n]; facts: cohort to kind. For a measure also where 5, 50 and 95 % of the
    images lie.
    """
    beyond = outside(quality, limits)
    base = {**facts, "images": len(quality), "groups": len(np.unique(groups))}
    rows = []
    for name, refused in {"": beyond.any(1), **dict(zip(limits, beyond.T, strict=True))}.items():
        row = base | {"measure": name}
        row |= dict(zip(("refused", "low", "high"), share(refused, groups, settings), strict=True))
        if name:
            spread = np.quantile(quality[name].to_numpy(float), [0.05, 0.5, 0.95])
            row |= dict(zip(("q05", "median", "q95"), spread, strict=True))
            row |= dict(zip(("limit_low", "limit_high"), limits[name], strict=True))
        rows.append(row)
    return rows


def accuracy_rows(right: np.ndarray, refused: np.ndarray, groups: np.ndarray, settings: Evaluation) -> dict[str, float]:
    """Accuracy on the images that the gate accepts and on those it refuses: columns accepted_* and refused_* of
    `ACCURACY`."""
    row: dict[str, float] = {}
    for name, part in (("accepted", ~refused), ("refused", refused)):
        values = (int(part.sum()), *share(right[part], groups[part], settings))
        row |= {f"{name}_{key}": value for key, value in zip(ACCURACY, values, strict=True)}
    return row


def gate_file(
    cohort: str, task: str, protocol: str, accepted: float, folds: Sequence[dict[str, Any]]
) -> dict[str, Any]:
    """For the gate's JSON: where it is from, and the limits of each fold.

    An image is accepted if every measure, as the quality table has it, lies within its limits, both included.
    """
    facts = {"cohort": cohort, "task": task, "protocol": protocol}
    return {**facts, "accepted": accepted, "measures": MEASURES, "folds": list(folds)}
