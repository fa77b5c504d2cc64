"""The catalogue of outputs: it agrees with the code that it names, and finds the panels of a study."""

import subprocess
from importlib import import_module
from pathlib import Path

import pytest
import yaml

from leukoflow.config.load import load_study, parse_study
from leukoflow.config.plan import file_words
from leukoflow.models import registry
from leukoflow.outputs.figures import CAPTIONS, FIGURES, caption_of, figures_of, settings_of
from leukoflow.outputs.plan import PARTS, Plan
from leukoflow.outputs.sections import TITLES
from leukoflow.outputs.tables import NAMES, PARTS_OF, TABLES, tables_of
from leukoflow.report.page import SECTIONS

ROOT = Path(__file__).resolve().parents[3]
STUDIES = [ROOT / "config.yaml", *sorted((ROOT / "workflow/studies").glob("*.yaml"))]


def plan_of(path: Path) -> Plan:
    study = load_study(path)
    return Plan(study, {name: f"/images/{name}" for name in study.cohorts})


def test_names_are_there_once_and_sections_exist() -> None:
    assert len(NAMES) == len(set(NAMES)) and len(CAPTIONS) == len(FIGURES)
    assert {spec.section for spec in (*FIGURES, *TABLES)} <= set(TITLES)
    # A section without a builder of its own has something that is shown as it is.
    assert set(TITLES) - set(SECTIONS) <= {spec.section for spec in (*FIGURES, *TABLES) if spec.shown}
    for spec in TABLES:
        assert spec.kind in PARTS_OF or (ROOT / f"src/leukoflow/steps/{spec.kind}.py").exists(), spec
    assert all(tables_of(kind) for kind in PARTS_OF)


@pytest.mark.parametrize("spec", FIGURES, ids=lambda spec: spec.name)
def test_every_figure_has_its_function(spec) -> None:
    module, _, function = spec.draw.partition(".")
    assert callable(getattr(import_module(f"leukoflow.figures.{module}"), function))


@pytest.mark.parametrize("path", STUDIES, ids=lambda path: path.stem)
def test_figures_of_every_study_say_where_they_are_from(path: Path) -> None:
    plan = plan_of(path)
    drawn = figures_of(plan)
    assert "leaderboard" in drawn and len(drawn) > 5
    for name, (spec, panel) in drawn.items():
        assert name == ".".join((spec.name, *panel))
        files = [file for files in spec.reads(plan, panel).values() for file in files]
        assert files and all(file.startswith(plan.results) for file in files), name
        parts = ["model"] if spec.name == "architecture" else list(PARTS[len(panel)])
        assert list(settings_of(plan, spec, panel)["panel"]) == parts
        caption = caption_of(name, 0.9)
        assert "{" not in caption and "95 %" not in caption and (not panel or panel[0] in caption), caption


def test_panels_of_the_smoke_study() -> None:
    plan = plan_of(ROOT / "workflow/studies/smoke.yaml")
    asked = yaml.safe_load((ROOT / "workflow/studies/smoke.yaml").read_text())["experiments"]
    panels = {
        (experiment["cohort"], experiment["task"], view, protocol)
        for experiment in asked.values()
        for view in experiment["views"]
        for protocol in experiment["protocols"]
    }
    assert set(plan.panels) == panels
    assert plan.module_panels and set(plan.module_panels) <= set(plan.robustness_panels) <= panels
    assert all(len(PARTS_OF[kind](plan)) for kind in PARTS_OF)


def test_an_experiment_of_the_baseline_alone_is_examined() -> None:
    study = yaml.safe_load((ROOT / "workflow/studies/smoke.yaml").read_text())
    study["experiments"] = {
        "one": study["experiments"]["subtype"] | {"models": ["colour_histogram"], "reference": None}
    }
    study["export"] = {"models": []}
    plan = Plan(parse_study(study), dict.fromkeys(study["cohorts"], "/images"))
    assert plan.network_panels == [] and plan.main_panels == plan.panels
    names = {spec.name for spec, _ in figures_of(plan).values()}
    assert "confusion" in names and not names & {"roc", "learning", "comparison", "critical_difference"}


def test_the_registry_knows_which_networks_have_modules() -> None:
    for name in registry.names():
        assert registry.has_modules(name) == bool(registry.spec(name).modules), name


def test_the_registry_knows_which_models_attend() -> None:
    for name in registry.names():
        assert registry.attends(name) == bool(registry.spec(name).attends or registry.spec(name).modules), name
        assert registry.attends_features(name) == registry.spec(name).attends_features, name


def test_words_of_files_expand_to_the_files() -> None:
    run = "results/s/runs/a.b.c.image.{}.fold{}.seed{}/history.csv"
    files = [run.format(model, fold, seed) for model in "xy" for fold in range(3) for seed in (1, 5)]
    files += [run.format("z", 0, 1), run.format("z", 1, 2), "results/s/tables/scores.csv"]
    words = file_words(f"histories={file}" for file in files)
    done = subprocess.run(["bash", "-c", f"printf '%s\\n' {words}"], capture_output=True, text=True, check=True)
    assert sorted(done.stdout.split()) == sorted(f"histories={file}" for file in files)
    assert len(words.split()) == 5
