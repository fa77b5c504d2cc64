"""mRMR by Peng's own program through the package pymrmr, where it is installed: slow, to check ours against.

Its traps, all met here: floats are cut to integers without a word; asked for more features than there are, it returns
the label as one of them; it looks only at the 5,000 features of highest relevance.
"""

import importlib

import numpy as np
import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.features.discretise import compact
from leukoflow.features.mrmr import Score, quotient
from leukoflow.features.relevance import mutual_information

MOST_FEATURES = 5000
"""Size of the pool that is fixed in its source."""
INSTALL = "pip install -e '.[pymrmr-build]' && pip install --no-build-isolation -e '.[pymrmr]'"


def by_information(codes: np.ndarray, y: np.ndarray, k: int, score: Score) -> tuple[np.ndarray, np.ndarray]:
    """Order int64 [k] and scores [k] of codes int [n, D] for labels y int [n], as mrmr.by_information returns them.

    k must not exceed D. The scores are computed again, as pymrmr only prints them. Raises LeukoFlowError if pymrmr
    is missing, cannot rank so many features, or returns what is no ranking.
    """
    try:
        pymrmr = importlib.import_module("pymrmr")
    except ImportError as error:
        raise LeukoFlowError(
            f"selection.backend: pymrmr is not installed; use the backend leukoflow, or run `{INSTALL}` "
            f"(Peng's licence forbids for-profit use) [{error}]"
        ) from error
    width = codes.shape[1]
    if width > MOST_FEATURES:
        raise LeukoFlowError(
            f"selection.backend: pymrmr looks at {MOST_FEATURES} features at most, and there are {width}; "
            "use the backend leukoflow"
        )
    features, states = compact(codes)
    label = compact(y[:, None])[0]
    names = ["label", *map(str, range(width))]
    table = pd.DataFrame(np.concatenate([label, features]).T.astype(np.int64), columns=names)
    ranked = pymrmr.mRMR(table, "MIQ" if score is quotient else "MID", k)
    if len(ranked) != k or len(set(ranked)) != k or "label" in ranked:
        raise LeukoFlowError(
            f"selection.backend: pymrmr returned no ranking of {k} features; use the backend leukoflow"
        )
    order = np.array(ranked).astype(np.int64)
    chosen = features[order]
    relevance = mutual_information(label, chosen, (int(label.max()) + 1, states))[0]
    among = np.tril(mutual_information(chosen, chosen, (states, states)), -1).sum(axis=1)
    scores = score(relevance, among / np.maximum(np.arange(k), 1))
    scores[0] = relevance[0]
    return order, scores
