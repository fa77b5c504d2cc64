"""The workflow as a whole: every rule complete, every study plannable, mistakes told in one line."""

import re
import resource
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest
import yaml
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, ResourceSettings, StorageSettings

from leukoflow.config.features import DeepFeatures
from leukoflow.outputs.figures import FIGURES
from leukoflow.outputs.files import FILES
from leukoflow.outputs.reference import columns_of
from leukoflow.outputs.tables import PARTS_OF, TABLES, tables_of

from .conftest import ON_A_GPU, ROOT, Project, clone, commands_of, environment, messages_of, processor_seconds

pytestmark = pytest.mark.workflow

STUDIES = [
    pytest.param(path.name, marks=pytest.mark.slow) if path.name == "paper.yaml" else path.name
    for path in sorted((ROOT / "workflow/studies").glob("*.yaml"))
]
STAGES = ("Decoding", "Gathering the manifest", "Looking for duplicates", "Splitting", "Auditing", "Rendering")
STAGES += ("Training", "Scoring", "Gathering the tables", "Drawing", "Writing the report")
RULES = sorted((ROOT / "workflow/rules").glob("*.smk"))


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project's files, with nothing run."""
    return clone(tmp_path_factory.mktemp("fresh"))


@pytest.fixture(scope="module")
def rules() -> dict:
    """The parsed rules by name."""
    with SnakemakeApi(OutputSettings(dryrun=True)) as api:
        workflow = api.workflow(
            ResourceSettings(cores=1),
            config_settings=ConfigSettings(configfiles=[ROOT / "workflow/studies/smoke.yaml"]),
            storage_settings=StorageSettings(),
            snakefile=ROOT / "Snakefile",
            workdir=ROOT,
        )._workflow
        return {rule.name: rule for rule in workflow.rules}


def listed(path: str) -> list[str]:
    """What the catalogue has for a path below a study's folder: names of tables and figures, paths of files."""
    folder, _, rest = path.partition("/")
    if folder == "tables":
        return [spec.name for spec in TABLES if rest == f"{spec.name}.csv"]
    if folder == "figures" and "/" not in rest:
        return [spec.name for spec in FIGURES if rest.split(".")[0] == spec.name]
    if folder == "figures":
        path = str(Path(path).with_suffix(".png"))
    gathered = re.fullmatch(r"parts/(\w+)/[^/]+/(\w+)\.csv", path)
    if gathered and gathered[1] in PARTS_OF and gathered[2] in tables_of(gathered[1]):
        return [gathered[2]]
    return [spec.path for spec in FILES if spec.pattern.fullmatch(path)]


def test_every_output_is_in_the_reference_of_results(rules: dict) -> None:
    missing, steps = [], {}
    examples = {"shard": "000", "figure": "roc", "table": "leaderboard"}
    for rule in rules.values():
        for output in map(str, rule.output):
            path = re.sub(r"\{(\w+)[^}]*\}", lambda match: examples.get(match[1], "x"), output)
            if not path.startswith("results/"):
                continue
            entries = listed(path.split("/", 2)[2])
            missing += [output] if len(entries) != 1 else []
            for name in entries:
                steps.setdefault(name, set()).update(re.findall(r"leukoflow\.steps\.(\w+)", rule.shellcmd))
    assert not missing
    drawn = ("cohorts/COHORT/images/CLASS/IMAGE.jpg", "cohorts/COHORT/masks/CLASS/IMAGE.png")
    assert {spec.path for spec in FILES if spec.step not in steps.get(spec.path, ())} == set(drawn)


def test_columns_of_files_are_those_of_the_reference(project: Project) -> None:
    names = {spec.name: spec for spec in TABLES} | {spec.path: spec for spec in FILES}
    compared = set()
    for path in sorted(project.results.rglob("*")):
        name = path.relative_to(project.results).as_posix()
        if not path.is_file() or name.startswith(".resume/"):
            continue
        entries = listed(name)
        assert len(entries) == 1, (path, entries)
        spec = names.get(entries[0])
        if spec is None or not spec.columns or path.suffix not in (".csv", ".parquet") or name.startswith("figures/"):
            continue
        is_csv = path.suffix == ".csv"
        written = list(pd.read_csv(path, nrows=1).columns) if is_csv else pq.read_schema(path).names
        assert written == columns_of(spec.columns, spec.name), path
        compared.add(spec.name)
    assert {"scores", "leaderboard", "cohorts/manifest", "cells/images", "runs/predictions", "masks/index"} <= compared


def test_every_rule_is_complete(rules: dict) -> None:
    assert len(rules) > 15
    for name, rule in rules.items():
        if name == "all":
            continue
        assert rule.log, name
        assert rule.benchmark, name
        assert rule.message, name
        assert rule.conda_env, name
        assert {"mem_mb", "runtime"} <= set(rule.resources), name
        # Fetching has no fingerprint: no edit of the code should download gigabytes again.
        assert name in ("fetch", "fetch_weights") or "code" in dict(rule.params.items()), name
    assert {name for name, rule in rules.items() if "gpu" in set(rule.resources)} == ON_A_GPU


def test_memory_and_time_grow_with_every_attempt(rules: dict) -> None:
    for name, rule in rules.items():
        if name != "all":
            for kind in ("mem_mb", "runtime"):
                amount = rule.resources[kind]._value
                assert amount(None, attempt=2) == 2 * amount(None, attempt=1) > 0, (name, kind)


def test_rule_files_hold_no_lambda_no_checkpoint_no_folder_as_input() -> None:
    for path in RULES:
        text = path.read_text()
        assert not re.search(r"\blambda\b|^checkpoint|directory\(", text, re.MULTILINE), path


def test_lint_and_format_are_clean(fresh: Project) -> None:
    done = fresh.snakemake("--lint")
    assert done.returncode == 0 and "good condition" in done.stdout, done.stdout
    snakefmt = [str(Path(sys.executable).parent / "snakefmt"), "--check", "Snakefile", "workflow"]
    done = subprocess.run(snakefmt, cwd=fresh.folder, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("study", STUDIES)
def test_every_study_plans_jobs_of_every_stage(fresh: Project, study: str, monkeypatch, tmp_path: Path) -> None:
    for folder in ("taleqani/Original", "hosseini_samples", "zheng_wbc/images", "bcisc/images", "pbc"):
        (tmp_path / folder).mkdir(parents=True)
    (tmp_path / "zheng_wbc/labels.csv").write_text("image ID,class label\n1,2\n")
    monkeypatch.setenv("LEUKOFLOW_DATA", str(tmp_path))
    done = fresh.snakemake("--dry-run", "--printshellcmds", config=f"workflow/studies/{study}")
    messages = messages_of(done)
    settings = yaml.safe_load((ROOT / "workflow/studies" / study).read_text())
    elsewhere = any(experiment.get("external") for experiment in settings["experiments"].values())
    for stage in (*STAGES, *(["Predicting"] if elsewhere else [])):
        assert any(message.startswith(stage) for message in messages), stage
    # Samples do not stand for the cohort that they are from: it is downloaded where local images are set, too.
    downloads = [message for message in messages if message.startswith("Downloading cohort")]
    assert downloads == (["Downloading cohort hosseini"] if study == "paper.yaml" else [])
    # The kernel takes no argument of more than 128 KiB, and a job's command is one.
    assert 100 < max(map(len, commands_of(done))) < 100_000


@pytest.mark.parametrize(("study", "downloads"), [("taleqani", 1), pytest.param("paper", 3, marks=pytest.mark.slow)])
def test_without_local_images_a_study_plans_its_downloads_and_leaves_out_the_rest(
    fresh: Project, monkeypatch: pytest.MonkeyPatch, study: str, downloads: int
) -> None:
    monkeypatch.delenv("LEUKOFLOW_DATA", raising=False)
    done = fresh.snakemake("--dry-run", config=f"workflow/studies/{study}.yaml")
    messages = messages_of(done)
    assert sum(message.startswith("Downloading cohort") for message in messages) == downloads
    assert sum(message.startswith("Unpacking") for message in messages) == downloads
    for name in ("zheng_wbc", "bcisc"):
        assert f"Cohort {name} is left out: its folder ${{LEUKOFLOW_DATA}}/{name}" in done.stdout
        assert not any(name in message for message in messages)


def test_the_default_study_is_the_demo(fresh: Project) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "snakemake", "--cores", "2", "--dry-run"],
        cwd=fresh.folder, env=environment(), capture_output=True, text=True,
    )  # fmt: skip
    assert "results/demo/report.html" in done.stdout + done.stderr
    assert "Nothing to be done" not in done.stdout + done.stderr


def test_a_mistyped_key_stops_with_one_line(fresh: Project) -> None:
    config = yaml.safe_load((fresh.folder / "tiny.yaml").read_text())
    config["modles"] = config.pop("models")
    (fresh.folder / "wrong.yaml").write_text(yaml.safe_dump(config))
    done = fresh.snakemake("--dry-run", config="wrong.yaml")
    assert done.returncode != 0
    assert "modles: unknown key; did you mean 'models'?" in done.stdout
    assert "Traceback" not in done.stdout


def test_a_key_that_stands_twice_stops_with_one_line(fresh: Project) -> None:
    lines = (fresh.folder / "tiny.yaml").read_text().splitlines()
    (fresh.folder / "wrong.yaml").write_text("\n".join([*lines, f"study: {fresh.folder.name}", ""]))
    done = fresh.snakemake("--dry-run", config="wrong.yaml")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert f"wrong.yaml, line {len(lines) + 1}: study stands twice in its section; keep one" in done.stdout


def test_a_missing_folder_or_variable_stops_with_one_line(fresh: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    config = yaml.safe_load((fresh.folder / "tiny.yaml").read_text())
    monkeypatch.delenv("NOWHERE", raising=False)
    for root, message in (("/no/such/folder", "does not exist"), ("${NOWHERE}/x", "NOWHERE is not set")):
        config["cohorts"]["demo"] = {"kind": "folder", "root": root}
        (fresh.folder / "wrong.yaml").write_text(yaml.safe_dump(config))
        done = fresh.snakemake("--dry-run", config="wrong.yaml")
        assert done.returncode != 0 and message in done.stdout
        assert "Traceback" not in done.stdout


def test_an_unknown_architecture_stops_with_one_line(fresh: Project) -> None:
    config = yaml.safe_load((fresh.folder / "tiny.yaml").read_text())
    config["models"]["neurallnet"]["architecture"] = "neuralnet"
    (fresh.folder / "wrong.yaml").write_text(yaml.safe_dump(config))
    done = fresh.snakemake("--dry-run", config="wrong.yaml")
    assert done.returncode != 0 and "architecture 'neuralnet' does not exist; known: " in done.stdout


def test_an_edited_entry_is_listed_again_wherever_the_study_is_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, away = clone(tmp_path / "clone"), tmp_path / "away"
    away.mkdir()
    for name in ("monocyte", "neutrophil"):
        (tmp_path / "data/pbc" / name).mkdir(parents=True)
        shutil.copy(ROOT / "docs/planted.png", tmp_path / "data/pbc" / name / "1.png")
    monkeypatch.setenv("LEUKOFLOW_DATA", str(tmp_path / "data"))
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    config["cohorts"]["demo"] = {"entry": "pbc"}
    (project.folder / "named.yaml").write_text(yaml.safe_dump(config))
    listing = "results/tiny/cohorts/demo/listing.parquet"
    arguments, options = (listing, "--directory", str(away)), {"config": str(project.folder / "named.yaml")}
    assert project.snakemake(*arguments, **options).returncode == 0
    assert pd.read_parquet(away / listing)["label"].tolist() == ["monocyte", "neutrophil"]
    assert project.planned(*arguments, **options) == []
    with project.edited("src/leukoflow/config/entries/pbc.yaml", "    monocyte: monocyte\n", "    monocyte: mono\n"):
        assert project.planned(*arguments, **options) == ["Listing the images of demo"]


def test_groups_by_features_and_an_adapted_segmenter_are_planned(fresh: Project) -> None:
    """Features come before groups, and without a stack one position will do; the adapted segmenter finds the cells."""
    study = yaml.safe_load((fresh.folder / "tiny.yaml").read_text())
    pooled = {"kind": "deep", "backbones": [{"name": "resnet18"}], "grid": 1, "stack": "none"}
    study["features"]["pooled"] = pooled
    study["quality"] = {"deep": {"features": "pooled", "view": "plain"}}
    study["segmentation"] |= {"adapt": {"cohort": "demo_ext"}, "compared_gates": ["none"]}
    (fresh.folder / "linked.yaml").write_text(yaml.safe_dump(study))
    done = fresh.snakemake("--dry-run", "--printshellcmds", config="linked.yaml")
    commands = commands_of(done)
    (grouping,) = (command for command in commands if "steps.group_images" in command)
    cohorts = re.findall(r"--cohort (\w+)", grouping)
    assert re.findall(r"features/(\w+)\.plain\.pooled/matrix\.json", grouping) == cohorts
    assert {"demo", "demo_ext", "masks_home", "masks_away"} <= set(cohorts)
    extracting = [shlex.split(command) for command in commands if "steps.deep_features" in command]
    assert len(extracting) >= len(cohorts)
    for words in extracting:
        DeepFeatures.model_validate_json(words[words.index("--settings") + 1])
    finding = [command for command in commands if "steps.segment " in command]
    assert finding and all("segmenters/adapted/weights" in command for command in finding)
    (adapting,) = (command for command in commands if "steps.adapt_segmenter" in command)
    assert "cohorts/demo_ext/files.parquet" in adapting and "masks/demo_ext" not in adapting
    scored = {"all", "adapted", "gates_none"}
    assert scored == {name for command in commands for name in re.findall(r"segmenters/(\w+)/scores.csv", command)}


def test_weights_and_pretraining_are_jobs_of_the_models_that_ask_for_them(fresh: Project, tmp_path: Path) -> None:
    config = yaml.safe_load((fresh.folder / "tiny.yaml").read_text())
    config["models"]["neurallnet"]["self_supervised"] = {"epochs": 1}
    config["models"]["resnet50_hmscam"]["weights"] = "hub:owner/name@v1"
    (fresh.folder / "started.yaml").write_text(yaml.safe_dump(config))
    messages = fresh.planned(config="started.yaml")
    run = "on demo, view plain, patient split, fold 0, seed 42"
    assert [message for message in messages if "retrain" in message] == [f"Pretraining neurallnet without labels {run}"]
    assert [message for message in messages if "weights" in message] == ["Downloading weights owner-name-v1"]
    config["models"]["resnet50_hmscam"]["weights"] = str(tmp_path / "none.safetensors")
    (fresh.folder / "wrong.yaml").write_text(yaml.safe_dump(config))
    done = fresh.snakemake("--dry-run", config="wrong.yaml")
    assert done.returncode != 0 and "models.resnet50_hmscam.weights: there is no file" in done.stdout
    assert "Traceback" not in done.stdout


@pytest.mark.parametrize("profile", ["default", "slurm", "slurm-gres"])
def test_profiles_are_read(profile: str) -> None:
    settings = yaml.safe_load((ROOT / f"profiles/{profile}/profile.yaml").read_text())
    assert settings["rerun-incomplete"] is True
    if profile == "slurm-gres":
        assert all(settings["set-resources"][rule] == {"gpu": 0, "gres": "gpu:1"} for rule in ON_A_GPU)
        assert set(settings["set-resources"]) == ON_A_GPU


@pytest.mark.parametrize("profile", ["slurm", "slurm-gres"])
def test_short_jobs_go_together_on_a_cluster(profile: str, rules: dict) -> None:
    """Figures do, and what a third try of a job asks for is allowed; one that is not would stop everything."""
    settings = yaml.safe_load((ROOT / f"profiles/{profile}/profile.yaml").read_text())
    together, most = settings["groups"], settings["resources"]["mem_mb"]
    assert set(together.values()) == set(settings["group-components"])
    assert set(together) - set(rules) == set()
    assert "figure" in together
    assert not set(together) & ON_A_GPU
    for name in together:
        assert rules[name].resources["mem_mb"]._value(None, attempt=1 + settings["retries"]) <= most, name


def test_a_million_images_are_planned_in_half_a_minute(fresh: Project, tmp_path: Path) -> None:
    config = yaml.safe_load((fresh.folder / "tiny.yaml").read_text())
    (tmp_path / "Benign").mkdir()
    config["cohorts"]["demo"] = {"kind": "folder", "root": str(tmp_path), "images": 1_000_000}
    config["experiments"]["subtype"] |= {"external": [], "protocols": ["image", "acquisition"]}
    (fresh.folder / "million.yaml").write_text(yaml.safe_dump(config))
    before = processor_seconds()
    done = fresh.snakemake("--dry-run", "--printshellcmds", config="million.yaml")
    assert done.returncode == 0, done.stdout[-2000:]
    assert processor_seconds() - before < 30
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss < 2_000_000  # KiB, the largest child so far
    commands = commands_of(done)
    assert 10_000 < max(map(len, commands)) < 100_000
    for step in ("describe_images", "compare_images"):
        assert sum(f"leukoflow.steps.{step} " in command for command in commands) == 10
    (gathering,) = (command for command in commands if "leukoflow.steps.group_images " in command)
    assert gathering.count("quality/compared/") == 10


def test_images_compared_by_several_jobs_give_the_pairs_of_one(tmp_path: Path) -> None:
    """A small study has one job; parts that are done are not done again."""
    project, tables = clone(tmp_path / "parts"), ("duplicates", "groups")
    study = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    (project.folder / "cut.yaml").write_text(yaml.safe_dump(study | {"quality": {"parts": 3}}))
    folder, compared = project.results / "quality", {}
    target = "results/tiny/quality/groups.parquet"
    planned = project.planned(target)
    assert not [message for message in planned if message.startswith(("Describing part", "Comparing part"))]
    first = project.snakemake("results/tiny/quality/compared/001.npz", "--notemp", config="cut.yaml")
    assert first.returncode == 0, first.stdout
    planned = [message for message in project.planned(target, config="cut.yaml") if "part" in message]
    assert sorted(planned) == [f"Comparing part {part} of the images with all" for part in ("000", "002")]
    for config in ("cut.yaml", "tiny.yaml"):
        done = project.snakemake(target, config=config)
        assert done.returncode == 0, done.stdout
        compared[config] = [pd.read_parquet(folder / f"{table}.parquet") for table in tables]
        assert not list(folder.glob("described/*.np*"))
    for cut, whole in zip(*compared.values(), strict=True):
        pd.testing.assert_frame_equal(cut, whole)
    assert len(compared["cut.yaml"][0]) > 0


def test_an_unlocked_folder_is_left_alone_and_a_stale_lock_is_removed(tmp_path: Path) -> None:
    project = clone(tmp_path / "stale")
    script = ROOT / "workflow/unlock_stale.py"
    shutil.copy(project.folder / "tiny.yaml", project.folder / "config.yaml")
    locks = project.folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.output.lock").write_text(str(project.folder / "results/tiny/report.html"))
    done = subprocess.run(
        [sys.executable, str(script)], cwd=project.folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not list(locks.glob("*"))


def test_the_picture_of_the_rules_shows_what_the_demo_study_runs() -> None:
    command = [sys.executable, "-m", "snakemake", "--rulegraph"]
    printed = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True).stdout
    labels = set(re.findall(r'label = "(\w+)', printed))
    picture = (ROOT / "docs/rules.svg").read_text()
    assert labels == set(re.findall(r"<text[^>]*>(\w+)</text>", picture)) and {"fit_stain", "train"} <= labels
