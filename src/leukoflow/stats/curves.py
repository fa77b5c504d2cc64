"""ROC and precision-recall curves, their areas and bands, for many weightings of the same images at once.

Each class is told from the rest by its probability. The micro average pools all pairs of image and class.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import sparse

from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.bootstrap import interval, replicate_sums

AREAS = ("auc", "partial_auc", "ap")
GRID = np.linspace(0, 1, 101)
MACRO, MICRO = "macro average", "micro average"
CURVE_COLUMNS = ["kind", "class", "x", "y", "low", "high", "area"]
POINTS = 600
TINY = 1e-9


@dataclass(frozen=True)
class Ranked:
    """Scores in falling order; neighbours that are all negative are one step."""

    matrix: sparse.csr_matrix
    """[2 S, n]: how many positives, then how many negatives, each image adds to each of S steps."""


def ranked(positive: np.ndarray, score: np.ndarray, image: np.ndarray, images: int) -> Ranked:
    """Steps of m scores: `positive` [m] bool, `score` [m], `image` [m] int, the image each belongs to."""
    if not len(score):
        return Ranked(sparse.csr_matrix((0, images)))
    _, tie = np.unique(-score, return_inverse=True)
    negative_only = np.bincount(tie, positive) == 0
    starts = np.r_[True, ~(negative_only[1:] & negative_only[:-1])]
    step = (np.cumsum(starts) - 1)[tie]
    number = int(step.max()) + 1
    rows = np.where(positive, step, step + number)
    return Ranked(sparse.csr_matrix((np.ones(len(rows)), (rows, image)), shape=(2 * number, images)))


def each_class(y: np.ndarray, probabilities: np.ndarray) -> list[Ranked]:
    """Steps of each class of y [n] in probabilities [n, K], and, last, of their micro average."""
    count, classes = probabilities.shape
    every = [ranked(y == k, probabilities[:, k], np.arange(count), count) for k in range(classes)]
    flat = (y[:, None] == np.arange(classes)).ravel()
    return [*every, ranked(flat, probabilities.ravel(), np.repeat(np.arange(count), classes), count)]


def heights(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True and false positives at or above each step, from 0: [S + 1, R] each, from sums [2 S, R]."""
    number = len(sums) // 2
    start = np.zeros((1, sums.shape[1]))
    true, false = (np.concatenate([start, np.cumsum(weights, axis=0)]) for weights in (sums[:number], sums[number:]))
    return true, false


def areas(sums: np.ndarray, partial: float) -> np.ndarray:
    """`AREAS` under each weighting, [3, R]; NaN if one kind has no weight.

    AUC by trapezia; the area up to a false positive rate of `partial`, standardised so that 0.5 is chance and 1 perfect
    (McClish 1989, doi 10.1177/0272989X8900900307); average precision, the steps of recall times precision.
    """
    true, false = heights(sums)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = false / false[-1], true / true[-1]
        run, rise = np.diff(x, axis=0), np.diff(y, axis=0)
        auc = (run * (y[:-1] + y[1:])).sum(0) / 2
        taken = np.clip(np.divide(partial - x[:-1], run, out=np.ones_like(run), where=run > 0), 0, 1)
        taken = np.where(x[:-1] >= partial, 0, taken)
        below = (taken * run * (y[:-1] + taken * rise / 2)).sum(0)
        chance = partial**2 / 2
        standard = 0.5 * (1 + (below - chance) / (partial - chance))
        precision = np.divide(true, true + false, out=np.zeros_like(true), where=true > 0)
        ap = (rise * precision[1:]).sum(0)
    return np.where((true[-1] > 0) & (false[-1] > 0), np.stack([auc, standard, ap]), np.nan)


def on_grid(sums: np.ndarray) -> np.ndarray:
    """True positive rate at each false positive rate of `GRID`, then precision at each recall: [2 * 101, R]."""
    true, false = heights(sums)
    steps, width = true.shape
    if steps == 1:
        return np.full((2 * len(GRID), width), np.nan)
    with np.errstate(divide="ignore", invalid="ignore"):
        x, y = false / false[-1], true / true[-1]
        column = np.arange(width)
        after = _search(x, GRID + TINY).clip(max=steps - 1)
        low, high = x[after - 1, column], x[after, column]
        part = np.divide(GRID[:, None] - low, high - low, out=np.ones_like(low), where=high > low).clip(0, 1)
        roc = y[after - 1, column] + part * (y[after, column] - y[after - 1, column])
        # Where the curve rises straight up at this rate, its upper end counts.
        at = _search(y, np.maximum(GRID, TINY) - TINY / 2).clip(max=steps - 1)
        hits = true[at, column]
        pr = np.divide(hits, hits + false[at, column], out=np.zeros_like(hits), where=hits > 0)
    return np.where((true[-1] > 0) & (false[-1] > 0), np.concatenate([roc, pr]), np.nan)


def _search(rising: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """First row at which each column of `rising` [S + 1, R] (0 to 1) exceeds each wanted value: [wanted, R]."""
    steps, width = rising.shape
    shift = 2.0 * np.arange(width)
    line = (np.nan_to_num(rising) + shift).T.ravel()
    positions = np.searchsorted(line, (wanted[:, None] + shift).ravel(), side="right").reshape(len(wanted), width)
    return (positions - steps * np.arange(width)).clip(1)


@dataclass(frozen=True)
class Drawn:
    """Areas and curves of each class, then of the micro average, as they are and resampled."""

    columns: np.ndarray
    """Areas of the sample, then resampled, [K + 1, 3, 1 + R + U]; see `bootstrap.replicates`."""
    sums: tuple[np.ndarray, ...]
    """Positives, then negatives of each step, K + 1 times [2 S, 1]."""
    low: np.ndarray
    """Limits of the curves on `GRID`, and, last, of their macro average, [K + 2, 2, 101]; empty without bands."""
    high: np.ndarray

    @property
    def areas(self) -> np.ndarray:
        """Areas of the sample, [K + 1, 3]."""
        return self.columns[..., 0]


def draw(
    y: np.ndarray, probabilities: np.ndarray, units: np.ndarray, settings: Evaluation, bands: bool = False
) -> Drawn:
    """Areas of all classes with resamples over units [n], and bands around the curves where asked for."""
    sets, partial = each_class(y, probabilities), settings.assessment.partial
    points = tuple(steps.matrix @ np.ones((len(y), 1)) for steps in sets)
    values_by_curve, limits = [], []
    total: np.ndarray | float = 0.0
    defined: np.ndarray | float = 0.0

    def finish(sums: np.ndarray) -> np.ndarray:
        return np.concatenate([areas(sums, partial), on_grid(sums)]) if bands else areas(sums, partial)

    for index, steps in enumerate(sets):
        values = replicate_sums(steps.matrix, units, finish, settings)
        values_by_curve.append(values[:3])
        if bands:
            limits.append(interval(settings, values[3:]))
            if index < len(sets) - 1:
                total = total + np.nan_to_num(values[3:])
                defined = defined + ~np.isnan(values[3])
    low = high = np.empty((0, 2, len(GRID)))
    if bands:
        mean = np.divide(total, defined, out=np.full_like(total, np.nan), where=np.asarray(defined) > 0)
        limits.append(interval(settings, mean))
        low, high = np.array(limits).reshape(-1, 2, 2, len(GRID)).swapaxes(0, 1)
    return Drawn(np.stack(values_by_curve), points, low, high)


def curve_table(drawn: Drawn, classes: Sequence[str]) -> pd.DataFrame:
    """kind ("roc", "pr"), class, x, y, low, high, area of each class, their macro and their micro average.

    x is the false positive rate, or recall; the area is that under the ROC curve, or average precision. A class without
    images, or without any other, has no curve. The macro average is the mean of the curves; its area that of areas.
    """
    parts, defined = [], np.isfinite(drawn.areas[:-1, 0])
    names = [*classes, MICRO]
    for index, sums in enumerate(drawn.sums):
        if np.isfinite(drawn.areas[index, 0]):
            for kind_index, (kind, line) in enumerate((("roc", roc_points(sums)), ("pr", pr_points(sums)))):
                parts.append(
                    _line(kind, names[index], *line, drawn, index, kind_index, drawn.areas[index, 2 * kind_index])
                )
    if defined.any():
        mean = np.mean([on_grid(drawn.sums[index]) for index in np.flatnonzero(defined)], axis=0).reshape(2, -1)
        for kind_index, kind in enumerate(("roc", "pr")):
            area = drawn.areas[:-1][defined, 2 * kind_index].mean()
            parts.append(_line(kind, MACRO, GRID, mean[kind_index], drawn, -1, kind_index, area))
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=CURVE_COLUMNS)


def _line(
    kind: str, name: str, x: np.ndarray, y: np.ndarray, drawn: Drawn, index: int, kind_index: int, area: float
) -> pd.DataFrame:
    # Between corners the curve is straight, but its band is not.
    between = GRID[np.abs(GRID[:, None] - x).min(1) > TINY]
    order = np.argsort(np.r_[x, between], kind="stable")
    x, y = np.r_[x, between][order], np.r_[y, np.interp(between, x, y)][order]
    low, high = (np.interp(x, GRID, limit[index, kind_index]) for limit in (drawn.low, drawn.high))
    values = ([kind] * len(x), [name] * len(x), x, y, low, high, [area] * len(x))
    return pd.DataFrame(dict(zip(CURVE_COLUMNS, values, strict=True)))


def roc_points(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """False and true positive rates, both from 0 to 1, from the sums [2 S, 1] of steps."""
    true, false = (counts[:, 0] for counts in heights(sums))
    return _corners(false / false[-1], true / true[-1])


def pr_points(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Recall (0 to 1) and precision; the first point repeats the precision of the highest score."""
    true, false = (counts[1:, 0] for counts in heights(sums))
    # Past full recall, lower scores add nothing but mistakes.
    full = int(np.argmax(true == true[-1])) + 1
    precision = true[:full] / (true + false)[:full]
    return _corners(np.r_[0, true[:full] / true[-1]], np.r_[precision[0], precision])


def _corners(x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Points that a straight line does not already pass through, and of those no more than can be seen."""
    ahead, behind = (np.diff(x)[1:], np.diff(y)[1:]), (np.diff(x)[:-1], np.diff(y)[:-1])
    bends = np.flatnonzero(np.abs(ahead[0] * behind[1] - ahead[1] * behind[0]) > 1e-12) + 1
    keep = np.r_[0, bends, len(x) - 1]
    if len(keep) > POINTS:
        keep = np.unique(keep[np.linspace(0, len(keep) - 1, POINTS).astype(int)])
    return x[keep], y[keep]
