"""Which test images of a run are explained."""

import numpy as np
import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.core.seeding import generator


def sample(run: Run, predictions: pd.DataFrame, images: int, classes: int) -> pd.DataFrame:
    """About `images` labelled test images, as many of each class: image_id, group, y, predicted, sorted by image.

    Up to half of each class's are ones that the run gets wrong. The order in which images are taken is the same for all
    runs of a cohort, so that models are shown on the same images where they are right alike. LeukoFlowError if
    there is no test image.
    """
    rows = (predictions["role"] == "test") & (predictions["y"] >= 0) & (predictions["perturbation"] == "none")
    table = predictions[rows & (predictions["cohort"] == run.cohort)].sort_values("image_id", ignore_index=True)
    if table.empty:
        raise LeukoFlowError(f"{run.name}: no predictions of role test to explain; predict again")
    table["predicted"] = np.stack(table["probabilities"].to_list()).argmax(1)
    table["group"] = table["group"].fillna(table["image_id"])
    quota = max(1, images // classes)
    order = np.argsort(generator("explain", run.cohort).permutation(len(table)))
    table = table.assign(_order=order).sort_values("_order", kind="stable")
    parts = []
    for _, part in table.groupby("y"):
        wrong = part[part["predicted"] != part["y"]]
        right = part.drop(wrong.index)
        few = min(len(wrong), max(quota // 2, quota - len(right)))
        parts += [wrong[:few], right[: quota - few]]
    chosen = pd.concat(parts).sort_values("image_id", ignore_index=True)
    return chosen[["image_id", "group", "y", "predicted"]]
