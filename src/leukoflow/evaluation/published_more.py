"""Published numbers that stand in the tables of calibration and discrimination, where a study has these."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from leukoflow.config.published import Number

MICRO = "micro average"
PLACES = {
    "ece": ("calibration", "none", "ece"),
    "adaptive_ece": ("calibration", "none", "adaptive_ece"),
    "mce": ("calibration", "none", "mce"),
    "brier": ("calibration", "none", "brier"),
    "loss": ("calibration", "none", "nll"),
    "ece_scaled": ("calibration", "temperature", "ece"),
    "temperature": ("calibration", "temperature", "temperature"),
    "micro_auc": ("discrimination", "", "auc"),
    "micro_ap": ("discrimination", "", "ap"),
    "ap": ("discrimination", "", "ap"),
}
"""Table, calibrator and column of each metric."""


def further(number: Number, row: pd.Series, tables: Mapping[str, pd.DataFrame]) -> tuple[float, float, float]:
    """Value and limits of a number for a row of the leaderboard, means over its runs; NaN where there is no table.

    Tables have the columns of a run, target, role and class ("" for the whole), and COLUMN, COLUMN_low, COLUMN_high.
    """
    name, calibrator, column = PLACES.get(number.metric, ("", "", ""))
    if name not in tables:
        return np.nan, np.nan, np.nan
    table = tables[name]
    label = MICRO if number.metric.startswith("micro") else number.label
    mask = (table["role"] == "test") & (table["target"] == row["cohort"]) & (table["class"] == label)
    for key in ("cohort", "task", "view", "protocol", "model"):
        mask &= table[key] == row[key]
    if calibrator:
        mask &= table["calibrator"] == calibrator
    own = table[mask]
    limits = [own[f"{column}_{end}"].mean() if f"{column}_{end}" in own else np.nan for end in ("low", "high")]
    return float(own[column].mean()) if len(own) else np.nan, float(limits[0]), float(limits[1])
