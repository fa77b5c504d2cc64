"""Minimum redundancy, maximum relevance: the greedy search, and its three scores.

Peng, Long, Ding 2005, doi 10.1109/TPAMI.2005.159 (MID, MIQ); Zhao, Anand, Wang 2019, doi 10.1109/DSAA.2019.00059 (FCQ).
"""

from collections.abc import Callable

import numpy as np

from leukoflow.features.discretise import compact
from leukoflow.features.relevance import f_statistic, mutual_information, standardise

QUOTIENT_GUARD = 1e-4
"""Bits added to the redundancy of MIQ, as Peng's program does."""
CORRELATION_FLOOR = 1e-3
"""Smallest absolute correlation that counts in FCQ, as in the package mrmr-selection."""
BLOCK = 256
"""Most features whose redundancy with all others is computed at a time."""

Score = Callable[[np.ndarray, np.ndarray], np.ndarray]
Rows = Callable[[np.ndarray], np.ndarray]


def difference(relevance: np.ndarray, redundancy: np.ndarray) -> np.ndarray:
    """MID: I(x; y) - mean I(x; s), in bits."""
    return relevance - redundancy


def quotient(relevance: np.ndarray, redundancy: np.ndarray) -> np.ndarray:
    """MIQ: I(x; y) / (mean I(x; s) + 0.0001), in bits."""
    return relevance / (redundancy + QUOTIENT_GUARD)


def correlation_quotient(relevance: np.ndarray, redundancy: np.ndarray) -> np.ndarray:
    """FCQ: F / mean |r|; 0 if the mean is 1, as a copy of all chosen features brings nothing (mrmr-selection)."""
    score = relevance / redundancy
    score[redundancy >= 1 - 1e-12] = 0
    return score


def by_information(codes: np.ndarray, y: np.ndarray, k: int, score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Order int64 [k] and scores [k] of non-constant codes int [n, D] for labels y int [n]: MID or MIQ."""
    features, states = compact(codes)
    labels, classes = compact(y[:, None])
    relevance = mutual_information(labels, features, (classes, states))[0]

    def redundancy(rows: np.ndarray) -> np.ndarray:
        return mutual_information(features[rows], features, (states, states))

    return greedy(relevance, redundancy, k, score, max(4, 2 * BLOCK // (states - 1)))


def by_correlation(x: np.ndarray, y: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Order int64 [k] and scores [k] of non-constant x [n, D] for labels y int [n], 0 to C-1: FCQ.

    Holds x once more as float64.
    """
    features = standardise(x)

    def redundancy(rows: np.ndarray) -> np.ndarray:
        correlation = features[rows] @ features.T
        np.abs(correlation, out=correlation)
        return np.maximum(correlation, CORRELATION_FLOOR, out=correlation)

    return greedy(f_statistic(features, y), redundancy, k, correlation_quotient)


def greedy(
    relevance: np.ndarray, redundancy: Rows, k: int, score: Score, most: int = BLOCK
) -> tuple[np.ndarray, np.ndarray]:
    """Choose k times the feature of the highest score: order int64 [k], scores float64 [k] (first the relevance).

    `redundancy(rows int [b])` gives [b, D], with all others, of features that may be chosen soon: those that score
    highest now are asked for together, at most `most`, since a product of matrices is many times faster than as many
    products with vectors. It changes no result: what is chosen is added in the order in which it is chosen. Ties go to
    the lower index.
    """
    order, scores = np.empty(k, np.int64), np.empty(k)
    total = np.zeros(len(relevance))
    current = relevance.astype(np.float64)
    ready: dict[int, np.ndarray] = {}
    block = 8  # the first choices change the scores most, so little is foreseen there
    for step in range(k):
        best = _first_highest(current)
        order[step], scores[step] = best, current[best]
        if step + 1 == k:
            break
        if best not in ready:
            wanted = current.copy()
            wanted[list(ready)] = -np.inf
            count = min(block, k - step - 1, len(wanted) - step - len(ready))
            likely = np.argpartition(-wanted, count - 1)[:count]
            likely[likely == best] = likely[0]
            likely[0] = best
            ready.update(zip(likely.tolist(), map(np.copy, redundancy(likely)), strict=True))
            block = min(2 * block, most)
        total += ready.pop(best)
        current = score(relevance, total / (step + 1))
        current[order[: step + 1]] = -np.inf
    return order, scores


def _first_highest(values: np.ndarray) -> int:
    """Index of the highest value; of several that differ by rounding alone, the lowest."""
    best = int(values.argmax())
    if np.isinf(values[best]):
        return best
    near = values[:best] >= values[best] - 1e-13 - 1e-11 * abs(values[best])
    return int(near.argmax()) if near.any() else best
