"""Models that a sweep or an ablation makes of others."""

import copy
import json
from pathlib import Path

import pytest
import yaml

from leukoflow.config.changes import label
from leukoflow.config.load import parse_study
from leukoflow.config.plan import runs_of
from leukoflow.config.published import papers
from leukoflow.core.errors import LeukoFlowError
from leukoflow.papers.published import counterparts

SMOKE = yaml.safe_load((Path(__file__).parents[3] / "workflow/studies/smoke.yaml").read_text())


def study_config(experiment: str = "features", **more: object) -> dict:
    study = copy.deepcopy(SMOKE)
    study["experiments"][experiment] |= more
    return study


def test_a_sweep_puts_a_variant_in_place_of_a_model_for_each_combination() -> None:
    rates, optimisers = [0.01, 0.00001], ["adam", "rmsprop"]
    study = parse_study(
        study_config(
            models=["colour_histogram", "neurallnet"],
            sweep={"training.learning_rate": rates, "training.optimiser": optimisers},
        )
    )
    listed = study.experiments["features"].models
    assert listed == (
        "colour_histogram",
        "neurallnet_learning_rate_0_01_optimiser_adam",
        "neurallnet_learning_rate_0_01_optimiser_rmsprop",
        "neurallnet_learning_rate_0_00001_optimiser_adam",
        "neurallnet_learning_rate_0_00001_optimiser_rmsprop",
    )
    last = study.models[listed[-1]]
    assert (last.training.learning_rate, last.training.optimiser, last.training.epochs) == (1e-5, "rmsprop", 2)
    assert last.variant is not None and last.variant.of == "neurallnet"
    assert last.variant.values == {"training.learning_rate": 1e-5, "training.optimiser": "rmsprop"}
    assert study.models["neurallnet"].training.learning_rate == 0.001 and not study.models["neurallnet"].variant


def test_a_sweep_of_features_makes_entries_that_variants_share() -> None:
    sweep = {"features.selection.method": ["fcq", "lasso"], "options.features": [8, 16]}
    study = parse_study(study_config(models=["hybridcn_nas_32"], sweep=sweep))
    variants = [study.models[name] for name in study.experiments["features"].models]
    assert [variant.features for variant in variants] == ["hybrid_method_fcq"] * 2 + ["hybrid_method_lasso"] * 2
    assert [variant.options["features"] for variant in variants] == [8, 16, 8, 16]
    entry = study.features["hybrid_method_lasso"]
    assert (entry.selection.method, entry.selection.features, entry.kind) == ("lasso", 64, "deep")
    assert study.features["hybrid"].selection.method == "mid"


def test_an_entry_that_has_the_values_already_is_read_itself() -> None:
    study = parse_study(study_config(models=["hybridcn_nas_32"], sweep={"features.selection.method": ["mid", "fcq"]}))
    read = [study.models[name].features for name in study.experiments["features"].models]
    assert read == ["hybrid", "hybrid_method_fcq"]


def test_an_ablation_trains_beside_the_model_and_on_views_in_an_experiment_of_its_own() -> None:
    ablation = {
        "without_attention": {"features.attention": False},
        "without_masks": {"view": "normalised"},
        "one_trunk": {"features.backbones": [{"name": "convnext_atto"}], "options.features": 16},
    }
    study = parse_study(study_config(models=["colour_histogram", "hybridcn_nas_32"], ablation=ablation, external=[]))
    experiment = study.experiments["features"]
    assert experiment.models == (
        "colour_histogram",
        "hybridcn_nas_32",
        "hybridcn_nas_32_without_attention",
        "hybridcn_nas_32_one_trunk",
    )
    made = study.experiments["features_without_masks"]
    assert (made.views, made.models, made.part_of) == (
        ("normalised",),
        ("colour_histogram", "hybridcn_nas_32"),
        "features",
    )
    assert (made.protocols, made.checks, made.reference) == (experiment.protocols, (), None)
    assert study.features[study.models["hybridcn_nas_32_without_attention"].features].attention is False
    trunk = study.features[study.models["hybridcn_nas_32_one_trunk"].features]
    assert [backbone.name for backbone in trunk.backbones] == ["convnext_atto"]
    assert {run.view for run in runs_of(study, "features_without_masks")} == {"normalised"}


@pytest.mark.parametrize(
    "more",
    [
        {"sweep": {"training.learning_rate": [0.1, 0.2], "features.selection.method": ["fcq", "mid"]}},
        {
            "ablation": {
                "no_attention": {"features.attention": False, "view": "normalised"},
                "slow": {"training.epochs": 9},
            }
        },
    ],
)
def test_a_resolved_study_is_resolved_to_itself(more: dict) -> None:
    study = parse_study(study_config(models=["colour_histogram", "hybridcn_nas_32"], **more))
    again = parse_study(json.loads(study.model_dump_json()))
    assert again == study
    assert parse_study(json.loads(study.model_dump_json(exclude_unset=True))) == study


def test_names_say_the_values() -> None:
    assert label({"training.loss.gamma": 0.5, "options.modules": ["msca", "csa"]}) == "gamma_0_5_modules_msca_csa"
    assert label({"a.rate": 1e-5, "b.rate": -2.0}) == "a_rate_0_00001_b_rate_minus2"
    assert label({"options.modules": [], "training.clip": None}) == "modules_none_clip_none"
    assert label({"training.schedule": {"kind": "cosine"}}) == "schedule_kind_cosine"


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (
            {"sweep": {"training.learning_rat": [1]}},
            "experiments.features.sweep: 'training.learning_rat'.*learning_rate",
        ),
        ({"sweep": {"trainin.epochs": [1]}}, "'trainin.epochs'.*'training'"),
        ({"sweep": {"architecture": ["a"]}}, "no key that can be changed"),
        ({"sweep": {"training.epochs": 3}}, "must be a list of values"),
        ({"sweep": {"training.epochs": []}}, "must be a list of values"),
        (
            {"sweep": {"training.epochs": [*range(1, 9)], "training.batch_size": [*range(2, 11)]}},
            "8 x 9 = 72 combinations",
        ),
        ({"sweep": {"training.epochs": [2, 2]}}, "one name"),
        ({"sweep": {"training.epochs": [0]}}, r"models.hybridcn_nas_32_epochs_0.training.epochs"),
        ({"sweep": {"training.epochs": [2]}, "shares": [0.5]}, "sweep and shares cannot go together"),
        ({"sweep": {"features.selection.method": ["fqc"]}}, "hybrid_method_fqc.*selection.method"),
        ({"ablation": {"No": {"training.epochs": 2}}}, "ablation.No: a name has"),
        ({"ablation": {"less": {}}}, "ablation.less: must be keys"),
        ({"ablation": {"less": {"view": "nowhere"}}}, "experiments.features_less.views: 'nowhere'"),
        ({"ablation": {"less": {"training.size": 2}}}, "'training.size' is no key"),
    ],
)
def test_what_cannot_be_changed_is_one_line(more: dict, message: str) -> None:
    with pytest.raises(LeukoFlowError, match=message):
        parse_study(study_config(models=["hybridcn_nas_32"], **more))


def test_names_that_exist_are_not_taken() -> None:
    study = study_config(models=["hybridcn_nas_32"], sweep={"training.epochs": [7]})
    study["models"]["hybridcn_nas_32_epochs_7"] = study["models"]["neurallnet"]
    with pytest.raises(LeukoFlowError, match="a model hybridcn_nas_32_epochs_7 already"):
        parse_study(study)
    study = study_config(models=["neurallnet"], sweep={"features.attention": [True]})
    with pytest.raises(LeukoFlowError, match="neurallnet: the model reads no entry of section features"):
        parse_study(study)
    study = study_config(models=["hybridcn_nas_32"], ablation={"less": {"view": "normalised"}})
    study["experiments"]["features_less"] = study["experiments"]["shortcuts"]
    with pytest.raises(LeukoFlowError, match="an experiment features_less already"):
        parse_study(study)


def test_models_trained_alike_are_swept_from_their_recipe_on() -> None:
    config = study_config(
        "subtype", recipe="modern", reference=None, sweep={"training.loss": [{"kind": "focal", "gamma": 0.5}]}
    )
    config["recipes"] = {"modern": {"epochs": 3}}
    study = parse_study(config)
    assert study.experiments["subtype"].models[1] == "neurallnet_modern_loss_kind_focal_gamma_0_5"
    variant = study.models["neurallnet_modern_loss_kind_focal_gamma_0_5"]
    assert (variant.training.epochs, variant.training.loss.gamma, variant.recipe) == (3, 0.5, "modern")
    assert parse_study(json.loads(study.model_dump_json())) == study


def test_a_variant_stands_for_a_published_number_after_the_model_itself() -> None:
    number = next(published for published in papers()["hybridcn_nas"].numbers if published.key == "accuracy")
    config = study_config(models=["a"], sweep={"training.epochs": [4]})
    config["models"]["a"] = {**config["models"]["hybridcn_nas_32"], "options": {"features": 2000}}
    config["experiments"]["whole"] = {**config["experiments"]["features"], "models": ["z"], "sweep": {}}
    study = parse_study(config | {"models": config["models"] | {"z": {**config["models"]["a"], "recipe": "modern"}}})
    names = [name for name in counterparts(study, number) if study.models[name].options == {"features": 2000}]
    assert names == ["a", "z", "a_epochs_4"]
