"""Differential count: shares of white cell types, corrected for the confusion between them, with intervals.

A classifier that takes one monocyte in ten for a lymphocyte shifts every count. Knowing how often each type is taken
for each other (a confusion matrix), the shares under which the counts are likeliest are found by expectation
maximisation (Dempster, Laird and Rubin 1977; for misclassified counts: Tenenbein 1972, Technometrics 14:187-202).
Intervals draw both again: which cells were met, and what the confusion matrix would be on other cells.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import exp, lgamma, log, log1p

import numpy as np
from numpy.typing import NDArray

STEPS = 300
"""Most steps of expectation maximisation."""
DRAWS = 1000
"""Draws that intervals come from."""
CLOSE = 1e-7
"""Largest change of a share at which expectation maximisation stops."""
HALVINGS = 60
"""Steps in which an exact limit is found, to 1e-15 of its range."""
Shares = NDArray[np.float64]


@dataclass(frozen=True)
class TypeCount:
    """One type of white cell."""

    name: str
    cells: int
    """Cells of which it is the likeliest type."""
    share: float
    """Of all white cells, corrected for confusion, 0 to 1; NaN without cells."""
    low: float
    high: float
    """Limits of the share."""


@dataclass(frozen=True)
class Differential:
    """White cells by type."""

    cells: int
    """White cells counted."""
    low: float
    high: float
    """Limits of the number expected in as much of the same smear (Poisson, exact)."""
    types: tuple[TypeCount, ...]
    assumed: tuple[str, ...]
    """Types whose confusion with others is not known, as no cell of them was calibrated on: taken as never confused."""


def differential(
    names: Sequence[str], counts: Sequence[int], confusion: Sequence[Sequence[int]], confidence: float = 0.95
) -> Differential:
    """Corrected shares of types from their counts [K] and a confusion matrix [K, K] (true types in rows).

    The same cells always give the same limits. ValueError if the shapes differ or a number is negative.
    """
    said, matrix = np.asarray(counts, float), np.asarray(confusion, float)
    if matrix.shape != (len(names), len(names)) or said.shape != (len(names),):
        raise ValueError(f"{len(names)} types need as many counts and a square confusion matrix of that size")
    if (said < 0).any() or (matrix < 0).any():
        raise ValueError("counts and confusion matrix hold numbers of cells, which are not negative")
    total, unknown = int(said.sum()), matrix.sum(1) == 0
    matrix = np.where(unknown[:, None], np.eye(len(names)), matrix)
    tail = (1 - confidence) / 2
    limits = poisson_interval(total, confidence)
    shares = np.full(len(names), np.nan)
    if total:
        shares = corrected(said[None] / total, (matrix / matrix.sum(1, keepdims=True))[None])[0]
    generator = np.random.default_rng(0)
    # Perks' prior: one cell in all, spread over the types, so that a type of which none was met has an upper limit.
    met = generator.dirichlet(said + 1 / len(names), DRAWS)
    confused = np.stack(
        [
            np.broadcast_to(row, (DRAWS, len(names))) if lacks else generator.dirichlet(row + 1 / len(names), DRAWS)
            for row, lacks in zip(matrix, unknown, strict=True)
        ],
        axis=1,
    )
    low, high = np.quantile(corrected(met, confused), [tail, 1 - tail], axis=0)
    if total:
        # If confusion explains all cells of a type, its likeliest share is 0 in nearly every draw. It may still be as
        # common as the exact limit of its count allows, divided by how often the type is named as itself; the others
        # are then so much rarer.
        most = np.array([binomial_limit(int(count), total, tail) for count in said])
        named = np.diag(matrix) / matrix.sum(1)
        bound = np.where(low < CLOSE, np.minimum(1, most / np.maximum(named, 1e-9)), 0)
        high, low = np.maximum(high, bound), np.minimum(low, shares * (1 - bound.max()))
    types = tuple(
        TypeCount(name, int(n), float(share), float(min(a, share)), float(max(b, share)))
        if total
        else TypeCount(name, 0, float("nan"), 0.0, 1.0)
        for name, n, share, a, b in zip(names, said, shares, low, high, strict=True)
    )
    assumed = tuple(name for name, lacks in zip(names, unknown, strict=True) if lacks)
    return Differential(total, *limits, types, assumed)


def corrected(said: Shares, confusion: Shares) -> Shares:
    """Likeliest shares of true types, [B, K], of shares named [B, K] and confusion [B, K, K] whose rows sum to 1."""
    shares = np.full(np.broadcast_shapes(said.shape, confusion.shape[:2]), 1 / said.shape[1])
    for _ in range(STEPS):
        expected = np.einsum("bi,bij->bj", shares, confusion)
        ratio = np.divide(said, expected, out=np.zeros_like(expected), where=expected > 0)
        better = shares * np.einsum("bij,bj->bi", confusion, ratio)
        better /= better.sum(1, keepdims=True)
        if np.abs(better - shares).max() < CLOSE:
            return better
        shares = better
    return shares


def poisson_interval(count: int, confidence: float = 0.95) -> tuple[float, float]:
    """Exact limits of a Poisson mean of which `count` were met (Garwood 1936, doi 10.1093/biomet/28.3-4.437)."""
    tail, wide = (1 - confidence) / 2, 2 * count + 20.0

    def at_most(number: int, mean: float) -> float:
        return sum(exp(k * log(mean) - mean - lgamma(k + 1)) for k in range(number + 1)) if mean > 0 else 1.0

    low = _crossing(lambda mean: 1 - at_most(count - 1, mean), tail, wide) if count else 0.0
    return low, _crossing(lambda mean: -at_most(count, mean), -tail, wide)


def binomial_limit(count: int, total: int, tail: float) -> float:
    """Upper limit of a share of which `count` of `total` were met (Clopper and Pearson 1934, doi
    10.1093/biomet/26.4.404); 1 if all were."""
    if count >= total:
        return 1.0

    def at_most(share: float) -> float:
        ways = (lgamma(total + 1) - lgamma(k + 1) - lgamma(total - k + 1) for k in range(count + 1))
        return sum(exp(way + k * log(share) + (total - k) * log1p(-share)) for k, way in enumerate(ways))

    return _crossing(lambda share: -at_most(share), -tail, 1.0)


def _crossing(rising: Callable[[float], float], level: float, largest: float) -> float:
    """Where a rising function of 0 to `largest` reaches a level, by halving."""
    low, high = 0.0, largest
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if rising(middle) < level else (low, middle)
    return (low + high) / 2
