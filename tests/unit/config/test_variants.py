"""Models on shares of the training images."""

import copy
from pathlib import Path

import pytest
import yaml

from leukoflow.config.families import shares_of
from leukoflow.config.load import parse_study
from leukoflow.core.errors import LeukoFlowError

SMOKE = yaml.safe_load((Path(__file__).parents[3] / "workflow/studies/smoke.yaml").read_text())


def study_config(**more: object) -> dict:
    study = copy.deepcopy(SMOKE)
    study["experiments"]["subtype"] |= more
    return study


def test_an_experiment_with_shares_has_twins_beside_its_models() -> None:
    study = parse_study(study_config(shares=[0.25, 0.5]))
    listed = study.experiments["subtype"].models
    assert listed[:3] == ("colour_histogram", "neurallnet", "resnet50_hmscam") and len(listed) == 9
    assert study.models["neurallnet_share25"].training.share == 0.25
    assert study.models["neurallnet"].training.share == 1 and study.models["neurallnet_share25"].training.epochs == 2
    known = shares_of(study.models)
    assert known["neurallnet_share25"] == ("neurallnet", 0.25) and known["neurallnet"] == ("neurallnet", 1.0)
    assert len(known) == 9 and "morphology" not in known


def test_shares_of_models_trained_alike_are_shares_of_their_twins() -> None:
    config = study_config(recipe="modern", shares=[0.125])
    config["recipes"] = {"modern": {"epochs": 3}}
    study = parse_study(config)
    twin = study.models["neurallnet_modern_share12_5"]
    assert twin.training.share == 0.125 and twin.training.epochs == 3 and twin.recipe == "modern"
    assert shares_of(study.models)["neurallnet_modern_share12_5"][0] == "neurallnet_modern"


def test_features_cannot_be_learnt_from_a_share() -> None:
    study = copy.deepcopy(SMOKE)
    study["experiments"]["features"]["shares"] = [0.5]
    with pytest.raises(LeukoFlowError, match=r"hybridcn_nas_32_share50.*training\.share.*all training images"):
        parse_study(study)


@pytest.mark.parametrize("shares", [[0.0], [1.0], ["half"], 0.5])
def test_shares_that_cannot_be_are_told(shares: object) -> None:
    with pytest.raises(LeukoFlowError, match="share"):
        parse_study(study_config(shares=shares))


def test_without_a_hub_all_that_names_one_starts_from_random_weights() -> None:
    config = study_config()
    backbones = [{"name": "convnext_atto", "weights": "hub:a/b@main"}]
    config["features"]["deep"] = {"kind": "deep", "backbones": backbones}
    pretrained = {"architecture": "resnet50_vit", "weights": "hub:a/b@main", "sha256": "0" * 64}
    config["models"]["pair"] = pretrained | {"options": {"partner": "resnet50"}, "partner": {"weights": "hub:a/c@main"}}
    config["models"]["filed"] = {"architecture": "resnet50", "weights": "kept.safetensors"}
    study = parse_study(config)
    assert study.models["pair"].weights == "hub:a/b@main" and study.features["deep"].backbones[0].weights
    alone = parse_study(config | {"hub": False})
    assert alone.models["pair"].weights is None and alone.models["pair"].sha256 is None
    assert alone.models["pair"].partner.weights is None and alone.features["deep"].backbones[0].weights is None
    assert alone.models["filed"].weights == "kept.safetensors"
    assert parse_study(alone.model_dump(exclude_unset=True)) == alone  # as study.json has it
