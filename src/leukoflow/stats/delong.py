"""Areas under ROC curves of several models on the same images, compared by DeLong's method."""

import numpy as np
from scipy import stats

NOTHING = 1e-15
"""Variances up to here are rounding."""


def influences(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas [models], and the influence of each image on each area, [models, n].

    scores [models, n]: larger for what a model takes for positive; positive [n] bool. The fast form by midranks (Sun
    and Xu 2014, doi 10.1109/LSP.2014.2337313) of DeLong, DeLong and Clarke-Pearson (1988, doi 10.2307/2531595). An
    influence is (V10 - area) / positives or (V01 - area) / negatives, of V10 and V01 as there. NaN if one kind is
    missing.
    """
    positives, negatives = int(positive.sum()), int((~positive).sum())
    if not positives or not negatives:
        return np.full(len(scores), np.nan), np.full(scores.shape, np.nan)
    ranks = stats.rankdata(scores, axis=1)
    inside = np.empty_like(ranks)
    for side in (positive, ~positive):
        inside[:, side] = stats.rankdata(scores[:, side], axis=1)
    # For a positive, the share of negatives below it; for a negative, the share of positives above it.
    placed = np.where(positive, (ranks - inside) / negatives, 1 - (ranks - inside) / positives)
    areas = placed[:, positive].mean(1)
    return areas, (placed - areas[:, None]) / np.where(positive, positives, negatives)


def covariance(influence: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """DeLong's covariance of the areas, [models, models], from `influences`; images count as independent."""
    total = np.zeros((len(influence), len(influence)))
    for side in (positive, ~positive):
        number = int(side.sum())
        # Each side's own unbiased variance of a mean.
        total += influence[:, side] @ influence[:, side].T * (number / (number - 1) if number > 1 else np.nan)
    return total


def group_covariance(influence: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """Covariance of the areas, [models, models], where images of a group (int [n], 0 to G-1) may be alike.

    The influences are summed within groups (Obuchowski 1997, doi 10.2307/2533958, with one correction for the number of
    groups). NaN for fewer than two groups.
    """
    number = int(groups.max()) + 1 if len(groups) else 0
    if number < 2:
        return np.full((len(influence), len(influence)), np.nan)
    sums = np.stack([np.bincount(groups, row, number) for row in influence])
    return sums @ sums.T * number / (number - 1)


def freedom(positive: np.ndarray, groups: np.ndarray) -> int:
    """Degrees of freedom for `group_covariance`: groups with positives, or with negatives if fewer, less one."""
    return min(len(np.unique(groups[side])) for side in (positive, ~positive)) - 1


def difference(
    areas: np.ndarray, spread: np.ndarray, first: int, second: int, degrees: float = np.inf
) -> tuple[float, float]:
    """z and two-sided p of the difference of two areas, `spread` being their covariance matrix.

    p is normal, or Student's with so many degrees of freedom. NaN if an area is 1, the difference has no variance or
    there are no degrees of freedom: there the method says nothing.
    """
    if degrees < 1:
        return np.nan, np.nan
    variance = float(spread[first, first] + spread[second, second] - 2 * spread[first, second])
    if not variance > NOTHING or max(areas[first], areas[second]) > 1 - 1e-12:
        return np.nan, np.nan
    z = float((areas[first] - areas[second]) / np.sqrt(variance))
    return z, float(2 * stats.t.sf(abs(z), degrees))
