"""Conformal prediction sets: every class that cannot be ruled out, with a promised share of sets that hold the truth.

Split conformal prediction with the score 1 - p(class) (Sadinle, Lei and Wasserman 2019, doi
10.1080/01621459.2017.1395341), over all classes together or within each (Mondrian; Vovk 2012, arXiv 1209.2673). The
promise holds for images that are exchangeable with those calibrated on: from the same source, no two of one slide.
"""

import math
from collections.abc import Sequence

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.bootstrap import interval, replicate_sums, wilson_interval
from leukoflow.stats.samples import Sample

METHODS = ("split", "class-conditional")
COLUMNS = [
    "method", "level", "class", "images", "coverage", "low", "high", "size", "size_low", "size_high", "single",
    "empty", "whole", "calibration", "needed",
]  # fmt: skip


def needed(level: float) -> int:
    """Fewest calibration images with which a set can leave out any class: n with ceil((n + 1) level) <= n."""
    return math.ceil(level / (1 - level) - 1e-9)


def quantile(scores: np.ndarray, level: float) -> float:
    """The ceil((n + 1) level)-th smallest score, infinite if n is too small for there to be one.

    A further score, exchangeable with these, is at most this large with a probability of at least `level`.
    """
    rank = math.ceil((len(scores) + 1) * level - 1e-9)
    return float(np.sort(scores)[rank - 1]) if rank <= len(scores) else math.inf


def calibrate(method: str, y: np.ndarray, probabilities: np.ndarray, level: float) -> np.ndarray:
    """Largest score that each class may have in a set: float64 [K], infinite if there are too few images.

    y: true classes [n] int; probabilities: [n, K].
    """
    scores = 1 - probabilities[np.arange(len(y)), y]
    classes = probabilities.shape[1]
    if method == "split":
        return np.full(classes, quantile(scores, level))
    return np.array([quantile(scores[y == k], level) for k in range(classes)])


def sets_of(probabilities: np.ndarray, limits: np.ndarray) -> np.ndarray:
    """Whether each class is in the set of each image: bool [n, K]."""
    return 1 - probabilities <= limits[None]


def conformal(sample: Sample, calibration: Sample, classes: Sequence[str], settings: Evaluation) -> pd.DataFrame:
    """Measured coverage and size of the sets of a sample, rows of `COLUMNS`: for each method and level all images
    (class ""), then those of each true class.

    Intervals are over groups; a coverage that no resample could change has Wilson's for as many as there are groups.
    `single`, `empty`, `whole`: share of sets of one class, of none, of all. `calibration`: images calibrated on, and
    `needed` the fewest for which a set can leave out a class; with fewer every set holds it.
    """
    cases = [(method, level) for method in METHODS for level in settings.abstention.levels]
    truth = np.eye(len(classes), dtype=bool)[sample.y]
    members = np.concatenate([np.ones((len(truth), 1), bool), truth], axis=1)
    sets = []
    for method, level in cases:
        limits = calibrate(method, calibration.y, calibration.probabilities, level)
        sets.append(sets_of(sample.probabilities, limits))
    hits = np.stack([(included & truth).any(1) for included in sets])
    sizes = np.stack([included.sum(1) for included in sets])
    kinds = np.stack([sizes == 1, sizes == 0, sizes == len(classes)])
    counted = members.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        coverage, size = (values @ members.astype(float) / counted for values in (hits, sizes))
        shares = kinds @ members.astype(float) / counted
    limits = _limits(sample, np.concatenate([hits, sizes]), members, settings)
    calibrated = np.bincount(calibration.y, minlength=len(classes))
    rows = []
    for index, (method, level) in enumerate(cases):
        for column, name in enumerate(("", *classes)):
            value = coverage[index, column]
            low, high = limits[:, index, column]
            if value in (0.0, 1.0):
                groups = len(np.unique(sample.group_numbers[members[:, column]]))
                low, high = wilson_interval(value * groups, groups, settings.confidence)
            number = calibrated[column - 1] if column and method != "split" else calibrated.sum()
            size_low, size_high = limits[:, len(cases) + index, column]
            row = [method, level, name, counted[column], value, low, high, size[index, column], size_low, size_high]
            rows.append([*row, *shares[:, index, column], number, needed(level)])
    return pd.DataFrame(rows, columns=COLUMNS)


def _limits(sample: Sample, values: np.ndarray, members: np.ndarray, settings: Evaluation) -> np.ndarray:
    """Limits of the means of values [Q, n] over the members [n, C], by resampling groups: [2, Q, C]."""
    shape = len(values), members.shape[1]
    parts = (values[:, :, None] * members[None]).transpose(0, 2, 1).reshape(-1, len(members))
    rows = np.concatenate([parts, members.T.astype(float)])

    def means(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return (sums[: len(parts)].reshape(*shape, -1) / sums[len(parts) :]).reshape(len(parts), -1)

    low, high = interval(settings, replicate_sums(rows, sample.group_numbers, means, settings))
    return np.stack([low, high]).reshape(2, *shape)
