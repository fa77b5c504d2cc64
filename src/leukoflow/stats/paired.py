"""Accuracy and macro F1 of two sets of runs on the same test images, and their difference with its interval."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

import numpy as np

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.stats.bootstrap import interval, replicates, sums_by_unit
from leukoflow.stats.metrics import WHOLE, Design, design, from_sums
from leukoflow.stats.samples import Sample

METRICS = ("accuracy", "f1")
"""Measures compared; without a class, F1 is the mean over classes."""
_ROWS = [WHOLE.index(name) for name in METRICS]
Runs = Mapping[tuple[int, int], Sample]
"""Test images as each run answered them, by fold and seed, in one order."""


@dataclass(frozen=True)
class Difference:
    """One metric: its values, mean over runs, and the first less the second with limits (NaN if there are none)."""

    first: float
    second: float
    difference: float
    low: float
    high: float


@dataclass(frozen=True)
class _Fold:
    """One fold: for the runs of both sides, sums by unit."""

    sums: tuple[list[tuple[Design, np.ndarray]], list[tuple[Design, np.ndarray]]]
    units: int


def paired(first: Runs, second: Runs, settings: Evaluation) -> tuple[dict[str, Difference], str]:
    """Differences by metric, and what is drawn for their intervals: `groups`, or `images` if no fold has several.

    Seeds of a fold share its images and are averaged; folds are drawn each for itself. Raises LeukoFlowError if both
    sides were not tested on the same images in the same runs.
    """
    if first.keys() != second.keys():
        raise LeukoFlowError(f"runs {sorted(first)} and {sorted(second)} are not the same folds and seeds; train again")
    for key in first:
        if not np.array_equal(first[key].y, second[key].y) or list(first[key].groups) != list(second[key].groups):
            raise LeukoFlowError(f"fold {key[0]}, seed {key[1]}: tested on other images than its pair; predict again")
    kind = "groups" if all(sample.number_of_groups > 1 for sample in first.values()) else "images"
    folds = [_fold(fold, first, second, kind) for fold in sorted({fold for fold, _ in first})]
    parts = [
        replicates(partial(_values, fold), fold.units, settings, index, rows=sum(len(side) for side in fold.sums))
        for index, fold in enumerate(folds)
    ]
    drawn = 1 + settings.resamples
    without = [part[:, drawn:] for part in parts]
    columns = np.concatenate([np.mean([part[:, :drawn] for part in parts], axis=0), *without], axis=1)
    values = columns[:, 0]
    low, high = interval(settings, columns, [part.shape[1] for part in without])
    closed = ~(high - low > 1e-9)
    low[closed] = high[closed] = np.nan
    count = len(METRICS)
    rows = [values[row::count] for row in range(count)]
    limits = [(low[2 * count + row], high[2 * count + row]) for row in range(count)]
    return {
        name: Difference(*map(float, row), *map(float, ends))
        for name, row, ends in zip(METRICS, rows, limits, strict=True)
    }, kind


def _fold(fold: int, first: Runs, second: Runs, kind: str) -> _Fold:
    keys = [key for key in first if key[0] == fold]
    sample = first[keys[0]]
    units = sample.group_numbers if kind == "groups" else np.arange(len(sample.y))

    def sums(runs: Runs) -> list[tuple[Design, np.ndarray]]:
        designs = [design(runs[key].y, runs[key].probabilities) for key in keys]
        return [(sets, sums_by_unit(sets.matrix, units)) for sets in designs]

    return _Fold((sums(first), sums(second)), int(units.max()) + 1)


def _values(fold: _Fold, counts: np.ndarray) -> np.ndarray:
    """Metrics of the first, of the second and their differences [3 * metrics, R]; counts [units, R]."""
    sides = [np.mean([from_sums(sets, sums @ counts)[_ROWS] for sets, sums in side], axis=0) for side in fold.sums]
    return np.concatenate([*sides, sides[0] - sides[1]])
