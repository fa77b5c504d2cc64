"""Scaling of features, fitted on the rows given and on no others."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from leukoflow.core.errors import LeukoFlowError

CLIP = 3.0
"""Standard deviations at which z-scores are clipped, as in the public code of HybridCN-NAS."""
_CHUNK_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Scaler:
    """What `fit` found in the training rows; all float64 [D]."""

    centre: np.ndarray
    """Mean (`zscore`) or median (`robust`) of the values that are not missing."""
    scale: np.ndarray
    """Standard deviation (over n) or interquartile range; 0 if the feature is constant or all missing."""
    fill: np.ndarray
    """Median, which takes the place of missing values."""
    clip: float
    """Scaled values are clipped at plus and minus this; infinity for none."""


def fit(x: np.ndarray, method: Literal["zscore", "robust"], rows: np.ndarray | None = None) -> Scaler:
    """Fit on the rows of x float [N, D] (may be memory-mapped) that `rows` int [n] names, or on all of them.

    Missing values (NaN) are left out. An interquartile range of 0 counts as 1 if the feature does vary, as in
    scikit-learn's RobustScaler. Raises LeukoFlowError if there are no rows, or a value is infinite.
    """
    count, width = (len(x) if rows is None else len(rows)), x.shape[1]
    if count == 0:
        raise LeukoFlowError("features cannot be scaled: the training role has no rows; check the split")
    centre, scale, fill = np.zeros((3, width))
    columns = max(1, _CHUNK_BYTES // (8 * count))
    for start in range(0, width, columns):
        part = slice(start, min(start + columns, width))
        values = np.asarray(x[:, part] if rows is None else x[rows, part], np.float64)
        infinite = np.isinf(values).any(axis=0)
        if infinite.any():
            raise LeukoFlowError(f"feature {start + int(infinite.argmax())} is infinite; mend it where it is measured")
        centre[part], scale[part], fill[part] = _statistics(values, method)
    return Scaler(centre, scale, fill, CLIP if method == "zscore" else np.inf)


def _statistics(values: np.ndarray, method: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Centre, scale and median [d] of values float64 [n, d]."""
    centre, scale, fill = np.zeros((3, values.shape[1]))
    lowest, highest = np.fmin.reduce(values), np.fmax.reduce(values)
    known = np.flatnonzero(~np.isnan(lowest))  # features that are not all missing
    if len(known) == 0:
        return centre, scale, fill
    values = values[:, known]
    lower, fill[known], upper = _quartiles(values)
    if method == "robust":
        centre[known] = fill[known]
        spread = upper - lower
        spread[spread == 0] = 1
    else:
        centre[known] = np.nanmean(values, axis=0)
        spread = np.nanstd(values, axis=0)
    # A constant is told by its extremes: rounding can leave a standard deviation that is not quite 0.
    scale[known] = np.where((lowest == highest)[known], 0, spread)
    return centre, scale, fill


def _quartiles(values: np.ndarray) -> np.ndarray:
    """Quartiles [3, d] of values [n, d]. NumPy's version that skips missing values is slow, so only if needed."""
    missing = np.isnan(values).any(axis=0)
    quartiles = np.empty((3, values.shape[1]))
    quartiles[:, ~missing] = np.quantile(values[:, ~missing], [0.25, 0.5, 0.75], axis=0)
    if missing.any():
        quartiles[:, missing] = np.nanquantile(values[:, missing], [0.25, 0.5, 0.75], axis=0)
    return quartiles


def apply(scaler: Scaler, x: np.ndarray) -> np.ndarray:
    """Scaled values float32 [n, D] of x float [n, D] (may be memory-mapped): fill, subtract, divide, clip.

    Features that were constant among the training rows are 0. Raises LeukoFlowError if x has other features than
    the scaler, or a value is infinite.
    """
    if x.ndim != 2 or x.shape[1] != len(scaler.centre):
        raise LeukoFlowError(f"the scaler was fitted on {len(scaler.centre)} features, not on {x.shape[1:]}; fit again")
    result = np.empty(x.shape, np.float32)
    inverse = inverse_of(scaler)
    rows = max(1, _CHUNK_BYTES // (8 * max(1, x.shape[1])))
    for start in range(0, len(x), rows):
        values = np.array(x[start : start + rows], np.float64)
        if np.isinf(values).any():
            column = int(np.isinf(values).any(axis=0).argmax())
            raise LeukoFlowError(f"feature {column} is infinite; mend it where it is measured")
        np.copyto(values, scaler.fill, where=np.isnan(values))
        values -= scaler.centre
        values *= inverse
        np.clip(values, -scaler.clip, scaler.clip, out=values)
        result[start : start + rows] = values
    return result


def inverse_of(scaler: Scaler) -> np.ndarray:
    """What centred values are multiplied by, float64 [D]: 0 for features that are constant."""
    return np.divide(1, scaler.scale, out=np.zeros_like(scaler.scale), where=scaler.scale > 0)
