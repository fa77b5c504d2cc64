"""Features as few integer states, which mutual information needs."""

import numpy as np

from leukoflow.core.errors import LeukoFlowError

HALF_BAND = 0.5
"""Standard deviations from the mean at which a feature leaves its middle state (Peng's and pymrmr's convention)."""
MOST_STATES = 64
_COLUMNS = 256


def three_states(x: np.ndarray) -> np.ndarray:
    """States int8 [n, D] of finite x [n, D]: -1 below mean - 0.5 sd, 1 above mean + 0.5 sd, else 0 (sd over n)."""
    states = np.empty(x.shape, np.int8)
    for start in range(0, x.shape[1], _COLUMNS):
        part = slice(start, start + _COLUMNS)
        values = x[:, part].astype(np.float64)
        centre, half = values.mean(axis=0), HALF_BAND * values.std(axis=0)
        states[:, part] = (values > centre + half).astype(np.int8) - (values < centre - half)
    return states


def compact(codes: np.ndarray) -> tuple[np.ndarray, int]:
    """Codes int [n, D] as states 0, 1, ... of each column: uint8 [D, n] (C order), and the largest number of states.

    Raises LeukoFlowError for a column of more than 64 states.
    """
    compacted = np.empty((codes.shape[1], len(codes)), np.uint8)
    most = 1
    for start in range(0, codes.shape[1], _COLUMNS):
        block = np.ascontiguousarray(codes[:, start : start + _COLUMNS].T)
        low, high = block.min(axis=1), block.max(axis=1)
        for row, column in enumerate(block):
            if int(high[row]) - int(low[row]) < 3:  # three neighbouring values need no sorting
                states, count = column - low[row], int(high[row]) - int(low[row]) + 1
            else:
                values, states = np.unique(column, return_inverse=True)
                count = len(values)
            if count > MOST_STATES:
                fault = f"feature {start + row} has {count} states"
                raise LeukoFlowError(f"{fault}, more than {MOST_STATES}; give floats, which are cut into three states")
            most = max(most, count)
            compacted[start + row] = states
    return compacted, most
