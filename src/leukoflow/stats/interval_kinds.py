"""Intervals of the same metric made in every way there is, next to each other."""

from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from leukoflow.core.inputs import Inputs
from leukoflow.stats.leaderboard import CELL, METRICS, test_scores

SEEDS = "seeds"
COLUMNS = [*CELL, "metric", "resampling", "units", "value", "low", "high", "span"]


def interval_kinds(scores: pd.DataFrame, confidence: float) -> pd.DataFrame:
    """`COLUMNS`: a row for each metric of a model on its test images and each kind of interval.

    scores: table `scores`, empty texts as such. Of the bootstraps and of Wilson's formula the limits are means over
    runs, as one run has them; `units` are the images or groups of a run. `seeds` is Student's interval of the mean
    over seeds, each the mean of its folds: what another training would change, on the same images. It needs two seeds.
    """
    test = test_scores(scores)
    test = test[(test["class"] == "") & test["metric"].isin(METRICS)]
    rows: list[dict[str, Any]] = []
    for key, part in test.groupby([*CELL, "metric"], sort=False):
        names = dict(zip([*CELL, "metric"], key, strict=True)) | {"metric": METRICS[str(key[-1])]}
        for kind, kind_rows in part.groupby("resampling", sort=False):
            units = kind_rows["groups" if kind == "groups" else "n"].mean()
            means = {name: kind_rows[name].mean() for name in ("value", "low", "high")}
            rows.append(names | {"resampling": kind, "units": round(units)} | means)
        seeds = part[part["resampling"] == "images"].groupby("seed")["value"].mean().to_numpy()
        if len(seeds) > 1:
            low, high = t_interval(seeds, confidence)
            rows.append(
                names | {"resampling": SEEDS, "units": len(seeds), "value": seeds.mean(), "low": low, "high": high}
            )
    table = pd.DataFrame(rows, columns=COLUMNS)
    return table.assign(span=table["high"] - table["low"])


def t_interval(values: np.ndarray, confidence: float) -> tuple[float, float]:
    """Student's interval of the mean of values [n], n at least 2; the mean itself if they are equal."""
    half = stats.t.ppf((1 + confidence) / 2, len(values) - 1) * values.std(ddof=1) / np.sqrt(len(values))
    return float(values.mean() - half), float(values.mean() + half)


def interval_kinds_table(inputs: Inputs) -> pd.DataFrame:
    """Table `intervals`, from `scores`; setting `confidence` is the level."""
    scores = inputs.table("scores").fillna({"class": "", "resampling": ""})
    return interval_kinds(scores, inputs.settings["confidence"])
