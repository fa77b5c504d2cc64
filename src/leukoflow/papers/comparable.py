"""Whether a run is a test of a publication: every condition of the paper held against what the run really was."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.conditions import NOT_SAID, Conditions
from leukoflow.config.features import DeepFeatures
from leukoflow.config.inputs import PRESETS
from leukoflow.config.models import Model
from leukoflow.config.published import Number, Paper
from leukoflow.config.study import Study
from leukoflow.config.weights import PACKAGE, PACKAGES, package_of

GRADES = {
    "yes": "every condition is known and the same",
    "unclear": "no condition is known to differ, but the paper does not say all of them",
    "no": "at least one condition differs",
}
"""What column `comparable` says."""
OWN = "own"
"""What stands for a recipe where a model is trained by its own."""
COUNTED = ("parameters", "megabytes")
"""Metrics that depend on the network alone."""
TIMED = ("seconds_per_image", "gpu_seconds_per_image", "images_per_second", "memory_megabytes", "gpu_memory_megabytes")
"""Metrics that depend on the network, the size of the pictures and the machine."""
NEAR = 0.01
"""Test images may differ by this share, as where a paper rounds otherwise."""
MIXED = 0.02
"""Shares of the classes among the test images may differ by this."""
SQUARE = 0.02
"""A field whose sides differ by less than this share looks the same however it is made square."""
_OTHER_SETS = re.compile(r"_ft_|in12k|in21k|in22k|jft|yfcc|ig1b|clip|laion|openai|dino|mae|ssl|swsl")


@dataclass(frozen=True)
class Facts:
    """What the runs of a study really were."""

    models: Mapping[tuple[str, str, str, str, str], Mapping[str, Any]]
    """`model.json` of a run of each cohort, task, view, protocol and model."""
    splits: Mapping[tuple[str, str, str], pd.DataFrame]
    """By cohort, task and protocol."""
    cohorts: pd.DataFrame
    """Table `cohorts`."""

    def of_cohort(self, cohort: str, fact: str, label: str = "") -> float:
        """A fact of a cohort; NaN if it is not known."""
        table = self.cohorts
        measured = table[(table["cohort"] == cohort) & (table["fact"] == fact) & (table["label"] == label)]["measured"]
        return float(measured.iloc[0]) if len(measured) else np.nan

    def bars(self, cohort: str) -> float:
        """Images with a scale bar."""
        table = self.cohorts
        return float(table[(table["cohort"] == cohort) & (table["fact"] == "scale bars")]["measured"].sum())


@dataclass
class Comparison:
    """A run next to a published number."""

    differences: list[str] = field(default_factory=list)
    """Each in plain words, with what was published."""
    unsaid: list[str] = field(default_factory=list)
    """Conditions that the paper does not say, or the run did not record."""

    def hold(self, what: str, ours: object, theirs: object, same: bool | None = None) -> None:
        """Hold one condition of the run against the paper's; `same` where being equal is not the measure."""
        if theirs == NOT_SAID:
            self.unsaid.append(what)
        elif not (ours == theirs if same is None else same):
            self.differences.append(f"{what}: {_said(ours)} (published: {_said(theirs)})")

    @property
    def grade(self) -> str:
        """One of `GRADES`."""
        return "no" if self.differences else "unclear" if self.unsaid else "yes"


def compare(study: Study, paper: Paper, number: Number, row: Mapping[str, Any], facts: Facts) -> Comparison:
    """Every difference between a run and what a paper says of the number's run, and what it does not say.

    `row` has cohort, task, view, protocol and model of the run, target where it was tested on another cohort, and size
    as its model.json says.
    """
    comparison, model = Comparison(), study.models[row["model"]]
    comparison.hold("size", row["size"] or "paper", "paper")
    comparison.hold("options", _listed(model.options), _listed(number.options))
    if number.metric in COUNTED:
        return comparison
    if number.metric in (*TIMED, "training_seconds"):
        comparison.differences.append("another machine")
    comparison.hold("side of the pictures", study.views[row["view"]].size, paper.conditions.side)
    if number.metric in TIMED:  # whatever it has learnt
        return comparison
    _hold_pictures(comparison, study, paper, number, row, facts)
    _hold_start(comparison, paper, number, model, facts.models.get(_cell(row), {}))
    _hold_split(comparison, study, paper, number, row, facts)
    _hold_training(comparison, paper.conditions, model)
    if paper.backbones:
        _hold_features(comparison, study, paper, model, row["protocol"])
    return comparison


def _hold_pictures(
    comparison: Comparison, study: Study, paper: Paper, number: Number, row: Mapping[str, Any], facts: Facts
) -> None:
    """Which images, and what was done to them."""
    cohort, said, view = row["cohort"], paper.conditions, study.views[row["view"]]
    dataset = paper.datasets[number.dataset]
    same_dataset = paper.dataset_of(cohort, study.cohorts[cohort]) == number.dataset
    comparison.hold("cohort", cohort, dataset.name, same_dataset)
    if same_dataset:
        _hold_count(comparison, "images in all", facts.of_cohort(cohort, "images"), dataset.images)
    comparison.hold("pictures", view.kind, said.view, view.kind in said.same_views)
    aspect = getattr(study.cohorts[cohort], "aspect", None) or facts.of_cohort(cohort, "median aspect")
    if not abs(aspect - 1) <= SQUARE:
        comparison.hold("fit to a square", getattr(view, "fit", "letterbox"), said.fit)
    if facts.bars(cohort):
        comparison.hold("scale bars", getattr(view, "scale_bar", "painted out"), said.scale_bar)


def _hold_count(comparison: Comparison, what: str, images: float, theirs: int) -> None:
    if np.isnan(images):
        comparison.unsaid.append(f"{what} (not recorded here)")
    else:
        comparison.hold(what, int(images), theirs)


def _hold_start(comparison: Comparison, paper: Paper, number: Number, model: Model, facts: Mapping[str, Any]) -> None:
    """Weights that the networks start from, and how their input is scaled."""
    said = paper.conditions
    texts = _weights_of(facts)
    kinds = sorted({_kind_of(text) for text in texts})
    theirs = said.weights.get(number.architecture or "", NOT_SAID)
    if model.self_supervised is not None:
        kinds = ["self-trained"]
    comparison.hold("weights at the start", " and ".join(kinds), theirs)
    if kinds == ["imagenet"] == [theirs]:
        sources = sorted({"timm" if text.startswith("hub:timm/") else text for text in texts})
        comparison.hold("source of the weights", " and ".join(sources), said.library)
    scalings = scalings_of(facts)
    if not scalings:
        comparison.unsaid.append("scaling of the input (not recorded here)")
    else:
        comparison.hold("scaling of the input", " and ".join(scalings), said.scaling)


def _hold_split(
    comparison: Comparison, study: Study, paper: Paper, number: Number, row: Mapping[str, Any], facts: Facts
) -> None:
    """How the images were divided, and which ones are reported on."""
    said, splits = paper.conditions, study.division(row["protocol"])
    comparison.hold("divided at random", splits.groups, said.split)
    if splits.folds > 1:
        comparison.hold("divisions", f"{splits.folds} folds", "one")
    comparison.hold("classes kept in proportion", splits.stratified and splits.test_images is None, said.stratified)
    reported = "validation_as_test" in splits.leaks
    comparison.hold("share of validation images", 0 if reported else splits.validation, said.validation)
    comparison.hold("epoch chosen on", "the images reported" if reported else "other images", said.epoch_chosen_on)
    if copied := [leak for leak in splits.leaks if leak.startswith("augmented")]:
        comparison.differences.append(f"changed copies of held-out images trained on ({', '.join(copied)})")
    if number.target:
        outside = facts.of_cohort(row["target"], "images")
        _hold_count(comparison, "test images", outside, paper.datasets[number.target].images)
        return
    split = facts.splits.get((row["cohort"], row["task"], row["protocol"]))
    tests = said.tests.get(number.task or "")
    if split is None:
        comparison.unsaid.append("test images (not recorded here)")
        return
    tested = split.loc[(split["role"] == "test") & (split["fold"] == split["fold"].min()), "label"].value_counts()
    count = int(tested.sum())
    if tests is None or tests.images == NOT_SAID:
        comparison.hold("share of test images", round(count / max(1, split["image_id"].nunique()), 3), said.test)
        return
    wanted = int(tests.images)
    comparison.hold("test images", count, wanted, abs(count - wanted) <= NEAR * wanted)
    if not tests.counts:
        comparison.unsaid.append("test images by class")
        return
    ours = {label: int(tested.get(label, 0)) for label in tests.counts}
    mixed = any(abs(ours[label] / max(1, count) - tests.counts[label] / wanted) > MIXED for label in ours)
    comparison.hold("test images by class", _listed(ours), _listed(tests.counts), not mixed)


def _hold_training(comparison: Comparison, said: Conditions, model: Model) -> None:
    training = model.training
    if (model.recipe or OWN) != OWN:
        comparison.differences.append(f"recipe {model.recipe} (published: its own)")
    ways = {"weights": training.weighted_loss, "sampling": training.weighted_sampling}
    balance = " and ".join(name for name, used in ways.items() if used) or "none"
    comparison.hold("balance of the classes", balance, said.balance)
    comparison.hold("loss", training.loss.kind, said.loss)
    comparison.hold("optimiser", training.optimiser, said.optimiser)
    comparison.hold("learning rate", training.learning_rate, said.learning_rate)
    comparison.hold("images in a batch", training.batch_size, said.batch_size)
    comparison.hold("most epochs", training.epochs, said.epochs)
    ours = training.augmentation.model_dump(exclude_defaults=True)
    theirs = NOT_SAID if said.augmentation == NOT_SAID else _listed(dict(said.augmentation))
    comparison.hold("augmentation", _listed(ours), theirs)


def _hold_features(comparison: Comparison, study: Study, paper: Paper, model: Model, protocol: str) -> None:
    """The networks whose features a model reads, and which images scaling and choice saw."""
    entry = study.features.get(model.features or "")
    names = (
        sorted(backbone.name for backbone in entry.backbones)
        if isinstance(entry, DeepFeatures)
        else [str(model.features)]
    )
    comparison.hold("features of", " and ".join(names), " and ".join(sorted(paper.backbones)))
    if paper.conditions.features_fitted_on is not None:
        fitted = "all images" if "fitted_on_all" in study.division(protocol).leaks else "training images"
        comparison.hold("features fitted on", fitted, paper.conditions.features_fitted_on)


def _cell(row: Mapping[str, Any]) -> tuple[str, str, str, str, str]:
    return row["cohort"], row["task"], row["view"], row["protocol"], row["model"]


def _weights_of(facts: Mapping[str, Any]) -> list[str]:
    """What each trunk started from, as `model.json` has it, without digests."""
    networks = (facts.get("features") or {}).get("networks")
    texts = (
        [network["weights"] for network in networks] if networks else str(facts.get("weights", "")).split("; partner: ")
    )
    return [text.partition(" (sha256")[0] for text in texts]


def _kind_of(weights: str) -> str:
    """`random`, `imagenet` (ImageNet-1k with its labels: by timm's name for the weights, or by their package), or what
    it says."""
    if weights.startswith(PACKAGE) and package_of(weights)[0] in PACKAGES:
        return "imagenet"
    name, _, tag = weights.removeprefix("hub:").partition("@")[0].rpartition(".")
    if weights.startswith("hub:timm/") and name and tag.endswith("in1k") and not _OTHER_SETS.search(tag):
        return "imagenet"
    return weights or "not recorded"


def scalings_of(facts: Mapping[str, Any]) -> list[str]:
    """Names of the scalings of a model's inputs, by its `model.json`; none where that does not say."""
    networks = (facts.get("features") or {}).get("networks")
    if networks:
        parts = [network.get("input") for network in networks]
    elif "input" in facts:
        parts = list(facts["input"].values()) or [PRESETS["unit"].model_dump()]
    else:
        return []
    return [] if None in parts else sorted({_scaling_named(part) for part in parts})


def _scaling_named(scaling: Mapping[str, Any]) -> str:
    for name, preset in PRESETS.items():
        close = np.allclose(scaling["mean"], preset.mean, atol=1e-4) and np.allclose(
            scaling["sd"], preset.sd, rtol=1e-3
        )
        if close and scaling.get("channels", "rgb") == preset.channels:
            return name
    return f"mean {_said(tuple(scaling['mean']))}, sd {_said(tuple(scaling['sd']))}"


def _listed(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{key} {_said(values[key])}" for key in sorted(values)) or "none"


def _said(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(map(_said, value)) + "]"
    return str(value)
