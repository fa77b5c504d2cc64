"""Several models at once: Friedman's test with Nemenyi's comparisons over blocks, Cochran's Q over images."""

import math

import numpy as np
from scipy import stats


def mean_ranks(values: np.ndarray) -> np.ndarray:
    """Mean rank of each model, [models]: values [blocks, models], the largest of a block has rank 1, ties share."""
    return np.asarray(stats.rankdata(-np.round(values, 12), axis=1).mean(0))


def friedman(values: np.ndarray) -> tuple[float, float]:
    """Chi-squared and p of Friedman's test (1937, doi 10.2307/2279372) on values [blocks, models], corrected for ties.

    p is that of the chi-squared distribution. NaN for fewer than two blocks or three models, or if all are tied.
    """
    blocks, models = values.shape
    if blocks < 2 or models < 3 or np.all(np.ptp(values, axis=1) < 1e-12):
        return np.nan, np.nan
    test = stats.friedmanchisquare(*np.round(values, 12).T)
    return float(test.statistic), float(test.pvalue)


def least_friedman(blocks: int, models: int) -> float:
    """The exact p if all blocks rank the models alike: the smallest that such data can give."""
    return math.factorial(models) ** (1.0 - blocks) if blocks else np.nan


def critical_difference(models: int, blocks: int, confidence: float) -> float:
    """Nemenyi's critical difference of mean ranks (Demsar 2006, section 3.2.2; JMLR 7:1-30)."""
    quantile = float(stats.studentized_range.ppf(confidence, models, np.inf)) / math.sqrt(2)
    return quantile * math.sqrt(models * (models + 1) / (6 * blocks))


def nemenyi(apart: float, models: int, blocks: int) -> float:
    """p of a difference of mean ranks, adjusted for all pairs of models."""
    unit = math.sqrt(models * (models + 1) / (6 * blocks))
    return float(stats.studentized_range.sf(abs(apart) / unit * math.sqrt(2), models, np.inf))


def least_blocks(models: int, confidence: float) -> int:
    """The fewest blocks on which any two of the models could be distinguished.

    Mean ranks differ by models - 1 at most; with fewer blocks the critical difference is not below that, so that even
    models ranked alike in all blocks stay undecided.
    """
    return math.floor((critical_difference(models, 1, confidence) / (models - 1)) ** 2) + 1


def cochran_q(right: np.ndarray) -> tuple[float, float]:
    """Q and p of Cochran's test (1950, doi 10.1093/biomet/37.3-4.256) on right [images, models] bool.

    p is that of the chi-squared distribution with models - 1 degrees of freedom. NaN if no image tells models apart.
    """
    answers = right.astype(np.float64)
    models = answers.shape[1]
    by_model, by_image = answers.sum(0), answers.sum(1)
    spread = float((by_image * (models - by_image)).sum())
    if models < 2 or spread == 0:
        return np.nan, np.nan
    q = float((models - 1) * (models * (by_model**2).sum() - by_model.sum() ** 2) / spread)
    return q, float(stats.chi2.sf(q, models - 1))


def wilcoxon(differences: np.ndarray) -> tuple[float, float, float]:
    """Statistic, exact two-sided p and smallest p of the signed-rank test (Wilcoxon 1945, doi 10.2307/3001968).

    differences [k], one for each run; those of zero are left out. Every pattern of signs is counted, ties in size
    included, up to twelve runs; beyond, scipy's approximation. The smallest p of n differences is 2 / 2^n: 0.0625 of
    five. NaN if all are zero.
    """
    apart = np.round(differences[np.abs(differences) > 1e-12], 12)
    number = len(apart)
    if not number:
        return np.nan, np.nan, np.nan
    least = 2.0 ** (1 - number)
    if number > 12:
        test = stats.wilcoxon(apart)
        return float(test.statistic), float(test.pvalue), least
    ranks = stats.rankdata(np.abs(apart))
    signs = (np.arange(2**number)[:, None] >> np.arange(number)) & 1
    sums, seen = signs @ ranks, float(ranks[apart > 0].sum())
    lower, upper = np.mean(sums <= seen + 1e-9), np.mean(sums >= seen - 1e-9)
    return min(seen, float(ranks.sum()) - seen), min(1.0, 2 * float(min(lower, upper))), least
