"""Whether the same features are chosen when a part of the training rows is left out."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from leukoflow.config.features import Selection
from leukoflow.core.seeding import generator, stream_seed
from leukoflow.features.ranking import rank
from leukoflow.features.scaling import apply, fit

SIZES = (10, 20, 50, 100, 200, 500, 1000, 1500, 2000)
"""Numbers of features at which rankings are compared."""


def jaccard(first: np.ndarray, second: np.ndarray) -> float:
    """Size of the intersection over that of the union of two sets of features, 0 to 1."""
    shared = len(np.intersect1d(first, second))
    return shared / (len(first) + len(second) - shared)


def kuncheva(first: np.ndarray, second: np.ndarray, width: int) -> float:
    """Kuncheva's consistency (2007) of two sets of k of `width` features: (r D - k^2) / (k (D - k)), r in both.

    1 if they are the same, about 0 by chance, NaN if all features are chosen.
    """
    k = len(first)
    if k == width:
        return float("nan")
    return (len(np.intersect1d(first, second)) * width - k * k) / (k * (width - k))


def parts(y: np.ndarray, count: int, seed: int) -> np.ndarray:
    """Part 0 to count-1 of each row int [n], every class dealt out evenly and at random; y int [n]."""
    random = generator(seed, "stability", count)
    part = np.empty(len(y), np.int64)
    dealt = 0
    for label in np.unique(y):
        rows = random.permutation(np.flatnonzero(y == label))
        part[rows] = (dealt + np.arange(len(rows))) % count
        dealt += len(rows)
    return part


def stability(
    x: np.ndarray, y: np.ndarray, selection: Selection, seed: int, sizes: Sequence[int] = SIZES
) -> pd.DataFrame:
    """Pairwise agreement of rankings, each made without one of `selection.stability` parts of the training rows.

    x float [n, D] are features before scaling: every ranking has its own scaler (integers, for `mid` and `miq`, are
    not scaled). Returns k, pair ("0-1": the parts left out), jaccard, kuncheva, for the sizes that do not exceed the
    ranking. `random` is drawn again for every part. Empty for fewer than two parts, and for `pca` and `none`, which
    choose no features.
    """
    columns = ["k", "pair", "jaccard", "kuncheva"]
    kinds: dict[str, str] = {"k": "int64", "pair": "str", "jaccard": "float64", "kuncheva": "float64"}
    if selection.stability < 2 or selection.method in ("pca", "none"):
        return pd.DataFrame(columns=columns).astype(kinds)
    part = parts(y, selection.stability, seed)
    orders = []
    for out in range(selection.stability):
        rows = np.flatnonzero(part != out)
        kept = x[rows]
        if np.issubdtype(x.dtype, np.floating):
            kept = apply(fit(kept, selection.scaling), kept)
        part_seed = stream_seed(seed, "part", out) if selection.method == "random" else seed
        orders.append(rank(kept, y[rows], selection, part_seed).order)
    table = [
        (k, f"{a}-{b}", jaccard(orders[a][:k], orders[b][:k]), kuncheva(orders[a][:k], orders[b][:k], x.shape[1]))
        for k in sizes
        if k <= len(orders[0])
        for a, b in combinations(range(selection.stability), 2)
    ]
    return pd.DataFrame(table, columns=columns).astype(kinds)
