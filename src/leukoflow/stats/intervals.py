"""Intervals of weighted shares that belong to the same images, and of what is computed from them."""

from collections.abc import Sequence

import numpy as np

from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.bootstrap import interval, replicate_sums, wilson_interval

Limits = tuple[float, float, float]
"""A value and its interval: value, low, high."""


def resampled_means(values: np.ndarray, weights: np.ndarray, groups: np.ndarray, settings: Evaluation) -> np.ndarray:
    """Weighted means of each column, of the sample and of resamples of whole groups, as `bootstrap.replicates`.

    values: [n, columns] float; weights: [n], at least 0; groups: [n] int, 0 to G-1. All columns meet the same
    resamples, so that differences between them are paired. With fewer than two groups the resamples are NaN.
    Result: [columns, 1 + R + U] float64.
    """
    rows = np.column_stack([values * weights[:, None], weights]).T
    return replicate_sums(rows, groups, lambda sums: sums[:-1] / sums[-1], settings)


def share(hits: np.ndarray, groups: np.ndarray, settings: Evaluation) -> Limits:
    """Share of hits (bool [n]) and its limits, resampling groups ([n], any names); NaN without images.

    If no resample could change it, and if there is one group, the limits are Wilson's for as many images as
    there are groups.
    """
    if not len(hits):
        return np.nan, np.nan, np.nan
    value, members = float(np.mean(hits)), np.unique(groups, return_inverse=True)[1]
    number = int(members.max()) + 1
    if value in (0.0, 1.0) or number < 2:
        return value, *wilson_interval(value * number, number, settings.confidence)
    rows = hits.astype(float)[:, None]
    (drawn,) = resampled_means(rows, np.ones(len(hits)), members, settings)
    return limits(drawn, settings)


def mean_of(values: np.ndarray, settings: Evaluation) -> Limits:
    """Mean of values [n], one an image, and its limits, resampling images; NaNs are left out.

    Without values all three are NaN, with one value the limits are.
    """
    known = values[~np.isnan(values)]
    if not len(known):
        return np.nan, np.nan, np.nan
    (drawn,) = resampled_means(known[:, None], np.ones(len(known)), np.arange(len(known)), settings)
    return limits(drawn, settings)


def units(groups: np.ndarray) -> np.ndarray:
    """What resamples are drawn from, [n] int: the groups, or each image for itself if there is one group only."""
    _, numbers = np.unique(groups, return_inverse=True)
    return numbers if numbers.max(initial=0) > 0 else np.arange(len(groups))


def weights_of(runs: Sequence | np.ndarray) -> np.ndarray:
    """Weight of each row by the run (fold, or fold and seed) it is of, so that runs count alike: [n], summing to 1."""
    _, run, count = np.unique(np.asarray(runs), return_inverse=True, return_counts=True)
    return 1 / (len(count) * count[run])


def limits(columns: np.ndarray, settings: Evaluation) -> Limits:
    """A value with its interval, from its columns [1 + R + U] (see `bootstrap.replicates`)."""
    low, high = interval(settings, columns)
    return float(columns[0]), float(low), float(high)


def named(name: str, limits: Limits) -> dict[str, float]:
    """The limits as columns NAME, NAME_low and NAME_high."""
    return dict(zip((name, f"{name}_low", f"{name}_high"), limits, strict=True))
