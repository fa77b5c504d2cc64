"""Intervals: percentile bootstrap over images and over groups, and Wilson's interval for proportions."""

from collections.abc import Callable, Iterator

import numpy as np
from scipy import sparse
from scipy.special import ndtri

from leukoflow.core.seeding import generator
from leukoflow.evaluation.metrics import Design, from_sums

CHUNK_BYTES = 16 * 2**20


def resample(sets: Design, units: np.ndarray, resamples: int, seed: int, chunk: int | None = None) -> np.ndarray:
    """Metrics of bootstrap resamples, [8 + 4 K, resamples], drawing whole units with replacement.

    `units` [n] int names the unit of each image, 0 to U-1: the image itself, or its group. The draws depend on seed
    and U alone, so all models tested on the same images meet the same resamples. Resamples are drawn in chunks of
    about 16 MiB. With fewer than two units there is nothing to draw: all NaN.
    """
    return resampled(sets.matrix, units, resamples, seed, lambda sums: from_sums(sets, sums), chunk)


def resampled(
    matrix: sparse.csr_matrix,
    units: np.ndarray,
    resamples: int,
    seed: int,
    finish: Callable[[np.ndarray], np.ndarray],
    chunk: int | None = None,
) -> np.ndarray:
    """What `finish` makes of the sums of a matrix's rows in each resample, as `resample`: [rows, resamples].

    `matrix` [sums, n] holds what each image adds to each sum; `finish` turns sums [sums, R] into numbers [rows, R].
    """
    number = int(units.max()) + 1 if len(units) else 0
    if number < 2:
        return np.full((len(finish(matrix @ np.ones((matrix.shape[1], 1)))), resamples), np.nan)
    member = sparse.csr_matrix((np.ones(len(units)), (np.arange(len(units)), units)), shape=(len(units), number))
    by_unit = (matrix @ member).tocsr()
    size = chunk or max(1, CHUNK_BYTES // (8 * max(number, by_unit.shape[0])))
    parts = [finish(by_unit @ counts) for _, counts in draws(number, resamples, size, seed)]
    return np.concatenate(parts, axis=1)


def draws(number: int, resamples: int, size: int, *stream: str | int) -> Iterator[tuple[int, np.ndarray]]:
    """How often each of `number` units is drawn: first resample, and counts [unit, resample] float64 of up to `size`.

    Whole resamples follow each other in one stream, so that the size does not change what is drawn.
    """
    random = generator(stream[0], "bootstrap", number, *stream[1:])
    for start in range(0, resamples, size):
        width = min(size, resamples - start)
        drawn = random.integers(0, number, (width, number))
        # Units lie along the first axis, so that products with the counts run along contiguous memory.
        flat = drawn * width + np.arange(width)[:, None]
        yield start, np.bincount(flat.ravel(), minlength=number * width).reshape(number, width).astype(np.float64)


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits [rows] of values [rows, R], undefined resamples left out; NaN where fewer than half are defined."""
    limits, ends = np.full((2, len(values)), np.nan), [(1 - confidence) / 2, (1 + confidence) / 2]
    missing = np.isnan(values).sum(1)
    if values.shape[1]:
        limits[:, missing == 0] = np.quantile(values[missing == 0], ends, axis=1)
    for row in np.flatnonzero((missing > 0) & (2 * missing <= values.shape[1])):
        limits[:, row] = np.quantile(values[row][~np.isnan(values[row])], ends)
    return limits[0], limits[1]


def wilson_interval(right: float, count: float, confidence: float) -> tuple[float, float]:
    """Wilson's score interval (1927, doi 10.2307/2276774) of a proportion, wide even where all are right."""
    if count <= 0:
        return float("nan"), float("nan")
    z = float(ndtri((1 + confidence) / 2))
    share = right / count
    centre = (share + z * z / (2 * count)) / (1 + z * z / count)
    half = z / (1 + z * z / count) * np.sqrt(share * (1 - share) / count + z * z / (4 * count * count))
    # At the ends the limit is the share itself; rounding must not move it past 0 or 1.
    return (0.0 if right == 0 else float(centre - half)), (1.0 if right == count else float(centre + half))
