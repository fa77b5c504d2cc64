"""Accuracy against the number of training images, from the scores of runs trained on shares of them."""

from collections.abc import Mapping

import pandas as pd

from leukoflow.config.families import shares_of
from leukoflow.config.models import Model
from leukoflow.core.runs import Run, is_baseline

KEYS = ["cohort", "task", "view", "protocol", "model", "share", "metric", "class"]
COLUMNS = [*KEYS[:6], "train_images", "runs", *KEYS[6:], "value", "sd", "low", "high", "resampling"]


def sample_size(scores: pd.DataFrame, models: Mapping[str, Model], train_images: Mapping[Run, int]) -> pd.DataFrame:
    """`COLUMNS`: accuracy, macro F1 (`f1` without class) and F1 of each class on the test images, by share.

    scores: table `scores`; models: those of the study, of which families on several shares are shown, under the name
    of the one on all images. Values are means over runs (folds, seeds: each seed draws other images), `sd` their
    standard deviation, limits the means of the runs' own, over groups if there are several.
    """
    known = shares_of(models)
    table = scores[(scores["role"] == "test") & (scores["subset"] == "all") & scores["model"].isin(known)]
    table = table[table["target"] == table["cohort"]]
    over = (table["groups"] < table["n"]).map({True: "groups", False: "images"})
    table = table[table["metric"].isin(["accuracy", "f1"]) & (table["resampling"] == over)]
    if table.empty:
        return pd.DataFrame(columns=COLUMNS)
    columns = ["cohort", "task", "view", "protocol", "model", "fold", "seed"]
    images = [train_images[Run(*key)] for key in table[columns].itertuples(index=False, name=None)]
    table = table.assign(
        train_images=images,
        share=[known[name][1] for name in table["model"]],
        model=[known[name][0] for name in table["model"]],
    )
    several = table.groupby(KEYS[:5])["share"].transform("nunique") > 1
    grouped = table[several].groupby(KEYS, sort=False, dropna=False)
    means = grouped.agg(
        train_images=("train_images", "mean"),
        runs=("value", "size"),
        value=("value", "mean"),
        sd=("value", "std"),
        low=("low", "mean"),
        high=("high", "mean"),
        resampling=("resampling", "first"),
    ).reset_index()
    means["_second"] = ~means["model"].map(is_baseline).astype(bool)
    order = ["cohort", "task", "view", "protocol", "_second", "model", "share"]
    return means.sort_values(order, kind="stable", ignore_index=True)[COLUMNS]
