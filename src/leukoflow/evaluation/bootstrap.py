"""Intervals: percentile bootstrap over images and over groups, and Wilson's interval for proportions."""

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
    number = int(units.max()) + 1 if len(units) else 0
    result = np.full((sets.classes * 4 + 8, resamples), np.nan)
    if number < 2:
        return result
    member = sparse.csr_matrix((np.ones(len(units)), (np.arange(len(units)), units)), shape=(len(units), number))
    by_unit = (sets.matrix @ member).tocsr()
    random = generator(seed, "bootstrap", number)
    size = chunk or max(1, CHUNK_BYTES // (8 * max(number, by_unit.shape[0])))
    for start in range(0, resamples, size):
        width = min(size, resamples - start)
        drawn = random.integers(0, number, (width, number))
        # Counts lie [unit, resample], so that the sparse product below runs along contiguous memory.
        flat = drawn * width + np.arange(width)[:, None]
        counts = np.bincount(flat.ravel(), minlength=number * width).reshape(number, width).astype(np.float64)
        result[:, start : start + width] = from_sums(sets, by_unit @ counts)
    return result


def percentile_interval(values: np.ndarray, confidence: float) -> tuple[np.ndarray, np.ndarray]:
    """Limits [rows] of values [rows, R], undefined resamples left out; NaN where fewer than half are defined."""
    low, high = np.full((2, len(values)), np.nan)
    for row, each in enumerate(values):
        defined = each[~np.isnan(each)]
        if 2 * len(defined) >= len(each) > 0:
            low[row], high[row] = np.quantile(defined, [(1 - confidence) / 2, (1 + confidence) / 2])
    return low, high


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
