"""A share of images with its interval over groups."""

import numpy as np
from scipy import sparse

from leukoflow.config.evaluation import Evaluation
from leukoflow.evaluation.bootstrap import CHUNK_BYTES, draws, percentile_interval, wilson_interval


def share(hits: np.ndarray, groups: np.ndarray, settings: Evaluation) -> tuple[float, float, float]:
    """Share of hits (bool [n]) and its limits, resampling groups ([n], any names); NaN without images.

    Where no resample could change it, and where there is one group, the limits are Wilson's for as many images as
    there are groups.
    """
    if not len(hits):
        return np.nan, np.nan, np.nan
    value, units = float(np.mean(hits)), np.unique(groups, return_inverse=True)[1]
    number = int(units.max()) + 1
    if value in (0.0, 1.0) or number < 2:
        return value, *wilson_interval(value * number, number, settings.confidence)
    shape = (2, number)
    rows = np.concatenate([np.zeros(len(hits), int), np.ones(len(hits), int)])
    sums = sparse.coo_matrix((np.concatenate([hits * 1.0, np.ones(len(hits))]), (rows, np.tile(units, 2))), shape=shape)
    size = max(1, CHUNK_BYTES // (8 * number))
    drawn = [sums.tocsr() @ counts for _, counts in draws(number, settings.resamples, size, settings.seed)]
    counted = np.concatenate(drawn, axis=1)
    low, high = percentile_interval((counted[0] / counted[1])[None], settings.confidence)
    return value, float(low[0]), float(high[0])
