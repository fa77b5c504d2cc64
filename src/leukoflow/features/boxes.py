"""Features before and after scaling, each in five numbers."""

from collections.abc import Sequence

import numpy as np
import pandas as pd

MOST = 16
"""Features whose numbers are kept, the first by rank."""
COLUMNS = ["feature", "stage", "least", "q1", "median", "q3", "greatest"]
BEFORE, AFTER = "before", "after"


def boxes(x: np.ndarray, scaled: np.ndarray, names: Sequence[str], columns: np.ndarray) -> pd.DataFrame:
    """`COLUMNS`, two rows for each of the first `MOST` of `columns` int [k]: extremes and quartiles over training rows.

    x: features float32 [n, D], missing values left out; scaled: the same after scaling; names: of all D.
    """
    rows = []
    for column in columns[:MOST]:
        for stage, values in ((BEFORE, x), (AFTER, scaled)):
            known = values[:, column][~np.isnan(values[:, column])].astype(np.float64)
            five = np.quantile(known, [0, 0.25, 0.5, 0.75, 1]) if len(known) else np.full(5, np.nan)
            rows.append([names[column], stage, *five])
    return pd.DataFrame(rows, columns=COLUMNS)
