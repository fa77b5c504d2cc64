"""A real run, and what is run again after a change."""

import copy
import hashlib
import json
import re
import shutil
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pandas as pd
import pytest
import yaml

from leukoflow.core.provenance import verify
from leukoflow.outputs.tables import NAMES

from .conftest import Project, processor_seconds

# The first test waits for the whole run of the study.
pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1800)]

DOWNSTREAM = (
    "Scoring", "Comparing", "Testing the models", "Auditing shortcuts", "Changing test images", "Deriving the gate",
    "Holding", "Judging", "Explaining", "Showing unknown images", "Measuring calibration", "Measuring robustness",
    "Measuring the networks", "Measuring what", "Gathering accuracy", "Gathering the explanations",
    "Gathering the tests", "Gathering the shortcut audit", "Gathering the tables", "Gathering what",
    "Making table", "Drawing", "Writing the report", "Recording where",
)  # fmt: skip


def trained(messages: list[str]) -> list[str]:
    return [message for message in messages if message.startswith("Training")]


def test_a_run_ends_in_a_whole_results_folder(project: Project) -> None:
    page = (project.results / "report.html").read_text()
    assert not re.search(r'(src|href)="https?://', page)
    assert {path.stem for path in (project.results / "tables").glob("*.csv")} == set(NAMES)
    board = pd.read_csv(project.results / "tables/leaderboard.csv")
    assert board["model"].tolist()[0] == "colour_histogram"
    assert set(board["model"]) == {"colour_histogram", "neurallnet", "resnet50_hmscam"}
    for figure in (project.results / "figures").glob("*.png"):
        assert figure.with_suffix(".svg").exists() and figure.with_suffix(".csv").exists()
    assert verify(project.results) == []
    assert not list((project.results / ".resume").glob("*"))
    assert not list(project.results.rglob(".*.tmp"))


def test_predictions_have_one_schema_and_are_probabilities(project: Project) -> None:
    files = sorted(project.results.glob("runs/*/predictions/*.parquet"))
    assert len(files) == 6
    columns = {tuple(pd.read_parquet(file).columns) for file in files}
    assert len(columns) == 1
    for file in files:
        table = pd.read_parquet(file)
        probabilities = pd.DataFrame(table["probabilities"].tolist())
        assert probabilities.shape[1] == 4 and (probabilities.sum(axis=1) - 1).abs().max() < 1e-5
        assert set(table["role"]) == ({"external"} if file.stem == "demo_ext" else {"validation", "test"})
        assert (table["perturbation"] == "none").all() and table["image_id"].is_unique


def test_rejected_images_are_named(project: Project) -> None:
    rejects = pd.read_csv(project.results / "cohorts/demo/rejects.csv")
    manifest = pd.read_parquet(project.results / "cohorts/demo/manifest.parquet")
    assert len(rejects) == 1 and len(manifest) == 39
    assert rejects["reason"].str.len().gt(5).all() and not rejects["path"].isin(manifest["path"]).any()


def test_no_patient_is_in_two_roles(project: Project) -> None:
    split = pd.read_parquet(project.results / "splits/demo.subtype.patient.parquet")
    manifest = pd.read_parquet(project.results / "cohorts/demo/manifest.parquet")
    roles = split.merge(manifest, on="image_id").groupby("patient")["role"].nunique()
    assert roles.max() == 1


def test_a_second_run_does_nothing_in_ten_seconds(project: Project) -> None:
    before = processor_seconds()
    done = project.snakemake()
    assert done.returncode == 0 and "Nothing to be done" in done.stdout
    assert processor_seconds() - before < 10  # not by the clock: other tests run at the same time


def test_editing_one_model_reruns_its_runs_and_what_depends_on_them(project: Project) -> None:
    with project.edited("src/leukoflow/models/neurallnet.py", "_CURRENT_SD = 1.4", "_CURRENT_SD = 1.3"):
        messages = project.planned()
    assert trained(messages) == ["Training neurallnet on demo, view plain, patient split, fold 0, seed 42"]
    others = [message for message in messages if message not in trained(messages)]
    assert all(message.startswith((*DOWNSTREAM, "Predicting")) for message in others)
    predicted = [message for message in others if message.startswith("Predicting")]
    assert len(predicted) == 1 and "neurallnet" in predicted[0]
    assert "Writing the report" in others


def test_editing_a_layer_reruns_the_models_that_use_it(project: Project) -> None:
    with project.edited(
        "src/leukoflow/models/layers/squeeze_excitation.py", "reduction: int = 4", "reduction: int = 8"
    ):
        assert [message.split()[1] for message in trained(project.planned())] == ["neurallnet"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("src/leukoflow/models/neurallnet.py", "_CURRENT_SD = 1.4", "_CURRENT_SD = 1.4  # measured"),
        ("src/leukoflow/training/loop.py", '"""The training loop: ', '"""How networks are trained: '),
        ("src/leukoflow/core/files.py", "import hashlib\nimport json", "import hashlib\n\nimport json"),
    ],
)
def test_comments_docstrings_and_spacing_rerun_nothing(project: Project, name: str, old: str, new: str) -> None:
    with project.edited(name, old, new):
        assert project.planned() == []


def test_editing_the_metrics_trains_nothing(project: Project) -> None:
    with project.edited("src/leukoflow/stats/scores.py", "import pandas as pd\n", "import pandas as pd\n\nNEW = 1\n"):
        messages = project.planned()
    assert messages and not trained(messages) and not any(message.startswith("Predicting") for message in messages)
    assert sum(message.startswith("Scoring") for message in messages) == 1


def test_editing_the_report_rewrites_the_report_and_the_record(project: Project) -> None:
    template = next((project.folder / "src/leukoflow/report/templates").glob("*.css"))
    name = str(template.relative_to(project.folder))
    before = template.read_text()
    template.write_text(before + "\n.new { color: red; }\n")
    try:
        assert project.planned() == ["Writing the report", "Recording where the results are from"], name
    finally:
        template.write_text(before)


def test_changing_a_recipe_reruns_that_model_alone(project: Project) -> None:
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    config["models"]["resnet50_hmscam"]["training"]["epochs"] = 2
    (project.folder / "changed.yaml").write_text(yaml.safe_dump(config))
    messages = project.planned(config="changed.yaml")
    assert [message.split()[1] for message in trained(messages)] == ["resnet50_hmscam"]
    assert not any(message.startswith(("Rendering", "Splitting", "Decoding")) for message in messages)


def test_a_published_figure_is_told_without_training_anew(project: Project) -> None:
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    config["models"]["neurallnet"]["published"] = {"subtype": {"accuracy": 0.9816}}
    (project.folder / "published.yaml").write_text(yaml.safe_dump(config))
    messages = project.planned(config="published.yaml")
    assert "Comparing the models of subtype with colour_histogram" in messages
    assert not any(message.startswith(("Training", "Predicting", "Scoring")) for message in messages)


def test_models_are_compared_with_the_reference_on_the_same_images(project: Project) -> None:
    table = pd.read_csv(project.results / "tables/comparisons.csv")
    assert set(table["model"]) == {"neurallnet", "resnet50_hmscam"} and set(table["reference"]) == {"colour_histogram"}
    board = pd.read_csv(project.results / "tables/leaderboard.csv").set_index("model")["accuracy"]
    for row in table.itertuples():
        assert row.difference == pytest.approx(board[row.model] - board["colour_histogram"])
        assert 0 < row.p <= row.p_holm <= 1 and row.test == "McNemar"
    assert (project.results / "figures/comparison.subtype.png").exists()


def test_the_report_of_snakemake_itself_works_offline(project: Project) -> None:
    done = project.snakemake("--report", "snakemake-report.html")
    assert done.returncode == 0, done.stdout
    page = (project.folder / "snakemake-report.html").read_text()
    assert "Confusion matrices on demo" in page and "shares of each true class" in page


def test_weights_say_what_they_are(project: Project) -> None:
    for file in project.results.glob("runs/*/model.json"):
        facts = json.loads(file.read_text())
        assert facts["weights"] == ("fitted" if facts["architecture"] == "colour_histogram" else "random")
        assert facts["train_images"] > 0 and facts["classes"] == ["Benign", "Early", "Pre", "Pro"]
        assert facts["recipe"] == "own"
        rates = facts["firing_rates"]
        assert bool(rates) == (facts["architecture"] == "neurallnet")


def test_a_model_is_pretrained_before_it_is_trained(project: Project) -> None:
    """From weights that an earlier run saved; another recipe trains again, and does not pretrain again."""
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    saved = "results/tiny/runs/demo.subtype.plain.patient.resnet50_hmscam.fold0.seed42/weights.safetensors"
    config["models"]["taught"] = copy.deepcopy(config["models"]["resnet50_hmscam"]) | {
        "weights": saved,
        "self_supervised": {"epochs": 1, "batch_size": 4, "projection": 16},
    }
    folder = project.results / "runs/demo.subtype.plain.patient.taught.fold0.seed42"
    target = f"{folder.relative_to(project.folder)}/model.json"
    try:
        (project.folder / "taught.yaml").write_text(yaml.safe_dump(config))
        done = project.snakemake(target, config="taught.yaml")
        assert done.returncode == 0, done.stdout[-3000:]
        digest = hashlib.sha256((project.folder / saved).read_bytes()).hexdigest()[:12]
        words = f"weights.safetensors (sha256 {digest}), self-trained (SimSiam, 1 epochs)"
        assert json.loads((folder / "model.json").read_text())["weights"] == words
        assert len(pd.read_csv(folder / "pretraining.csv")) == 1
        config["models"]["taught"]["training"]["epochs"] = 2
        (project.folder / "taught.yaml").write_text(yaml.safe_dump(config))
        assert [message.split()[0] for message in project.planned(target, config="taught.yaml")] == ["Training"]
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def test_a_downloaded_cohort_goes_all_the_way_to_its_manifest(project: Project, tmp_path: Path) -> None:
    """Served from this machine as a zip, with a wrong digest first: refused and not kept, then right."""
    with zipfile.ZipFile(tmp_path / "smears.zip", "w") as archive:
        for image in sorted((project.results / "cohorts/demo/images").rglob("*.jpg")):
            archive.write(image, f"Original/[Malignant] {image.parent.name}/{image.name}")
    digest = hashlib.sha256((tmp_path / "smears.zip").read_bytes()).hexdigest()
    handler = partial(SimpleHTTPRequestHandler, directory=str(tmp_path))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
        cohort = {"kind": "download", "url": f"http://127.0.0.1:{server.server_port}/smears.zip", "folder": "Original"}
        cohort["labels"] = {f"[Malignant] {name}": name for name in ("Early", "Pre", "Pro")}
        config["study"] = "fetched"
        target = "results/fetched/cohorts/demo/manifest.parquet"
        for expected, status in (("0" * 64, 1), (digest, 0)):
            config["cohorts"]["demo"] = cohort | {"sha256": expected}
            (project.folder / "fetched.yaml").write_text(yaml.safe_dump(config))
            done = project.snakemake(target, config="fetched.yaml")
            assert done.returncode == status, done.stdout[-3000:]
            assert (project.folder / "resources/demo/archive").exists() == (status == 0)
        server.shutdown()
    manifest = pd.read_parquet(project.folder / target)
    assert set(manifest["label"].dropna()) == {"Early", "Pre", "Pro"}
    assert manifest.loc[manifest["label"].isna(), "path"].str.contains("Benign").all()
    assert len(manifest) == 39
    edited = project.folder / "resources/demo/files" / manifest["path"].iloc[0]
    edited.write_bytes(edited.read_bytes()[::-1])
    done = project.snakemake("--dry-run", target, config="fetched.yaml")
    assert done.returncode == 1
    words = " has changed since it was unpacked; delete resources/demo/contents.csv and run again"
    assert f"{edited.relative_to(project.folder)}:{words}" in done.stdout
    assert "Traceback" not in done.stdout
    (project.folder / "resources/demo/contents.csv").unlink()
    done = project.snakemake(target, config="fetched.yaml")
    assert done.returncode == 0, done.stdout[-3000:]
    assert pd.read_parquet(project.folder / target)["sha256"].tolist() == manifest["sha256"].tolist()
    done = project.snakemake(target, config="fetched.yaml")
    assert "Nothing to be done" in done.stdout, done.stdout[-3000:]
