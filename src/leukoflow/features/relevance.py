"""How much a feature tells about the label, or about another feature: F statistic, mutual information."""

import numpy as np

_COLUMNS = 512
"""Features that are standardised, or whose indicators are held, at a time."""
_CELLS = 2**20
"""Joint counts that are held at a time: few enough for a processor's cache."""


def standardise(x: np.ndarray) -> np.ndarray:
    """Columns of x [n, D], none of them constant, as rows of mean 0 and length 1: float64 [D, n] (C order).

    Products of two rows are Pearson's correlation.
    """
    rows = np.empty((x.shape[1], len(x)))
    for start in range(0, x.shape[1], _COLUMNS):
        block = rows[start : start + _COLUMNS]
        block[:] = x[:, start : start + _COLUMNS].T
        block -= block.mean(axis=1, keepdims=True)
        block /= np.sqrt(np.einsum("dn,dn->d", block, block))[:, None]
    return rows


def f_statistic(rows: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """F [D] of a one-way analysis of variance of standardised rows [D, n] over labels int [n], 0 to C-1.

    F = (between / (C - 1)) / (within / (n - C)), as scikit-learn's f_classif. Infinity if every class has one
    value.
    """
    counts = np.bincount(labels)
    member = np.eye(len(counts))[labels]
    sums = rows @ member
    between = (sums**2 / counts).sum(axis=1)
    within = 1 - between
    within[within < 1e-12] = 0
    with np.errstate(divide="ignore"):
        return (between / (len(counts) - 1)) / (within / (len(labels) - len(counts)))


def mutual_information(first: np.ndarray, second: np.ndarray, states: tuple[int, int]) -> np.ndarray:
    """Mutual information in bits, float64 [B, D], of all pairs of codes uint8 [B, n] and uint8 [D, n].

    `states` says how many states the codes of each side have at most. Joint counts are products of indicators, one
    per state but the first: level 3 of BLAS, exact in float32 up to 2^24 rows. With t(c) = c log2 c,
    n I = t(n) + sum t(joint) - sum t(first) - sum t(second).
    """
    n = first.shape[1]
    kind = np.float32 if n < 2**24 else np.float64
    c = np.arange(n + 1, dtype=np.float64)
    table = c * np.log2(np.maximum(c, 1))
    left = _indicators(first, states[0], kind)
    result = np.empty((len(first), len(second)))
    width = max(1, min(_COLUMNS, _CELLS // (left.shape[0] * max(1, states[1] - 1) * len(first))))
    for start in range(0, len(second), width):
        block = second[start : start + width]
        right = _indicators(block, states[1], kind)
        joint = (left.reshape(-1, n) @ right.reshape(-1, n).T).astype(np.int32)
        joint = joint.reshape(len(left), len(first), len(right), len(block))
        result[:, start : start + len(block)] = _from_counts(joint, _counts(left), _counts(right), table)
    return result


def _indicators(codes: np.ndarray, states: int, kind: type) -> np.ndarray:
    """Which code is state 1, 2, ...: [states - 1, d, n]; state 0 follows from them."""
    return (codes == np.arange(1, max(2, states), dtype=codes.dtype)[:, None, None]).astype(kind)


def _counts(indicators: np.ndarray) -> np.ndarray:
    """How often each state but the first is met: int32 [states - 1, d]."""
    return (indicators @ np.ones(indicators.shape[2], indicators.dtype)).astype(np.int32)


def _from_counts(joint: np.ndarray, left: np.ndarray, right: np.ndarray, table: np.ndarray) -> np.ndarray:
    """Bits [B, D] from counts int32 [Sa - 1, B, Sb - 1, D], [Sa - 1, B] and [Sb - 1, D] of all states but the first."""
    n = len(table) - 1
    first, second = joint.sum(axis=2, dtype=np.int32), joint.sum(axis=0, dtype=np.int32)
    rest = n - left.sum(axis=0)[:, None] - right.sum(axis=0)[None] + first.sum(axis=0)
    bits = table[joint].sum(axis=(0, 2)) + table[rest]
    bits += table[left[:, :, None] - first].sum(axis=0) + table[right[None] - second].sum(axis=1)
    bits -= (table[left].sum(axis=0) + table[n - left.sum(axis=0)])[:, None]
    bits -= (table[right].sum(axis=0) + table[n - right.sum(axis=0)])[None]
    return np.maximum((bits + table[n]) / n, 0)
