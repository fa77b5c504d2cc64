"""Stain swap: the same test pictures in the stain of each class and of other acquisitions, as a model sees them.

Reads the predictions on changed images: target `class:NAME` is the stain of a class, `cluster:NAME:CLUSTER` that of an
acquisition cluster of this class.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.stats.intervals import Limits, limits, named, resampled_means, units, weights_of

FAMILY = "stain_swap"
IMAGE = ["fold", "seed", "image_id", "group"]
NOTHING: Limits = (float("nan"), float("nan"), float("nan"))
SWAP_COLUMNS = [
    "to", "images", "groups", "accuracy_before", "flips", "flips_low", "flips_high", "accuracy", "accuracy_low",
    "accuracy_high", "taken", "taken_low", "taken_high",
]  # fmt: skip
NEUTRAL_COLUMNS = [
    "change", "level", "images", "groups", "accuracy_before", "accuracy", "accuracy_low", "accuracy_high",
    "difference", "difference_low", "difference_high", "flips",
]  # fmt: skip
NEUTRALISED: dict[str, float | None] = {"common_scale": None, "cells_only": None, "gaussian_blur": 2.0, "jpeg": 50.0}
"""Changes that take a shortcut away, and at which level: magnification, background, focus, compression."""


@dataclass(frozen=True)
class Swap:
    """What other classes' stains do to a model: value, low, high; NaN if it was not put through them."""

    images: int = 0
    flips: Limits = NOTHING
    """Share of the predictions that change."""
    accuracy: Limits = NOTHING
    """Accuracy in another class' stain."""
    own_accuracy: Limits = NOTHING
    """Accuracy recoloured to the stain of the own class: the control."""
    loss: Limits = NOTHING
    """The control's accuracy less that in another class' stain."""
    drop: Limits = NOTHING
    """Accuracy on the images as they are less that in another class' stain."""
    taken: Limits = NOTHING
    """Share of the predictions that name the class whose stain was given."""


def answers(changed: Mapping[Run, pd.DataFrame]) -> pd.DataFrame:
    """Predictions on changed images next to those on the images as they are.

    A row for each run, image and change: fold, seed, image_id, group, y, perturbation, level, target, before, after.
    """
    parts = []
    for table in changed.values():
        said = np.stack(table["probabilities"].to_list()).argmax(1)
        table = table.assign(after=said, group=table["group"].fillna(table["image_id"]))
        before = table[table["perturbation"] == "none"].set_index("image_id")["after"]
        parts.append(table.assign(before=before.reindex(table["image_id"]).to_numpy()))
    columns = ["fold", "seed", "image_id", "group", "y", "perturbation", "level", "target", "before", "after"]
    return pd.concat(parts, ignore_index=True)[columns]


def swap_of(changed: Mapping[Run, pd.DataFrame], classes: tuple[str, ...], settings: Evaluation) -> Swap:
    """The summary over all other classes."""
    rows = _swapped(answers(changed), classes)
    rows = rows[rows["kind"] == "class"]
    if rows.empty:
        return Swap()
    same, other = _per_image(rows[rows["same_class"]]), _per_image(rows[~rows["same_class"]])
    table = other.reset_index().merge(same.reset_index(), on=IMAGE, suffixes=("", "_own"))
    names = ["flips", "right", "right_own", "taken", "was"]
    means = _means(table, names, settings)
    measured = dict(zip(names, means, strict=True)) | {"loss": means[2] - means[1], "drop": means[4] - means[1]}
    estimates = {name: limits(columns, settings) for name, columns in measured.items()}
    return Swap(
        images=table["image_id"].nunique(),
        flips=estimates["flips"],
        accuracy=estimates["right"],
        own_accuracy=estimates["right_own"],
        loss=estimates["loss"],
        drop=estimates["drop"],
        taken=estimates["taken"],
    )


def swap_table(changed: Mapping[Run, pd.DataFrame], classes: tuple[str, ...], settings: Evaluation) -> pd.DataFrame:
    """`SWAP_COLUMNS`: to another class and to the own one, to each class, to clusters of another class and the own."""
    rows = _swapped(answers(changed), classes)
    results = []
    for kind in ("class", "cluster"):
        here = rows[rows["kind"] == kind]
        asked = {f"another {kind}": ~here["same_class"], f"own {kind}": here["same_class"]}
        if kind == "class":
            asked |= {name: here["to"] == index for index, name in enumerate(classes)}
        else:
            asked = {
                "cluster of another class": ~here["same_class"],
                "other cluster of the own class": here["same_class"],
            }
        for name, chosen in asked.items():
            if chosen.any():
                results.append({"to": name} | _row(here[chosen], settings))
    return pd.DataFrame(results, columns=SWAP_COLUMNS)


def neutral_table(changed: Mapping[Run, pd.DataFrame], settings: Evaluation) -> pd.DataFrame:
    """`NEUTRAL_COLUMNS`: accuracy before and after each change that takes a shortcut away."""
    every = answers(changed)
    rows = []
    for name, level in NEUTRALISED.items():
        here = every[(every["perturbation"] == name) & ((every["level"] == level) if level is not None else True)]
        if here.empty:
            continue
        table = here.assign(
            right=here["after"] == here["y"], was=here["before"] == here["y"], flips=here["after"] != here["before"]
        )
        means = _means(table, ["was", "right", "flips"], settings)
        row = {"change": name, "level": np.nan if level is None else level, "accuracy_before": means[0, 0]}
        row |= {"images": table["image_id"].nunique(), "groups": table["group"].nunique(), "flips": means[2, 0]}
        row |= named("accuracy", limits(means[1], settings))
        row |= named("difference", limits(means[1] - means[0], settings))
        rows.append(row)
    return pd.DataFrame(rows, columns=NEUTRAL_COLUMNS)


def _swapped(every: pd.DataFrame, classes: tuple[str, ...]) -> pd.DataFrame:
    """The rows of the swap with the kind of target, the class that it goes with, and what came of it."""
    rows = every[every["perturbation"] == FAMILY]
    parts = rows["target"].str.split(":", n=2)
    to = parts.str[1].map({name: index for index, name in enumerate(classes)})
    rows = rows.assign(kind=parts.str[0], to=to, same_class=to == rows["y"])
    return rows.assign(
        flips=rows["after"] != rows["before"],
        right=rows["after"] == rows["y"],
        was=rows["before"] == rows["y"],
        taken=rows["after"] == rows["to"],
    )


def _per_image(rows: pd.DataFrame) -> pd.DataFrame:
    """Means over the targets of each run and image."""
    return rows.groupby(IMAGE)[["flips", "right", "was", "taken"]].mean()


def _means(table: pd.DataFrame, names: list[str], settings: Evaluation) -> np.ndarray:
    """Means of columns and their resamples, [k, 1 + R + U] (see `bootstrap.replicates`)."""
    runs = [f"{fold}.{seed}" for fold, seed in zip(table["fold"], table["seed"], strict=True)]
    weights, values = weights_of(runs), table[names].to_numpy(float)
    return resampled_means(values, weights, units(table["group"].to_numpy()), settings)


def _row(rows: pd.DataFrame, settings: Evaluation) -> dict[str, object]:
    table = _per_image(rows).reset_index()
    means = _means(table, ["flips", "right", "taken", "was"], settings)
    row: dict[str, object] = {"images": table["image_id"].nunique(), "groups": table["group"].nunique()}
    for index, name in enumerate(("flips", "accuracy", "taken")):
        row |= named(name, limits(means[index], settings))
    return row | {"accuracy_before": means[3, 0]}
