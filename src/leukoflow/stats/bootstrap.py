"""Intervals: percentile and BCa bootstrap over images and over groups, and Wilson's interval for proportions.

`replicates` gives a statistic as columns: of the sample, of its resamples and, for BCa, of the sample without each
unit. What is computed from statistics (a difference, a mean over classes) is computed column by column, and `interval`
reads the limits off the columns. So one setting, `evaluation: interval`, decides how every interval is made.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
from scipy import sparse
from scipy.special import ndtr, ndtri

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.seeding import generator
from leukoflow.stats.metrics import Design, from_sums

CHUNK_BYTES = 16 * 2**20
MOST_LEFT_OUT = 2000
"""Units beyond which the jackknife leaves out parts of several units: the acceleration that it estimates, the skewness
of the units' influences over the root of their number, is the same for sums of them."""
ROUNDING = 1e-12


def replicates(
    statistic: Callable[[np.ndarray], np.ndarray],
    units: int,
    settings: Evaluation,
    *stream: str | int,
    rows: int = 1,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """A statistic of the sample, then of each resample, then (BCa) without each unit: float64 [..., 1 + R + U].

    Arguments as `resample`; the number of resamples and the seed are those of the settings.
    """
    parts = [statistic(np.ones((units, 1)))]
    parts += [resample(statistic, units, settings.resamples, settings.seed, *stream, rows=rows, strata=strata)]
    if settings.interval == "bca" and units > 1:
        parts += [statistic(counts) for counts in left_out(units, rows, strata)]
    return np.concatenate(parts, axis=-1)


def replicate_sums(
    matrix: np.ndarray | sparse.csr_matrix,
    units: np.ndarray,
    finish: Callable[[np.ndarray], np.ndarray],
    settings: Evaluation,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """What `finish` makes of the sums of a matrix's rows, as `replicates`.

    `matrix` [sums, n] holds what each image adds to each sum; `units` [n] int names the unit of each image, 0 to U-1:
    the image itself, or its group; `finish` turns sums [sums, R] into numbers [..., R].
    """
    by_unit = sums_by_unit(matrix, units)
    return replicates(
        lambda counts: finish(by_unit @ counts), by_unit.shape[1], settings, rows=by_unit.shape[0], strata=strata
    )


def resample(
    statistic: Callable[[np.ndarray], np.ndarray],
    units: int,
    resamples: int,
    seed: int,
    *stream: str | int,
    rows: int = 1,
    chunk: int | None = None,
    strata: np.ndarray | None = None,
) -> np.ndarray:
    """A statistic in bootstrap resamples, float64 [..., resamples]: whole units are drawn with replacement.

    `statistic` takes how often each unit is drawn in each of R resamples, float64 [units, R], and gives [..., R].
    With `strata`, the stratum of each unit [units] int, units are drawn within each stratum, as many as it has.
    The draws depend on the number of units, the seed and the stream alone, so that all models tested on the same images
    meet the same resamples. They are made in chunks of about 16 MiB, for `rows` numbers a resample in between. With
    fewer than two units there is nothing to draw: all NaN.
    """
    if units < 2:
        return np.full((*statistic(np.ones((units, 1))).shape[:-1], resamples), np.nan)
    size = chunk or max(1, CHUNK_BYTES // (8 * max(units, rows)))
    return np.concatenate(
        [statistic(counts) for counts in _draws(units, resamples, size, strata, seed, *stream)], axis=-1
    )


def resample_metrics(
    sets: Design, units: np.ndarray, settings: Evaluation, strata: np.ndarray | None = None
) -> np.ndarray:
    """Metrics [rows of `metrics.evaluate`, 1 + R + U], as `replicates`."""
    return replicate_sums(sets.matrix, units, partial(from_sums, sets), settings, strata)


def left_out(units: int, rows: int = 1, strata: np.ndarray | None = None) -> Iterator[np.ndarray]:
    """Weights of the units with each left out in turn, [units, up to U] float64, in chunks; U is the number of units.

    Of more than `MOST_LEFT_OUT` units several are left out at once. The others of a stratum make up for what is left
    out of it, as its size is fixed.
    """
    number = min(units, MOST_LEFT_OUT)
    parts = np.arange(units) % number
    sizes = np.bincount(strata) if strata is not None else np.zeros(0)
    size = max(1, CHUNK_BYTES // (8 * max(units, rows)))
    for start in range(0, number, size):
        weights = (parts[:, None] != np.arange(start, min(start + size, number))).astype(np.float64)
        if strata is not None:
            member = sparse.csr_matrix((np.ones(units), (strata, np.arange(units))))
            kept = member @ weights
            # A stratum that is left out whole has no other unit to stand in, and stays.
            weights = np.where(kept[strata] > 0, weights * sizes[strata, None] / np.maximum(kept[strata], 1), 1.0)
        yield weights


def sums_by_unit(matrix: np.ndarray | sparse.csr_matrix, units: np.ndarray, number: int | None = None) -> Any:
    """What the images of each unit add to each sum, [sums, U], sparse if the matrix is."""
    if number is None:
        number = int(units.max()) + 1 if len(units) else 0
    member = sparse.csr_matrix((np.ones(len(units)), (np.arange(len(units)), units)), shape=(len(units), number))
    sums: Any = matrix @ member
    return sums.tocsr() if sparse.issparse(sums) else np.asarray(sums)


def _draws(
    number: int, resamples: int, size: int, strata: np.ndarray | None, *stream: str | int
) -> Iterator[np.ndarray]:
    """How often each of `number` units is drawn, [unit, resample] float64, in pieces of up to `size` resamples.

    Whole resamples follow each other in one stream, one for each stratum, so that the size does not change what is
    drawn.
    """
    seed, *rest = stream
    name = ("bootstrap", number, *rest)
    members = [(np.arange(number), generator(seed, *name))]
    if strata is not None:
        members = [(np.flatnonzero(strata == k), generator(seed, *name, "stratum", int(k))) for k in np.unique(strata)]
    for start in range(0, resamples, size):
        width = min(size, resamples - start)
        counts = np.zeros(number * width)
        for units, random in members:
            drawn = units[random.integers(0, len(units), (width, len(units)))]
            # Units lie along the first axis, so that products with the counts run along contiguous memory.
            flat = drawn * width + np.arange(width)[:, None]
            counts += np.bincount(flat.ravel(), minlength=number * width)
        yield counts.reshape(number, width)


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits [rows] of values [rows, R], undefined resamples left out; NaN if fewer than half are defined."""
    limits, ends = np.full((2, len(values)), np.nan), [(1 - confidence) / 2, (1 + confidence) / 2]
    missing = np.isnan(values).sum(1)
    if values.shape[1]:
        limits[:, missing == 0] = np.quantile(values[missing == 0], ends, axis=1)
    for row in np.flatnonzero((missing > 0) & (2 * missing <= values.shape[1])):
        limits[:, row] = np.quantile(values[row][~np.isnan(values[row])], ends)
    return limits[0], limits[1]


def interval(settings: Evaluation, columns: np.ndarray, parts: Sequence[int] = ()) -> tuple[np.ndarray, np.ndarray]:
    """Limits [...] of the kind that the settings ask for, of statistics given as columns [..., 1 + R + U].

    See `replicates`, `percentile_interval` and `bca_interval`. `parts` are the numbers of left-out units of each sample
    if units are drawn from several; they add up to U.
    """
    rows = columns.reshape(-1, columns.shape[-1])
    drawn, without = np.split(rows[:, 1:], [settings.resamples], axis=1)
    if settings.interval == "percentile":
        limits = percentile_interval(drawn, settings.confidence)
    else:
        left = np.split(without, np.cumsum(parts)[:-1].astype(int), axis=1)
        limits = bca_interval(drawn, rows[:, 0], left, settings.confidence)
    low, high = (limit.reshape(columns.shape[:-1]) for limit in limits)
    return low, high


def bca_interval(
    resampled: np.ndarray, values: np.ndarray, left_out: Sequence[np.ndarray], confidence: float
) -> tuple[np.ndarray, np.ndarray]:
    """Bias-corrected and accelerated limits [rows] (Efron 1987, doi 10.1080/01621459.1987.10478410).

    resampled [rows, R]; values [rows], of the sample itself; left_out: the values [rows, U] without each unit, an array
    for each sample that units are drawn from. Undefined resamples are left out. NaN if fewer than half are defined,
    or where the sample's own value lies beyond all resamples.
    """
    low, high = np.full((2, len(values)), np.nan)
    tails = ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    for row, value in enumerate(values):
        drawn = resampled[row]
        defined = drawn[~np.isnan(drawn)]
        if np.isnan(value) or not 2 * len(defined) >= len(drawn) > 0:
            continue
        below = (np.mean(defined < value - ROUNDING) + np.mean(defined <= value + ROUNDING)) / 2
        if 0 < below < 1:
            shifted = ndtri(below) + tails
            levels = ndtr(ndtri(below) + shifted / (1 - _acceleration([part[row] for part in left_out]) * shifted))
            low[row], high[row] = np.quantile(defined, levels)
    return low, high


def _acceleration(left_out: Sequence[np.ndarray]) -> float:
    """Skewness of the influence of units on the value, over six: from values without each unit, by sample."""
    cubes = squares = 0.0
    for part in left_out:
        known = part[~np.isnan(part)]
        if len(known) > 1:
            influence = (len(known) - 1) / len(known) * (known.mean() - known)
            cubes, squares = cubes + float((influence**3).sum()), squares + float((influence**2).sum())
    return cubes / (6 * squares**1.5) if squares > ROUNDING**2 else 0.0


def wilson_interval(right: float, count: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval (1927, doi 10.2307/2276774) of a proportion, wide even if all are right."""
    if count <= 0:
        return float("nan"), float("nan")
    z = float(ndtri((1 + confidence) / 2))
    share = right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # At the ends the limit is the share itself; rounding must not move it past 0 or 1.
    return (0.0 if right == 0 else float(centre - half)), (1.0 if right == count else float(centre + half))


def newcombe_interval(first: tuple[float, float, float], second: tuple[float, float, float]) -> tuple[float, float]:
    """Limits of a difference of two independent proportions, each given with its own limits: value, low, high.

    Newcombe's method 10 (1998, doi 10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I), which with
    Wilson's limits stays wide if all of one sample are right.
    """
    (one, low_one, high_one), (two, low_two, high_two) = first, second
    apart = one - two
    below, above = np.hypot(one - low_one, high_two - two), np.hypot(high_one - one, two - low_two)
    return float(apart - below), float(apart + above)
