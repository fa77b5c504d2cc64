"""The config: the studies that ship are valid, mistakes are told by key, schema and reference page are up to date."""

import copy
import json
import re
import subprocess
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel, ValidationError

from leukoflow.config import reference
from leukoflow.config.errors import members, nearest
from leukoflow.config.features import DeepFeatures
from leukoflow.config.load import load_study, parse_study
from leukoflow.config.models import METRICS, Model
from leukoflow.config.plan import all_runs, runs_of, words_of
from leukoflow.config.study import Study
from leukoflow.config.tasks import Task
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.stats import leaderboard

ROOT = Path(__file__).resolve().parents[3]
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "workflow/studies").glob("*.yaml"))]
SMOKE = yaml.safe_load((ROOT / "workflow/studies/smoke.yaml").read_text())


def sections(model: type[BaseModel] = Study) -> set[type[BaseModel]]:
    models = {model}
    for field in model.model_fields.values():
        for member in members(field.annotation):
            models |= sections(member)
    return models


def changed(path: str, value: object) -> dict:
    """The smoke study with one key set (or removed, for `...`)."""
    config = copy.deepcopy(SMOKE)
    *parents, last = path.split(".")
    section = config
    for part in parents:
        section = section.setdefault(part, {})
    if value is ...:
        del section[last]
    else:
        section[last] = value
    return config


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_studies_that_ship_are_valid(path: Path) -> None:
    study = load_study(path)
    assert study.study == ("demo" if path.name == "config.yaml" else path.stem)
    # What the audit finds where the shortcut is known is a test of the audit; its probes are the baseline there.
    assert path.stem == "planted" or all(
        "colour_histogram" in experiment.models for experiment in study.experiments.values()
    )


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.name)
def test_what_is_left_out_of_a_config_can_be_left_out_of_its_json(path: Path) -> None:
    study = load_study(path)
    short = study.model_dump_json(exclude_unset=True)
    assert Study.model_validate_json(short).model_dump_json() == study.model_dump_json()
    assert len(short) < 0.6 * len(study.model_dump_json())


def test_the_shell_opens_the_words_of_runs() -> None:
    product = [Run("home", "kind", "plain", "image", "net", fold, seed) for fold in range(2) for seed in (5, 42)]
    runs = [*product, Run("home", "kind", "plain", "image", "other", 0, 7)]
    ragged = [Run("home", "kind", "grey", "image", "net", *pair) for pair in ((0, 1), (0, 2), (1, 3))]
    words = words_of([*runs, *ragged])
    assert "net.fold{0,1}.seed{5,42} home.kind.plain.image.other.fold0.seed7 " in words and words.count("grey") == 3
    opened = subprocess.run(["bash", "-c", f"echo {words}"], capture_output=True, text=True, check=True).stdout.split()
    assert opened == [run.name for run in [*runs, *ragged]] and words_of([]) == ""


def test_models_trained_alike_are_twins_of_their_own_name() -> None:
    config = changed("recipes", {"modern": {"epochs": 3, "augmentation": {"rotation": 10}}})
    config["experiments"]["alike"] = config["experiments"]["features"] | {"recipe": "modern"}
    study = parse_study(config)
    names = ("colour_histogram", "hybridcn_nas_32_modern", "hybridcn_nas_64_modern", "morphology_modern")
    assert study.experiments["alike"].models == names
    assert study.experiments["features"].models[1] == "hybridcn_nas_32"
    model, twin = study.models["hybridcn_nas_32"], study.models["hybridcn_nas_32_modern"]
    assert model.training.epochs == 4 and twin.training.epochs == 3 and twin.recipe == "modern"
    assert twin.training.augmentation.rotation == 0  # it reads features
    assert model.model_copy(update={"training": twin.training, "recipe": "modern"}) == twin
    # A resolved study is read again as it is.
    assert parse_study(study.model_dump(mode="json")) == study
    config["experiments"]["alike"]["recipe"] = "moderm"
    with pytest.raises(LeukoFlowError, match=r"alike\.recipe: 'moderm'.*modern"):
        parse_study(config)


def test_a_twin_has_no_published_figures_and_is_the_reference_in_its_models_place() -> None:
    config = changed("models.neurallnet.published.subtype", {"accuracy": 0.98, "mcc": -0.1})
    config["recipes"] = {"modern": {"epochs": 3}}
    config["experiments"]["subtype"]["reference"] = "neurallnet"
    config["experiments"]["alike"] = config["experiments"]["subtype"] | {"recipe": "modern"}
    config["experiments"]["colours"] = config["experiments"]["alike"] | {"reference": "colour_histogram"}
    study = parse_study(config)
    references = {name: experiment.reference for name, experiment in study.experiments.items()}
    assert references["subtype"] == "neurallnet" and references["alike"] == "neurallnet_modern"
    assert references["colours"] == "colour_histogram" and references["shortcuts"] is None
    assert study.models["neurallnet"].published == {"subtype": {"accuracy": 0.98, "mcc": -0.1}}
    assert study.models["neurallnet_modern"].published == {}
    assert parse_study(study.model_dump(mode="json")) == study
    config["experiments"]["alike"]["reference"] = "resnet50"
    with pytest.raises(LeukoFlowError, match=r"experiments\.alike\.reference: 'resnet50' is not one of its models"):
        parse_study(config)


def test_published_figures_are_those_of_the_leaderboard() -> None:
    assert list(leaderboard.METRICS.values()) == list(METRICS)


def test_the_demo_is_the_default_study() -> None:
    assert (ROOT / "workflow/studies/demo.yaml").read_text() == (ROOT / "config.yaml").read_text()


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (
            "experiments.subtype.protocols",
            ["laboratory"],
            r"subtype\.protocols: laboratory leaves out one laboratory of several, and demo is one; name",
        ),
        ("cohorts.both.cohorts", ["demo", "demo"], r"cohorts\.both.*one cohort is named twice"),
        ("cohorts.both.cohorts", ["demo", "demo_exd"], r"both\.cohorts: 'demo_exd' is not in section cohorts; did you"),
        ("cohorts.both.cohorts", ["demo", "both"], r"both\.cohorts: both is pooled itself; name the cohorts"),
        (
            "experiments.laboratories.external",
            ["demo_ext"],
            r"laboratories\.external: demo_ext is the training cohort \(a part of both\)",
        ),
        ("modles", {}, r"modles: unknown key; did you mean 'models'\?"),
        (
            "models.neurallnet.training.balance",
            "weights",
            r"training\.balance: there is weighted_loss and weighted_sampling now; use these",
        ),
        ("evaluation.stress", {"images": 9}, r"evaluation\.stress: is now called evaluation\.robustness; rename it"),
        ("experiments.subtype.checks", ["stress"], r"checks\.0: stress is now called robustness; rename it"),
        ("cohorts.demo.imagse", 5, r"cohorts\.demo\.imagse: unknown key; did you mean 'images'\?"),
        ("cohorts.demo.faults.corupt", 0.1, r"cohorts\.demo\.faults\.corupt: unknown key; did you mean 'corrupt'\?"),
        ("models.neurallnet.training.epoch", 3, r"models\.neurallnet\.training\.epoch: .*did you mean 'epochs'\?"),
        ("models.neurallnet.training.epochs", 0, r"training\.epochs: .*greater than or equal to 1 \(given: 0\)"),
        ("models.neurallnet.training.epochs", "many", r"epochs: .*valid integer.*\(given: 'many'\)"),
        ("models.neurallnet.weights", "hub:timm/some", r"models\.neurallnet\.weights: .*hub:REPOSITORY@REVISION"),
        ("models.neurallnet.weights", "package:some", r"models\.neurallnet\.weights: .*package:NAME==VERSION"),
        ("models.neurallnet.weights", "package:some==1 --x", r"neurallnet\.weights: .*package:NAME==VERSION"),
        ("models.neurallnet.sha256", "0" * 64, r"models\.neurallnet: sha256 is the digest of weights; name them"),
        ("models.morphology.weights", "some", r"models\.morphology: weights is for networks that read pictures"),
        ("models.colour_histogram.self_supervised", {}, r"self_supervised is .*remove it from colour_histogram"),
        ("features.hybrid.backbones", [{"name": "a", "weights": "hub:b"}] * 2, r"weights: .*hub:REPOSITORY@REVISION"),
        ("views.plain.kind", "plian", r"views\.plain\.kind: .*'plain', 'normalised'.*\(given: 'plian'\)"),
        ("cohorts.demo.kind", "syntetic", r"cohorts\.demo: .*'synthetic', 'folder', 'download'"),
        ("cohorts.demo", {"kind": "folder", "root": "/", "imagse": 5}, r"cohorts\.demo\.imagse: .*mean 'images'\?"),
        ("cohorts.demo", {"kind": "folder", "root": "/", "folder": 5}, r"cohorts\.demo\.folder: .*string \(given: 5\)"),
        ("cohorts.demo.size", 8, r"cohorts\.demo\.size: .*32 \(given: 8\)"),
        ("study", ..., r"study: is required"),
        ("study", "My Study", r"study: .*pattern"),
        ("tasks.subtype.classes", ["One"], r"tasks\.subtype\.classes: .*at least 2"),
        ("tasks.subtype.classes", ["A", "A"], r"tasks\.subtype: .*differ"),
        ("tasks.subtype.labels", {"Early": "Erly"}, r"tasks\.subtype: .*Erly"),
        ("experiments.subtype.cohort", "dmeo", r"\.cohort: 'dmeo' is not in section cohorts; did you mean 'demo'"),
        ("experiments.subtype.models", ["neuralnet"], r"subtype\.models: 'neuralnet'.*did you mean 'neurallnet'\?"),
        ("experiments.subtype.reference", "neuralnet", r"\.reference: 'neuralnet' .*did you mean 'neurallnet'\?"),
        ("models.neurallnet.published.subtype", {"acuracy": 0.9}, r": 'acuracy' .*did you mean 'accuracy'\?"),
        ("models.neurallnet.published.subtype", {"accuracy": 98.2}, r": accuracy must lie in 0 to 1, not 98\.2"),
        ("models.neurallnet.published.subtype", {"macro_auc": -0.1}, r": macro_auc must lie in 0 to 1, not -0\.1"),
        ("models.neurallnet.published.subtype", {"kappa": -1.1}, r"published: kappa must lie in -1 to 1, not -1\.1"),
        ("models.neurallnet.published", {"subtipe": {"kappa": 1}}, r"published: 'subtipe' is not in section tasks"),
        ("experiments.subtype.external", ["demo"], r"external: demo is the training cohort itself"),
        ("experiments.subtype.protocols", ["hmscan"], r"protocols: 'hmscan' is not .*did you mean 'hmscam'\?"),
        ("splits", {"test": 0.6, "validation": 0.5}, r"splits: .*nothing to train on"),
        ("evaluation.resamples", 1e9, r"evaluation\.resamples: .*100000"),
    ],
)  # fmt: skip
def test_mistakes_are_told_by_key_in_one_line(path: str, value: object, message: str) -> None:
    with pytest.raises(LeukoFlowError, match=message) as caught:
        parse_study(changed(path, value), "my.yaml")
    assert str(caught.value).startswith("my.yaml: ")
    assert "\n" not in str(caught.value)


def test_several_mistakes_are_told_together() -> None:
    config = changed("modles", {})
    config["views"]["plain"]["sise"] = 3
    with pytest.raises(LeukoFlowError, match="sise.*modles|modles.*sise"):
        parse_study(config)


def test_a_file_that_is_no_yaml_or_empty_is_named(tmp_path: Path) -> None:
    for text in ("a: [", "", "- list"):
        (tmp_path / "study.yaml").write_text(text)
        with pytest.raises(LeukoFlowError, match=r"study\.yaml"):
            load_study(tmp_path / "study.yaml")
    with pytest.raises(LeukoFlowError, match=r"none\.yaml"):
        load_study(tmp_path / "none.yaml")


def test_every_section_is_closed_and_every_key_explained() -> None:
    for section in sections():
        assert section.model_config.get("extra") == "forbid", section
        assert section.model_config.get("frozen"), section
        assert section.__doc__, section
        silent = [name for name, field in section.model_fields.items() if not field.description]
        assert silent == [], section


def test_schema_and_reference_page_are_up_to_date() -> None:
    for name, made in (("schema.json", reference.schema()), ("README.md", reference.page())):
        assert (ROOT / "config" / name).read_text() == made, f"config/{name} is out of date: run make docs"


def test_the_schema_agrees_with_the_models() -> None:
    schema = json.loads(reference.schema())
    assert schema["additionalProperties"] is False
    assert set(schema["properties"]) == set(Study.model_fields)
    for name, part in schema["$defs"].items():
        if part["type"] == "object":
            assert part["additionalProperties"] is False, name


def test_the_reference_page_names_every_key_with_its_range() -> None:
    page = reference.page()
    for section in sections():
        part = page.split(f"## {section.__name__}\n")[1].split("\n## ")[0]
        for name in section.model_fields:
            assert f"| `{name}` |" in part
    assert re.search(r"\| `images` \| whole number, at least 4 \| `240` \|", page)


def test_nearest_lists_what_is_known_where_nothing_is_near() -> None:
    assert nearest("xyz", ["alpha", "beta"]) == "; known: alpha, beta"
    assert nearest("alhpa", ["alpha", "beta"]) == "; did you mean 'alpha'?"


def test_labels_are_mapped_by_name() -> None:
    task = Task(classes=("benign", "malignant"), labels={"Benign": "benign", "Pro": "malignant", "Early": "malignant"})
    assert [task.class_of(label) for label in ("Pro", "Benign", "Early", "Pre", None)] == [1, 0, 1, None, None]
    assert Task(classes=("B", "A")).class_of("A") == 1


def test_a_task_joins_the_classes_of_another() -> None:
    subtype = Task(classes=("Benign", "Early", "Pre", "Pro"))
    labels = {"Pre": "malignant", "Pro": "malignant", "Benign": "benign", "Early": "malignant"}
    binary = Task(classes=("malignant", "benign"), labels=labels)
    assert subtype.collapsed_to(binary) == (1, 0, 0, 0)
    assert binary.collapsed_to(subtype) is None and subtype.collapsed_to(subtype) is None
    del labels["Pro"]
    assert subtype.collapsed_to(Task(classes=("malignant", "benign"), labels=labels)) is None
    # A class whose labels part ways cannot be joined.
    task = Task(classes=("a", "b", "c"), labels={"x": "a", "y": "a", "z": "b", "v": "c"})
    assert task.collapsed_to(Task(classes=("p", "q"), labels={"x": "p", "y": "q", "z": "q", "v": "q"})) is None
    assert task.collapsed_to(Task(classes=("p", "q"), labels={"x": "p", "y": "p", "z": "q", "v": "q"})) == (0, 1, 1)


def test_runs_are_the_product_of_the_axes_and_listed_once() -> None:
    config = changed("experiments.again", SMOKE["experiments"]["subtype"] | {"external": [], "seeds": [42, 43]})
    config["splits"]["folds"] = 3
    study = parse_study(config)
    assert len(runs_of(study, "subtype")) == 1 * 2 * 3 * 3 * 1
    runs = all_runs(study)
    # By laboratory the cohort says how many folds there are.
    assert len(runs) == 18 * 2 + 9 + 12 + 2 * 2
    name = "demo.subtype.plain.patient.neurallnet.fold2.seed42"
    targets = {run.name: cohorts for run, cohorts in runs.items()}
    assert targets[name] == ["demo", "demo_ext"]
    assert targets[name.replace("seed42", "seed43")] == ["demo"]


def keys(value: object, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    """Paths of all keys of a resolved study, lists' entries left out."""
    if not isinstance(value, dict):
        return []
    return [(*path, key) for key in value] + [deeper for key in value for deeper in keys(value[key], (*path, key))]


NAMED_BY_USERS = ("cohorts", "tasks", "views", "features", "models", "recipes", "experiments")


def test_every_key_of_a_study_broken_is_one_line_that_names_it() -> None:
    """An object where a value belongs, and text where an object does."""
    whole = json.loads(parse_study(SMOKE).model_dump_json())
    broken = 0
    for path in keys(whole):
        config = copy.deepcopy(whole)
        section = config
        for part in path[:-1]:
            section = section[part]
        free = isinstance(section[path[-1]], dict) and path[-1] in (
            "labels",
            "joined",
            "options",
            "expected",
            "published",
        )
        section[path[-1]] = (
            ["none", {"of": "these"}] if isinstance(section[path[-1]], dict) else {"no such": {"thing": 1}}
        )
        try:
            parse_study(config)
        except LeukoFlowError as error:
            broken += 1
            text = str(error)
            assert "\n" not in text and "Traceback" not in text
            named = path if path[-1] not in NAMED_BY_USERS else path[:1]
            assert ".".join(named[:2]) in text or named[-1] in text, (path, text)
        else:
            assert free, path
    assert broken > 300


def test_attention_over_one_position_is_refused_and_not_the_default() -> None:
    backbones = [{"name": "one"}, {"name": "two"}]
    assert DeepFeatures(kind="deep", backbones=backbones).grid > 1
    with pytest.raises(ValidationError, match=r"grid: 1 leaves the attention .* set grid to 2 or more, or stack to"):
        DeepFeatures(kind="deep", backbones=backbones, grid=1)
    for stack in ("as_coded", "none"):
        assert DeepFeatures(kind="deep", backbones=backbones, grid=1, stack=stack).grid == 1


@pytest.mark.parametrize("path", sorted((ROOT / "workflow/studies").glob("*.yaml")), ids=lambda path: path.stem)
def test_shipped_features_attend_to_positions(path: Path) -> None:
    for entry in load_study(path).features.values():
        assert entry.kind != "deep" or entry.grid > 1


def test_a_partner_needs_its_option_and_digests_their_weights() -> None:
    with pytest.raises(ValidationError, match=r"partner is for a second trunk; name its network in options.partner"):
        Model(architecture="inceptionv3_vit", partner={"weights": "hub:a/b@c"})
    options = {"partner": "resnet50"}
    with pytest.raises(ValidationError, match="sha256 is the digest of weights"):
        Model(architecture="inceptionv3_vit", options=options, partner={"sha256": "0" * 64})
    with pytest.raises(ValidationError, match="input_scaling is for networks that read pictures"):
        Model(architecture="hybridcn_nas", features="some", input_scaling="unit")
    Model(architecture="inceptionv3_vit", options=options, partner={"weights": "hub:a/b@c"})


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ("imagnet", r"input should be 'weights', .*'caffe', 'keras' or 'keras_unit' \(given: 'imagnet'\)"),
        ({"mean": [0, 0, 0], "sd": [1, 1, 0]}, None),
        ({"mean": [0, 0, 0]}, None),
    ],
)
def test_a_wrong_scaling_is_told_by_its_key(value: object, words: str | None) -> None:
    key = r"x.yaml: models.resnet50_hmscam.input_scaling"
    words = words or (r"\.sd\.2: input should be greater than 0" if "sd" in value else r"\.sd: is required")
    with pytest.raises(LeukoFlowError, match=rf"^{key}(: )?{words}") as error:
        parse_study(changed("models.resnet50_hmscam.input_scaling", value), "x.yaml")
    assert "|" not in str(error.value) and "\n" not in str(error.value)


def test_classes_and_labels_are_brought_to_one_form() -> None:
    task = Task.model_validate({"classes": ["Be\u0301nin ", "\u00a0Pro"], "labels": {"b ": "B\u00e9nin", "p": "Pro\t"}})
    assert task.classes == ("B\u00e9nin", "Pro") and task.labels == {"b": "B\u00e9nin", "p": "Pro"}
    assert task.class_of("b") == 0


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ({"classes": ["a", "a "]}, "classes must differ"),
        ({"classes": ["a", " \u200b"]}, "must not be empty"),
        ({"classes": ["a", "b"], "labels": {"x": "a", "x ": "b"}}, "'x ' and 'x' are one name"),
        ({"classes": ["a", "\ud800"]}, "half of a character"),
    ],
)
def test_names_that_are_none_are_told(task: dict, words: str) -> None:
    with pytest.raises(LeukoFlowError, match=words) as failure:
        parse_study(changed("tasks", {"subtype": task}))
    assert "tasks.subtype" in str(failure.value)


def test_laboratories_that_are_absent_leave_the_pool() -> None:
    folder = {"kind": "folder", "root": "${LEUKOFLOW_NOWHERE}/x", "optional": True}
    config = changed("cohorts.third", folder)
    config["cohorts"]["both"] = {"kind": "pooled", "cohorts": ["demo", "demo_ext", "third"]}
    study = parse_study(config)
    assert study.laboratories("both") == ("demo", "demo_ext") and study.folds("both", "laboratory") == 2
    assert study.images_of("both") == 96 + 24 and study.laboratories("demo") == ()
    config["cohorts"]["both"] = {"kind": "pooled", "cohorts": ["demo", "third"]}
    with pytest.raises(LeukoFlowError, match=r"cohorts\.both.*cohorts.*at least 2 items"):
        parse_study(config)


def test_a_class_that_no_label_leads_to_is_named() -> None:
    with pytest.raises(ValidationError, match=r"no label leads to \['b'\]; labels must name every label"):
        Task(classes=("a", "b"), labels={"x": "a"})
    assert Task(classes=("a", "b")).labels == {}
