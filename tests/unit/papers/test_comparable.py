"""A run is comparable only if every condition of the paper is known and the same."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml

from leukoflow.config.conditions import NOT_SAID, Conditions
from leukoflow.config.inputs import PRESETS
from leukoflow.config.load import load_study, parse_study
from leukoflow.config.published import Paper, papers
from leukoflow.config.study import Study
from leukoflow.papers.comparable import GRADES, Comparison, Facts, _kind_of, compare, scalings_of
from leukoflow.papers.published import own_protocol

ROOT = Path(__file__).resolve().parents[3]
IMAGENET = PRESETS["imagenet"].model_dump()
HALVES = PRESETS["symmetric"].model_dump()
WEIGHTS = "hub:timm/resnet50.tv_in1k@main (sha256 0123456789ab)"
CONDITIONS: dict[str, Any] = {
    "view": "whole pictures", "same_views": ["plain"], "fit": "letterbox", "scale_bar": "painted out", "side": 224,
    "scaling": "imagenet", "weights": {"resnet50": "imagenet"}, "library": "timm", "split": "image", "stratified": True,
    "test": 0.1, "validation": 0.1, "epoch_chosen_on": "other images",
    "tests": {"kind": {"images": 10, "counts": {"a": 5, "b": 5}}}, "balance": "none", "loss": "cross_entropy",
    "optimiser": "adam", "learning_rate": 0.001, "batch_size": 16, "epochs": 20, "augmentation": {"rotation": 20},
}  # fmt: skip
NUMBER = {
    "key": "accuracy", "what": "accuracy", "metric": "accuracy", "value": 0.9, "where": "Table 1", "task": "kind",
    "dataset": "home", "protocol": "at random", "architecture": "resnet50",
}  # fmt: skip
ROW = {"cohort": "home", "task": "kind", "view": "plain", "protocol": "image", "model": "net", "size": "paper"}


def paper(number: dict | None = None, **conditions: Any) -> Paper:
    """A paper that says everything."""
    return Paper.model_validate(
        {
            "paper": "some", "system": "Some", "citation": "A. Author", "tasks": {"kind": 2},
            "architectures": ["resnet50"], "conditions": CONDITIONS | conditions,
            "datasets": {"home": {"name": "Home, 100 images", "images": 100}}, "numbers": [NUMBER | (number or {})],
        }
    )  # fmt: skip


def study(change: Callable[[dict], None] = lambda config: None) -> Study:
    """A study that does what the paper did, but for one change."""
    config: dict[str, Any] = {
        "study": "s", "cohorts": {"home": {"kind": "folder", "root": "/data"}, "away": {"kind": "synthetic"}},
        "tasks": {"kind": {"classes": ["a", "b"]}}, "views": {"plain": {"kind": "plain", "size": 224}},
        "models": {"net": {"architecture": "resnet50", "training": {"augmentation": {"rotation": 20}}}},
        "experiments": {"one": {"cohort": "home", "task": "kind", "models": ["net"]}},
    }  # fmt: skip
    change(config)
    return parse_study(config)


def facts(
    images: int = 100, tested: str = "aaaaabbbbb", bars: int = 3, aspect: float = 1.5, description: dict | None = None
) -> Facts:
    """What the runs of that study really were, but for one change."""
    model = {"weights": WEIGHTS, "input": {"trunk": IMAGENET}} | (description or {})
    rows = [("home", "images", "", images), ("home", "scale bars", "a", bars), ("home", "median aspect", "", aspect)]
    cohorts = pd.DataFrame(rows, columns=["cohort", "fact", "label", "measured"])
    split = pd.DataFrame({"label": list(tested), "role": "test", "fold": 0})
    split = pd.concat([split, pd.DataFrame({"label": ["a"] * 90, "role": "train", "fold": 0})], ignore_index=True)
    split["image_id"] = range(len(split))
    cell = ("home", "kind", "plain", "image", "net")
    return Facts({cell: model}, {cell[:2] + cell[3:4]: split}, cohorts)


def compared(
    config: Study | None = None, known: Facts | None = None, of: Paper | None = None, **row: str
) -> Comparison:
    of = of or paper()
    return compare(config or study(), of, of.numbers[0], ROW | row, known or facts())


def test_a_run_that_is_as_published_in_everything_is_comparable() -> None:
    comparison = compared()
    assert (comparison.differences, comparison.unsaid, comparison.grade) == ([], [], "yes")


def _set(section: str, *keys: str, to: Any) -> Callable[[dict], None]:
    def change(config: dict) -> None:
        node = config.setdefault(section, {})
        for key in keys[:-1]:
            node = node.setdefault(key, {})
        node[keys[-1]] = to

    return change


TRAINING = ("models", "net", "training")
FOREIGN = "mean 0.7 0.7 0.7"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (_set("views", "plain", "kind", to="masked"), "pictures: masked (published: whole pictures)"),
        (_set("views", "plain", "kind", to="normalised"), "pictures: normalised"),
        (_set("views", "plain", "size", to=112), "side of the pictures: 112 (published: 224)"),
        (_set("models", "net", "options", to={"x": 1}), "options: x 1 (published: none)"),
        (_set("splits", "folds", to=5), "divisions: 5 folds (published: one)"),
        (_set("splits", "validation", to=0.2), "share of validation images: 0.2 (published: 0.1)"),
        (_set(*TRAINING, "epochs", to=12), "most epochs: 12 (published: 20)"),
        (_set(*TRAINING, "epochs", to=40), "most epochs: 40 (published: 20)"),
        (_set(*TRAINING, "weighted_loss", to=True), "balance of the classes: weights (published: none)"),
        (_set(*TRAINING, "optimiser", to="adamw"), "optimiser: adamw (published: adam)"),
        (_set(*TRAINING, "learning_rate", to=0.01), "learning rate: 0.01 (published: 0.001)"),
        (_set(*TRAINING, "batch_size", to=32), "images in a batch: 32 (published: 16)"),
        (_set(*TRAINING, "loss", to={"kind": "focal"}), "loss: focal (published: cross_entropy)"),
        (_set(*TRAINING, "augmentation", to={}), "augmentation: none (published: rotation 20)"),
        (_set("models", "net", "recipe", to="modern"), "recipe modern (published: its own)"),
        (_set("models", "net", "self_supervised", to={}), "weights at the start: self-trained (published: imagenet)"),
        (_set("cohorts", "home", "kind", to="synthetic"), "cohort: home (published: Home, 100 images)"),
    ],
)  # fmt: skip
def test_each_difference_of_the_config_is_said(change: Callable[[dict], None], said: str) -> None:
    def changed(config: dict) -> None:
        config["recipes"] = {"modern": {}}
        change(config)
        if config["cohorts"]["home"]["kind"] == "synthetic":
            config["cohorts"]["home"].pop("root")

    comparison = compared(study(changed))
    assert comparison.grade == "no" and any(difference.startswith(said) for difference in comparison.differences), (
        comparison.differences
    )
    assert len(comparison.differences) == 1


@pytest.mark.parametrize(
    ("known", "said"),
    [
        (facts(images=76), "images in all: 76 (published: 100)"),
        (facts(images=99), "images in all: 99 (published: 100)"),
        (facts(tested="aaaaabbbbb" * 2), "test images: 20 (published: 10)"),
        (facts(tested="aaaaaaaabb"), "test images by class: a 8, b 2 (published: a 5, b 5)"),
        (facts(description={"weights": "random"}), "weights at the start: random (published: imagenet)"),
        (facts(description={"weights": "other.safetensors (sha256 0123)"}), "weights at the start: other.safetensors"),
        (
            facts(description={"weights": "hub:timm/resnet50.fb_ssl_yfcc100m_ft_in1k@main"}),
            "weights at the start: hub:timm/resnet50.fb_ssl_yfcc100m_ft_in1k@main (published: imagenet)",
        ),
        (facts(description={"input": {"trunk": HALVES}}), "scaling of the input: symmetric (published: imagenet)"),
        (facts(description={"input": {}}), "scaling of the input: unit (published: imagenet)"),
        (
            facts(description={"input": {"trunk": IMAGENET, "partner": HALVES}}),
            "scaling of the input: imagenet and symmetric (published: imagenet)",
        ),
    ],
)  # fmt: skip
def test_each_difference_of_what_a_run_was_is_said(known: Facts, said: str) -> None:
    told = compared(known=known)
    assert (
        told.grade == "no"
        and [difference for difference in told.differences if difference.startswith(said)] == told.differences
    )


@pytest.mark.parametrize(
    ("conditions", "said"),
    [
        ({"fit": "squeeze"}, "fit to a square: letterbox (published: squeeze)"),
        ({"scale_bar": "kept"}, "scale bars: painted out (published: kept)"),
        ({"library": "keras"}, "source of the weights: timm (published: keras)"),
        ({"stratified": False}, "classes kept in proportion: yes (published: no)"),
        ({"epoch_chosen_on": "the images reported"}, "epoch chosen on: other images (published: the images reported)"),
        ({"tests": {}, "test": 0.2}, "share of test images: 0.1 (published: 0.2)"),
        ({"balance": "weights and sampling"}, "balance of the classes: none (published: weights and sampling)"),
    ],
)
def test_what_a_paper_did_otherwise_is_said(conditions: dict, said: str) -> None:
    comparison = compared(of=paper(**conditions))
    assert (comparison.grade, comparison.differences) == ("no", [said])


def test_what_cannot_matter_is_no_difference() -> None:
    squeezed = paper(fit="squeeze", scale_bar="kept")
    assert compared(of=squeezed, known=facts(bars=0, aspect=0.992)).grade == "yes"
    near = paper(tests={"kind": {"images": 1000, "counts": {"a": 500, "b": 500}}})
    assert compared(of=near, known=facts(tested="ab" * 498)).grade == "yes"
    assert compared(of=near, known=facts(tested="ab" * 490)).grade == "no"


@pytest.mark.parametrize("key", [key for key in CONDITIONS if key not in ("same_views", "weights", "tests", "test")])
def test_what_a_paper_does_not_say_is_never_comparable(key: str) -> None:
    comparison = compared(of=paper(**{key: NOT_SAID}))
    assert (
        comparison.grade == ("no" if key == "view" and comparison.differences else "unclear")
        and len(comparison.unsaid) == 1
    )
    assert comparison.differences == []


def test_nothing_said_leaves_nothing_to_compare() -> None:
    silent = paper(**{key: NOT_SAID for key in CONDITIONS if key not in ("same_views", "weights", "tests")},
                   same_views=[], weights={}, tests={})  # fmt: skip
    comparison = compared(of=silent)
    assert comparison.grade == "unclear" and len(comparison.unsaid) == 18
    every = set(Conditions.model_fields) - {"same_views", "tests", "library", "features_fitted_on"}
    assert len(every) == 18


def test_what_a_run_did_not_record_is_not_comparable() -> None:
    older = facts()
    del older.models["home", "kind", "plain", "image", "net"]["input"]  # type: ignore[attr-defined]
    comparison = compared(known=older)
    assert (comparison.grade, comparison.unsaid) == ("unclear", ["scaling of the input (not recorded here)"])


@pytest.mark.parametrize(
    ("metric", "differences"),
    [("parameters", []), ("megabytes", []), ("seconds_per_image", ["another machine"]),
     ("gpu_memory_megabytes", ["another machine"])],
)  # fmt: skip
def test_costs_depend_on_the_network_and_the_machine_alone(metric: str, differences: list[str]) -> None:
    comparison = compared(of=paper({"metric": metric, "value": 1}, epochs=99, test=0.5), known=facts(images=3))
    assert comparison.differences == differences


def test_features_are_those_of_the_same_networks_on_the_same_images() -> None:
    config = yaml.safe_load((ROOT / "workflow/studies/paper.yaml").read_text())
    config["splits"] = {"test": 0.2}
    whole, of = parse_study(config), papers()["hybridcn_nas"]
    row = {"cohort": "taleqani", "task": "subtype", "view": "plain", "protocol": "image", "size": "paper"}
    comparison = compare(whole, of, of.number("accuracy"), row | {"model": "hybridcn_nas_2000"}, facts())
    assert "features fitted on: training images (published: all images)" in comparison.differences
    assert not any(
        difference.startswith(("features of", "most epochs", "learning rate")) for difference in comparison.differences
    )
    networks = [{"weights": f"hub:timm/{name}@main", "input": scaling} for name, scaling in
                (("convnext_large.fb_in1k", IMAGENET), ("nasnetalarge.tf_in1k", HALVES))]  # fmt: skip
    assert scalings_of({"features": {"networks": networks}}) == ["imagenet", "symmetric"]
    assert scalings_of({"features": {"networks": [{"weights": "random"}]}}) == []


def test_weights_of_a_listed_package_are_of_imagenet() -> None:
    assert _kind_of("package:efficientnet_lite0-pytorch.model==0.1.0") == "imagenet"
    assert _kind_of("package:some-model==1.0") == "package:some-model==1.0"


def test_the_study_of_the_papers_as_it_stands_is_not_comparable() -> None:
    """A tenth of the images against 3,418; a plain view against isolated cells; other weights; other scaling."""
    whole = load_study(ROOT / "workflow/studies/paper.yaml")
    cases = [
        ("cnn_vit", "inception", "pbc", "cell8", "inceptionv3_vit", "test images: 547 (published: 3,418)"),
        ("cnn_vit", "inception", "pbc", "cell8", "inceptionv3_vit", "source of the weights: timm (published: keras)"),
        ("cnn_vit", "inception", "pbc", "cell8", "inceptionv3_vit", "scaling of the input: symmetric (published: unit"),
        ("cnn_vit", "inception", "pbc", "cell8", "inceptionv3_vit", "images in all: 5,469 (published: 17,092)"),
        ("hmscam", "accuracy", "taleqani", "subtype", "resnet50_hmscam", "pictures: plain (published: cells isolated"),
        ("hmscam", "accuracy", "taleqani", "subtype", "resnet50_hmscam", "images in all: 2,609 (published: 3,256)"),
    ]
    for name, key, cohort, task, model, said in cases:
        cell = (cohort, task, "plain", "image", model)
        weights = {"weights": "hub:timm/inception_v3.tv_in1k@main", "input": {"trunk": HALVES}}
        rows = [("pbc", "images", "", 5469), ("taleqani", "images", "", 2609), ("pbc", "median aspect", "", 0.992)]
        split = pd.DataFrame({"label": "ig", "role": "test", "fold": 0, "image_id": range(547)})
        measured = pd.DataFrame(rows, columns=["cohort", "fact", "label", "measured"])
        known = Facts({cell: weights}, {(cohort, task, "image"): split}, measured)
        row = dict(zip(("cohort", "task", "view", "protocol", "model"), cell, strict=True)) | {"size": "paper"}
        comparison = compare(whole, papers()[name], papers()[name].number(key), row, known)
        assert comparison.grade == "no" and any(difference.startswith(said) for difference in comparison.differences), (
            comparison.differences
        )


def test_every_grade_is_defined_once() -> None:
    assert set(GRADES) == {"yes", "unclear", "no"}


def under(protocol: str) -> Facts:
    """The same facts of a run under another protocol."""
    known = facts()
    models = {(*cell[:3], protocol, cell[4]): description for cell, description in known.models.items()}
    return Facts(models, {(*cell[:2], protocol): split for cell, split in known.splits.items()}, known.cohorts)


def test_a_protocol_with_the_papers_leak_is_as_published_and_its_twin_is_not() -> None:
    of = paper(validation=0, epoch_chosen_on="the images reported")
    assert compared(known=under("leaky_hmscam"), of=of, protocol="leaky_hmscam").differences == []
    assert compared(known=under("hmscam"), of=of, protocol="hmscam").differences == [
        "share of validation images: 0.08 (published: 0)",
        "epoch chosen on: other images (published: the images reported)",
    ]
    copied = compared(known=under("leaky_vgg19_mhsa_expanded"), protocol="leaky_vgg19_mhsa_expanded").differences
    assert "changed copies of held-out images trained on (augmented_before_validation)" in copied
    assert "classes kept in proportion: no (published: yes)" in copied


def test_the_papersown_protocol_is_taken_where_it_was_run() -> None:
    of = paper().model_copy(update={"paper": "hmscam"})
    for names, expected in (
        (["image", "hmscam", "leaky_hmscam", "five_folds"], "leaky_hmscam"),
        (["image", "hmscam", "five_folds"], "hmscam"),
        (["image", "five_folds"], "image"),
        (["five_folds"], ""),
    ):
        assert own_protocol(of, pd.DataFrame({"protocol": names})) == expected
