"""Bootstrap of shares and of differences between them: of right answers, on images that are drawn by groups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.bootstrap import MOST_LEFT_OUT, interval, resample


@dataclass(frozen=True)
class Stratum:
    """Sums over units that are drawn together; a share is tops over bottoms, each summed over the units drawn."""

    tops: np.ndarray
    """[shares, U] float64."""
    bottoms: np.ndarray
    """[shares, U] or, if all shares have the same, [1, U] float64, at least 0."""


def stratum(units: np.ndarray, tops: Sequence[np.ndarray], bottoms: Sequence[np.ndarray]) -> Stratum:
    """Sums of rows [n] over units [n] int, 0 to U-1."""
    number = int(units.max()) + 1 if len(units) else 0
    sums = [np.stack([np.bincount(units, row, number) for row in rows]) for rows in (tops, bottoms)]
    return Stratum(*sums)


def shares(strata: Mapping[int, Stratum]) -> np.ndarray:
    """Shares [shares], averaged over the strata (by their numbers); NaN if a bottom is 0."""
    return np.mean([_share(stratum.tops.sum(1), stratum.bottoms.sum(1)) for stratum in strata.values()], axis=0)


def resampled(strata: Mapping[int, Stratum], resamples: int, seed: int) -> np.ndarray:
    """Shares of bootstrap resamples, [shares, resamples]: units are drawn within each stratum, strata averaged.

    All shares meet the same resamples. All NaN if a stratum has fewer than two units.
    """
    drawn = [
        resample(partial(_drawn, stratum), stratum.tops.shape[1], resamples, seed, "fold", name)
        for name, stratum in strata.items()
    ]
    return sum((values / len(drawn) for values in drawn), np.zeros_like(drawn[0]))


def left_out(strata: Mapping[int, Stratum]) -> list[np.ndarray]:
    """Shares [shares, U] with each unit of a stratum left out in turn, an array for each stratum."""
    means = {name: _share(stratum.tops.sum(1), stratum.bottoms.sum(1)) for name, stratum in strata.items()}
    values = []
    for name, stratum in strata.items():
        others = sum((mean for other, mean in means.items() if other != name), np.zeros(len(stratum.tops)))
        tops, bottoms = _joined(stratum.tops), _joined(stratum.bottoms)
        without = _share(tops.sum(1, keepdims=True) - tops, bottoms.sum(1, keepdims=True) - bottoms)
        values.append((others[:, None] + without) / len(strata))
    return values


def intervals(
    strata: Mapping[int, Stratum], settings: Evaluation, pairs: Sequence[tuple[int, int]] = ()
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, lower and upper limits [shares + pairs]: of all shares, then of the first less the second of each pair.

    Where a bootstrap has nothing to vary there is no interval: NaN.
    """
    first, second = (np.array([pair[side] for pair in pairs], int) for side in (0, 1))

    def extended(rows: np.ndarray) -> np.ndarray:
        return np.concatenate([rows, rows[first] - rows[second]])

    values = extended(shares(strata))
    columns = [values[:, None], extended(resampled(strata, settings.resamples, settings.seed))]
    without = [extended(part) for part in left_out(strata)] if settings.interval == "bca" else []
    low, high = interval(settings, np.concatenate([*columns, *without], axis=1), [part.shape[1] for part in without])
    closed = ~(high - low > 1e-9)  # less is rounding
    low[closed] = high[closed] = np.nan
    return values, low, high


def _drawn(stratum: Stratum, counts: np.ndarray) -> np.ndarray:
    return _share(stratum.tops @ counts, stratum.bottoms @ counts)


def _share(tops: np.ndarray, bottoms: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(bottoms > 0, tops / bottoms, np.nan)


def _joined(sums: np.ndarray) -> np.ndarray:
    """Sums over at most `MOST_LEFT_OUT` parts of the units."""
    number = sums.shape[1]
    if number <= MOST_LEFT_OUT:
        return sums
    part = np.arange(number) % MOST_LEFT_OUT
    return np.stack([np.bincount(part, row, MOST_LEFT_OUT) for row in sums])
