"""Results by class as classification reports print them: measures and support of each class, and their averages."""

import numpy as np
import pandas as pd

from leukoflow.core.inputs import Inputs
from leukoflow.stats.leaderboard import CELL, test_scores

MEASURES = ("precision", "recall", "specificity", "f1", "auc", "ovr_accuracy")
MACRO, WEIGHTED, SPREAD = "macro average", "weighted average", "SD over classes"
SUMMARIES = (MACRO, WEIGHTED, SPREAD)
COLUMNS = [*CELL, "class", "runs", *(f"{name}{end}" for name in MEASURES for end in ("", "_sd")), "support"]
_RUN = [*CELL, "fold", "seed"]


def class_report(scores: pd.DataFrame) -> pd.DataFrame:
    """`COLUMNS`: rows of the classes of each model on its test images, then `SUMMARIES`; means and SD over runs.

    scores: table `scores`, empty texts as such. The weighted average weighs a class by its test images (its recall is
    the accuracy); the SD over classes has n - 1 below. `support` counts the test images over all folds.
    """
    test = test_scores(scores)
    test = test[(test["class"] != "") & test["resampling"].isin(["images", ""])]
    values = test.pivot_table(index=[*_RUN, "class"], columns="metric", values="value", sort=False)
    values = values.reindex(columns=[*MEASURES, "images"])
    parts = [values.reset_index()]
    for name, summary in (
        (MACRO, values.groupby(_RUN, sort=False).mean()),
        (WEIGHTED, _weighted(values)),
        (SPREAD, values.groupby(_RUN, sort=False).std()),
    ):
        images = np.nan if name == SPREAD else values["images"].groupby(_RUN, sort=False).sum()
        parts.append(summary.assign(images=images).reset_index().assign(**{"class": name}))
    table = pd.concat(parts, ignore_index=True)
    grouped = table.groupby([*CELL, "class"], sort=False)
    report = grouped[list(MEASURES)].mean()
    for name in MEASURES:
        report[f"{name}_sd"] = grouped[name].std()
    report["runs"] = grouped.size()
    report["support"] = grouped["images"].sum(min_count=1) / grouped["seed"].nunique()
    report = report.reset_index()
    order = {cell: index for index, cell in enumerate(dict.fromkeys(report[CELL].itertuples(index=False, name=None)))}
    report["_cell"] = [order[cell] for cell in report[CELL].itertuples(index=False, name=None)]
    report["_last"] = [SUMMARIES.index(name) if name in SUMMARIES else -1 for name in report["class"]]
    report = report.sort_values(["_cell", "_last"], kind="stable", ignore_index=True)[COLUMNS]
    return report.astype({"support": "Int64"})


def _weighted(values: pd.DataFrame) -> pd.DataFrame:
    """Mean over the classes of each run, weighted by their images; a class without images has no measures."""
    products = values[list(MEASURES)].mul(values["images"], axis=0)
    weights = products.notna().mul(values["images"], axis=0)
    return products.groupby(_RUN, sort=False).sum() / weights.groupby(_RUN, sort=False).sum()


def class_report_table(inputs: Inputs) -> pd.DataFrame:
    """Table `class_report`, from `scores`."""
    return class_report(inputs.table("scores").fillna({"class": "", "resampling": ""}))
