"""Protocols: what the ready ones are, what names say, which is the strictest, and which runs follow."""

from typing import Any

import pytest

from leukoflow.config.load import parse_study
from leukoflow.config.models import Model
from leukoflow.config.plan import checked_runs, exported_runs, runs_of
from leukoflow.config.protocols import in_order, leak_twins, ready, strictest, touches
from leukoflow.config.splits import Division, Splits
from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.outputs.plan import Plan


def study(protocols: list[str], defined: dict[str, Any] | None = None, **experiment: Any) -> Study:
    return parse_study(
        {
            "study": "some",
            "cohorts": {"home": {"kind": "synthetic"}},
            "tasks": {"subtype": {"classes": ["Benign", "Early", "Pre", "Pro"]}},
            "views": {"plain": {"kind": "plain"}},
            "splits": {"folds": 3, "validation": 0.2, "seed": 5},
            "protocols": defined or {},
            "features": {"deep": {"kind": "deep", "backbones": [{"name": "one"}, {"name": "two"}]}},
            "models": {
                "colour_histogram": {"architecture": "colour_histogram"},
                "neurallnet": {"architecture": "neurallnet"},
                "hybrid": {"architecture": "hybridcn_nas", "features": "deep"},
            },
            "experiments": {
                "main": {
                    "cohort": "home",
                    "task": "subtype",
                    "protocols": protocols,
                    "models": ["colour_histogram", "neurallnet"],
                    **experiment,
                }
            },
        }
    )


def test_ready_protocols_are_those_of_the_papers() -> None:
    """Shares of training, validation and test images, as the papers and their code have them."""
    shares = {
        name: (division.test, division.validation) for name, division in ready().items() if division.test_images is None
    }
    assert shares["leaky_hmscam"] == shares["leaky_hybridcn_nas"] == shares["leaky_cnn_vit"] == (0.2, 0)
    assert shares["neurallnet"] == (0.1, 0.1) and ready()["neurallnet"].seed == 42
    assert shares["hybridcn_nas_three"] == (0.15, 0.15) and shares["cnn_vit_three"] == (0.2, 0.1)
    assert ready()["vgg19_mhsa"].test_images == 100 and ready()["vgg19_mhsa"].validation == 0.1
    assert (ready()["five_folds"].folds, ready()["five_folds"].groups) == (5, "acquisition")
    leaky = {name for name, division in ready().items() if division.leaks}
    assert leaky == {name for name in ready() if name.startswith("leaky_")}
    assert not any(ready()[name].stratified for name in ("hybridcn_nas", "leaky_hybridcn_nas", "cnn_vit"))


def test_names_are_ordered_by_what_they_keep_together_and_leaks_come_first() -> None:
    names = [
        "patient",
        "five_folds",
        "image",
        "leaky_patient_b",
        "acquisition",
        "hmscam",
        "duplicate",
        "blocks_b",
    ]
    right = [
        "leaky_patient_b",
        "image",
        "hmscam",
        "duplicate",
        "blocks_b",
        "acquisition",
        "five_folds",
        "patient",
    ]
    assert in_order(names) == in_order(reversed(names)) == right
    assert strictest(["leaky_patient_b", "hmscam"]) == "hmscam"
    assert strictest(["leaky_patient_b", "leaky_hmscam"]) == "leaky_patient_b"
    with pytest.raises(LeukoFlowError, match="'somehow' is no name of a protocol"):
        in_order(["somehow"])


@pytest.mark.parametrize(
    ("defined", "message"),
    [
        ({"image": {}}, r"protocols\.image: this name is taken"),
        ({"hospital": {"groups": "patient"}}, r"hospital: its name must begin .* call it patient_hospital$"),
        ({"hmscam_b": {"groups": "patient"}}, r"call it patient_hmscam_b$"),
        ({"image_b": {"leaks": ["fitted_on_all"]}}, r"image_b: it has leaks, .* call it leaky_image_b$"),
        ({"leaky_image_b": {}}, r"it has no leaks, .* call it image_b$"),
        ({"hmscam_b": {"entry": "hmscan"}}, r"protocols\.hmscam_b\.entry: 'hmscan' is not .*did you mean 'hmscam'"),
        ({"image_b": {"validation": 0}}, r"validation: 0 leaves no images to choose an epoch on"),
        ({"image_b": {"test_images": 9, "folds": 2}}, "test_images is for a single hold-out"),
        ({"image_b": {"test_images": 9, "stratified": False}}, "stratified: false does not go with it"),
        ({"image_b": {"leaks": ["peeking"]}}, r"protocols\.image_b\.leaks\.0"),
        ({"image_b": {"test": 0.7, "validation": 0.3}}, "leave nothing to train on"),
    ],
)
def test_mistakes_are_told(defined: dict[str, Any], message: str) -> None:
    with pytest.raises(LeukoFlowError, match=message):
        study(["image"], defined)


def test_entries_are_written_out_and_old_names_are_as_section_splits_says() -> None:
    made = study(["image", "hmscam", "hmscam_seed7"], {"hmscam_seed7": {"entry": "hmscam", "seed": 7}})
    assert made.division("hmscam_seed7") == ready()["hmscam"].model_copy(update={"seed": 7})
    assert made.division("image") == Division(groups="image", folds=3, validation=0.2, seed=5)
    assert Study.model_validate_json(made.model_dump_json(exclude_unset=True)) == made


def test_each_protocol_has_folds_of_its_own() -> None:
    made = study(["image", "hmscam", "five_folds"], seeds=[1, 2])
    runs = runs_of(made, "main")
    counts = {
        name: len({run.fold for run in runs if run.protocol == name}) for name in ("image", "hmscam", "five_folds")
    }
    assert counts == {"image": 3, "hmscam": 1, "five_folds": 5} and len(runs) == (3 + 1 + 5) * 2 * 2


def test_a_protocol_with_leaks_is_neither_checked_nor_exported_while_there_is_another() -> None:
    made = study(["leaky_hmscam", "image", "hmscam"])
    assert {run.protocol for run in checked_runs(made, "robustness")} == {"hmscam"}
    assert {run.protocol for run in exported_runs(made).values()} == {"hmscam"}
    assert {run.protocol for run in exported_runs(study(["leaky_hmscam"])).values()} == {"leaky_hmscam"}


def test_checks_can_be_under_the_papers_own_protocol() -> None:
    made = study(["neurallnet", "five_folds"], checked_under="neurallnet")
    assert {run.protocol for run in checked_runs(made, "explain")} == {"neurallnet"}
    assert {run.protocol for run in exported_runs(made).values()} == {"five_folds"}
    with pytest.raises(LeukoFlowError, match=r"checked_under: 'five_fold' is not one of .*did you mean 'five_folds'"):
        study(["neurallnet", "five_folds"], checked_under="five_fold")


def test_copies_of_pictures_do_not_go_with_features() -> None:
    with pytest.raises(LeukoFlowError, match=r"leaky_vgg19_mhsa_expanded trains on changed copies .* hybrid reads"):
        study(["leaky_vgg19_mhsa_expanded"], models=["neurallnet", "hybrid"])


def test_leaks_touch_what_they_can() -> None:
    network, colours = Model(architecture="neurallnet"), Model(architecture="colour_histogram")
    hybrid = Model(architecture="hybridcn_nas", features="deep")
    reached = {
        leak: [touches(leak, model) for model in (network, colours, hybrid)]
        for leak in ("fitted_on_all", "validation_as_test", "augmented_before_split")
    }
    assert reached["fitted_on_all"] == [False, False, True]
    assert reached["validation_as_test"] == [True, False, True]
    assert reached["augmented_before_split"][:2] == [True, True]


def test_twins_differ_in_their_leaks_alone() -> None:
    defined = {
        "leaky_hybridcn_nas_fitted": ready()["hybridcn_nas"].model_copy(update={"leaks": ("fitted_on_all",)}),
        "leaky_image_seed": Division(seed=1, leaks=("validation_as_test",)),
    }
    names = ["cnn_vit", "hybridcn_nas", "leaky_hybridcn_nas_fitted", "leaky_hybridcn_nas", "image", "leaky_image_seed"]
    twins = leak_twins(defined, names, Splits())
    # Both papers divide alike; the one whose name begins alike goes first. Other shares or seeds make no twin.
    assert twins == {"leaky_hybridcn_nas_fitted": ["hybridcn_nas", "cnn_vit"]}


def test_what_is_compared_was_run_under_both_and_can_be_touched() -> None:
    defined = {"leaky_neurallnet_reported": {"entry": "neurallnet", "leaks": ["validation_as_test"]}}
    plan = Plan(study(["neurallnet", "leaky_neurallnet_reported"], defined), {})
    pair = ("home", "subtype")
    assert plan.leak_pairs(pair) == {
        "leaky_neurallnet_reported": {
            "against": "neurallnet", "leaks": ["validation_as_test"], "models": ["neurallnet"],
        }
    }  # fmt: skip
    assert {(run.protocol, run.model) for run in plan.leak_runs(pair)} == {
        ("neurallnet", "neurallnet"),
        ("leaky_neurallnet_reported", "neurallnet"),
    }
