"""Attention to ranked features over all test images: mean and spread by class, effect, rank and relevance."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import RUN_COLUMNS
from leukoflow.explain.ranked import attended, effects

OF_RUN = [
    "class", "feature", "position", "relevance", "images", "attention", "attention_sd", "effect", "effect_sd",
]  # fmt: skip
COLUMNS = [*RUN_COLUMNS, *OF_RUN]
LEADING = 20
"""Features of each run in the study's table: those with the most attention over all images."""
_BATCH = 256


def weighed(classifier: nn.Module, values: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Attention to each feature, and its effect on the logit of the class that is answered: float32 [n, k] each.

    values: float32 [n, k], as the classifier reads them. For classifiers that `attention_says` something of, in
    evaluation mode.
    """
    weights, changes = [], []
    for rows in values.split(_BATCH):
        with torch.no_grad():
            weights.append(attended(classifier, rows))
            answers = classifier(rows).argmax(dim=1)
        changes.append(effects(classifier, rows, answers))
    return torch.cat(weights).numpy(), torch.cat(changes).detach().numpy()


def by_class(
    weights: np.ndarray, changes: np.ndarray, y: np.ndarray, classes: Sequence[str], ranking: pd.DataFrame
) -> pd.DataFrame:
    """`OF_RUN`: each feature over the images of each class, and over all (class ""); a class without images has none.

    weights, changes: [n, k], of features in the order of `ranking`, which has feature and score; y: true class, [n].
    Standard deviations are over images, NaN for a single one.
    """
    facts = {
        "feature": ranking["feature"].to_numpy(),
        "position": np.arange(len(ranking)),
        "relevance": ranking["score"].to_numpy(),
    }
    parts = []
    for name, rows in {"": np.full(len(y), True), **{label: y == index for index, label in enumerate(classes)}}.items():
        if rows.any():
            measured: dict[str, np.ndarray] = {}
            for column, values in (("attention", weights[rows]), ("effect", changes[rows])):
                values = values.astype(np.float64)
                spread = values.std(axis=0, ddof=1) if len(values) > 1 else np.full(values.shape[1], np.nan)
                measured |= {column: values.mean(axis=0), f"{column}_sd": spread}
            parts.append(pd.DataFrame({"class": name, **facts, "images": int(rows.sum()), **measured}))
    return pd.concat(parts, ignore_index=True)[OF_RUN] if parts else pd.DataFrame(columns=OF_RUN)


def leading(table: pd.DataFrame, count: int = LEADING) -> pd.DataFrame:
    """Of a run's table the rows of the features with the most attention over all images, the most first."""
    whole = table[table["class"] == ""].sort_values(["attention", "position"], ascending=[False, True], kind="stable")
    ranks = {feature: order for order, feature in enumerate(whole["feature"][:count])}
    kept = table[table["feature"].isin(ranks)]
    return kept.iloc[np.argsort(kept["feature"].map(ranks).to_numpy(), kind="stable")].reset_index(drop=True)


def feature_attention_table(inputs: Inputs) -> pd.DataFrame:
    """`COLUMNS`: the leading features of each run, from the runs' `attention`."""
    parts = [
        leading(table).assign(**run.columns())
        for run, table in zip(inputs.by_run("attention"), inputs.tables("attention"), strict=True)
    ]
    filled = [table[COLUMNS] for table in parts if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=COLUMNS)
