"""The shortcut audit: how much of a model's accuracy is reached without seeing a cell, and what other stains do to it.

The explained share is (probe - chance) / (model - chance) on the same test images, where the probe is the one that
did best on the validation images among those that see no white cell; chance is the share of the most frequent class.
Under stain swap the same pictures are given other stains. Those given the stain of their own class are the control for
what recolouring does by itself; as that stain tells the class as well, accuracy must also fall against the images as
they are. Intervals are bootstraps over groups, paired; levels follow from them alone.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from leukoflow.audits.probes import KINDS, chance_of
from leukoflow.audits.swap import Swap, swap_of
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.stats.intervals import Limits, limits, named, resampled_means, units, weights_of

Level = Literal["no skill", "explained", "partly", "silent"]
AUDITED = [
    "accuracy", "accuracy_low", "accuracy_high", "chance",
    *(f"{prefix}_{name}" for prefix in ("no_cell", "colour") for name in (
        "probe", "accuracy", "accuracy_low", "accuracy_high", "share", "share_low", "share_high",
        "lead", "lead_low", "lead_high",
    )),
    "swap_images",
    *(f"swap_{name}{limit}" for name in ("flips", "accuracy", "own_accuracy", "loss", "drop", "taken")
      for limit in ("", "_low", "_high")),
]  # fmt: skip
PANEL = ["cohort", "task", "view", "protocol"]
AUDIT_COLUMNS = [*PANEL, "model", "runs", "images", "groups", *AUDITED, "level", "verdict"]
KEY = ["fold", "image_id"]


@dataclass(frozen=True)
class Explained:
    """What the best probe of one kind reaches of a model's accuracy, each with its interval."""

    probe: str
    accuracy: Limits
    """The probe's accuracy: value, low, high."""
    share: Limits
    """Share of the model's accuracy above chance; NaN if it is not measurably above."""
    lead: Limits
    """The model's accuracy less the probe's."""


def model_answers(runs: Mapping[Run, pd.DataFrame]) -> pd.DataFrame:
    """The labelled, unchanged test images of a model's runs: fold, seed, image_id, group, y, right, weight.

    Each run weighs the same, as in the leaderboard. LeukoFlowError if a run has none.
    """
    parts = []
    for run, table in runs.items():
        rows = (table["role"] == "test") & (table["y"] >= 0) & (table["perturbation"] == "none")
        test = table[rows & (table["cohort"] == run.cohort)]
        if test.empty:
            raise LeukoFlowError(f"{run.name}: no predictions of role test to audit; predict again")
        right = np.stack(test["probabilities"].to_list()).argmax(1) == test["y"]
        test = test.assign(
            right=right, group=test["group"].fillna(test["image_id"]), weight=1 / (len(runs) * len(test))
        )
        parts.append(test[["fold", "seed", "image_id", "group", "y", "right", "weight"]])
    return pd.concat(parts, ignore_index=True)


def audit(
    runs: Mapping[Run, pd.DataFrame],
    changed: Mapping[Run, pd.DataFrame],
    said: pd.DataFrame,
    classes: tuple[str, ...],
    settings: Evaluation,
) -> dict[str, object]:
    """One row of `AUDIT_COLUMNS` from `model` to `level`, of the runs of one model.

    runs: predictions on the own cohort; changed: those on changed images, of the runs that have them; said: answers of
    the probes on this protocol. If the probes were asked about a sample, the audit is on that.
    """
    table = model_answers(runs)
    right = said.pivot_table(index=KEY, columns="probe", values="right", aggfunc="first").reset_index()
    joined = table.merge(right, on=KEY)
    if joined.empty:
        raise LeukoFlowError("no test image of the runs is among those of the probes; run both on the same split")
    weights = weights_of([f"{fold}.{seed}" for fold, seed in zip(joined["fold"], joined["seed"], strict=True)])
    chance = chance_of(joined["y"].to_numpy())
    hits = joined["right"].to_numpy(float)
    groups = units(joined["group"].to_numpy())
    facts: dict[str, object] = {
        "model": next(iter(runs)).model,
        "runs": len(runs),
        "images": joined["image_id"].nunique(),
        "groups": joined["group"].nunique(),
        "chance": chance,
    }
    for kind, prefix in (("no cell", "no_cell"), ("colours", "colour")):
        name = best_probe(said, kind)
        values = np.column_stack([hits, joined[name].to_numpy(float)])
        means = resampled_means(values, weights, groups, settings)
        explanation = explained(name, means, chance, settings)
        facts |= named("accuracy", limits(means[0], settings))
        facts[f"{prefix}_probe"] = name
        facts |= named(f"{prefix}_accuracy", explanation.accuracy)
        facts |= named(f"{prefix}_share", explanation.share) | named(f"{prefix}_lead", explanation.lead)
    swap = swap_of(changed, classes, settings) if changed else Swap()
    facts |= {"swap_images": swap.images}
    for name in ("flips", "accuracy", "own_accuracy", "loss", "drop", "taken"):
        facts |= named(f"swap_{name}", getattr(swap, name))
    return facts | {"level": level_of(facts)}


def best_probe(said: pd.DataFrame, kind: str) -> str:
    """The probe of this kind that is right most often on validation images (never looked at for its test score)."""
    rows = said[said["probe"].map(KINDS).eq(kind)]
    chosen = rows[rows["role"] == "validation"]
    scores = (chosen if len(chosen) else rows).groupby("probe", sort=False)["right"].mean()
    return str(scores.index[int(scores.to_numpy().argmax())])


def explained(name: str, means: np.ndarray, chance: float, settings: Evaluation) -> Explained:
    """From accuracies of model and probe with their resamples, [2, 1 + R + U] (see `bootstrap.replicates`)."""
    _, low, _ = limits(means[0], settings)
    skilled = low > chance  # shares of nothing grow without bound
    share = limits(_share(means, chance), settings)
    return Explained(
        name,
        limits(means[1], settings),
        share if skilled else (np.nan, np.nan, np.nan),
        limits(means[0] - means[1], settings),
    )


def _share(means: np.ndarray, chance: float) -> np.ndarray:
    """(probe - chance) / (model - chance), at least 0; NaN if the model is no better than chance."""
    above = means - chance
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(above[0] > 0, np.maximum(above[1], 0) / above[0], np.nan)


def level_of(facts: Mapping[str, Any]) -> Level:
    """How grave the evidence is.

    `no skill`: the model's own interval includes chance. `explained`: a probe that sees no cell is above chance and the
    model not measurably above it, or the model is brought down to chance by another class' stain. `partly`: the
    probe is above chance, or another class' stain costs accuracy. `silent`: none.
    """
    chance = facts["chance"]
    if not facts["accuracy_low"] > chance:
        return "no skill"
    if (no_cell_above(facts) and not facts["no_cell_lead_low"] > 0) or down_to_chance(facts):
        return "explained"
    return "partly" if no_cell_above(facts) or stain_costs(facts) else "silent"


def no_cell_above(facts: Mapping[str, Any]) -> bool:
    """Whether the probe that sees no cell is measurably above chance."""
    return bool(facts["no_cell_accuracy_low"] > facts["chance"])


def stain_costs(facts: Mapping[str, Any]) -> bool:
    """Whether another class' stain costs accuracy, against the images as they are and against the own class' stain.

    The first alone may be what any recolouring does; the second alone may be that the own class' stain, which tells the
    class, helps a model that looks at stains without getting anything from them on the images as they are.
    """
    return bool(facts["swap_drop_low"] > 0 and facts["swap_loss_low"] > 0)


def down_to_chance(facts: Mapping[str, Any]) -> bool:
    """Whether another class' stain costs accuracy, and what is left is not measurably above chance."""
    return stain_costs(facts) and not facts["swap_accuracy_low"] > facts["chance"]
