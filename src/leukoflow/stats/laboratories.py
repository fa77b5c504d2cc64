"""What models reach on laboratories of which they have seen nothing, next to those that they were trained on."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from leukoflow.config.protocols import groups_of
from leukoflow.config.splits import LABORATORY
from leukoflow.core.inputs import Inputs
from leukoflow.core.runs import MEAN
from leukoflow.stats.leaderboard import CELL, blocks_first, summary
from leukoflow.stats.samples import EVERY

COMMON = 5
"""Images of a class from which on it counts as common in a laboratory: the recall over fewer says little."""
SHOWN = ("accuracy", "low", "high", "balanced_accuracy", "macro_f1", "common_balanced_accuracy")
COLUMNS = [*CELL, "laboratory", "runs", "images", "groups", *SHOWN, "common_classes", "home_accuracy", "home_images"]


def by_laboratory(scores: pd.DataFrame, named: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Rows of scores under protocols by laboratory, with the `laboratory` that their fold leaves out; `named` as for
    `laboratories`."""
    rows = scores[np.array([groups_of(name) == LABORATORY for name in scores["protocol"]], bool)]
    left_out = [named[cohort][fold] for cohort, fold in zip(rows["cohort"], rows["fold"], strict=True)]
    return rows.assign(laboratory=left_out)


def laboratories(scores: pd.DataFrame, named: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """`COLUMNS`: a row for each model and laboratory that was left out of its training, and one with their mean.

    scores: table `scores`, empty texts as such; named: the laboratories of each pooled cohort in the order of folds.
    `home_accuracy` is that of the same runs on validation images, of the laboratories that they were trained on: these
    images chose the epoch, so it is a little too good.
    """
    held_out = by_laboratory(scores[scores["subset"] == EVERY], named)
    if held_out.empty:
        return pd.DataFrame(columns=COLUMNS)
    by = [*CELL, "laboratory"]
    table = summary(held_out[held_out["role"] == "test"], by)
    home = summary(held_out[held_out["role"] == "validation"], by)
    home = home.rename(columns={"accuracy": "home_accuracy", "images": "home_images"})
    table = table.merge(home[[*by, "home_accuracy", "home_images"]], on=by)
    table = table.merge(_common(held_out[held_out["role"] == "test"], by), on=by)
    means = table.groupby(CELL, sort=False, as_index=False).agg(
        runs=("runs", "sum"), images=("images", "sum"), groups=("groups", "sum"), home_images=("home_images", "sum"),
        **{name: (name, "mean") for name in (*SHOWN, "home_accuracy") if name not in ("low", "high")},
    )  # fmt: skip
    means = blocks_first(means, CELL[:-1], "accuracy")
    order = {cell: place for place, cell in enumerate(means[CELL].itertuples(index=False, name=None))}
    rows = pd.concat([table, means.assign(laboratory=MEAN)], ignore_index=True)
    rows["_place"] = [order[cell] for cell in rows[CELL].itertuples(index=False, name=None)]
    rows["_last"] = rows["laboratory"] == MEAN
    rows = rows.sort_values(["_place", "_last", "laboratory"], kind="stable", ignore_index=True)
    return rows.reindex(columns=COLUMNS).astype({"common_classes": "Int64"})


def _common(scores: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Mean recall over the classes that are common in a laboratory, and their number, by `by`."""
    whole = scores[(scores["class"] != "") & scores["resampling"].isin(["images", ""])]
    values = whole.pivot_table(index=[*by, "fold", "seed", "class"], columns="metric", values="value", sort=False)
    common = values[values["images"] >= COMMON].reset_index()
    runs = common.groupby([*by, "fold", "seed"], sort=False)["recall"].agg(["mean", "size"])
    made = runs.groupby(level=by, sort=False).agg({"mean": "mean", "size": "max"}).reset_index()
    made = made.rename(columns={"mean": "common_balanced_accuracy", "size": "common_classes"})
    every = scores[by].drop_duplicates()
    return every.merge(made, on=by, how="left")


def laboratories_table(inputs: Inputs) -> pd.DataFrame:
    """Table `laboratories`, from `scores`; setting `laboratories` names those of each pooled cohort."""
    return laboratories(inputs.table("scores").fillna({"class": "", "resampling": ""}), inputs.settings["laboratories"])
