"""Results and workflow as one archive that other tools read."""

import hashlib
import json
import zipfile
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from leukoflow import cli
from leukoflow.core.crate import write_crate
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_json

ROOT = Path(__file__).resolve().parents[3]


@pytest.fixture
def archive(results: Path, capsys: pytest.CaptureFixture) -> Path:
    assert cli.main(["crate", str(results)]) == 0
    assert capsys.readouterr().out.startswith(f"{results}.crate.zip: 4 files of {results}")
    return results.with_name("demo.crate.zip")


def test_the_archive_describes_workflow_and_run(archive: Path, results: Path) -> None:
    """Read back by the library, against the tables of the profile (Workflow Run Crate 0.6)."""
    crate, record = ROCrate(archive), read_json(results / "provenance.json")
    assert crate.mainEntity.id == "Snakefile" and "ComputationalWorkflow" in crate.mainEntity.type
    assert crate.mainEntity["programmingLanguage"]["name"] == "Snakemake"
    profiles = {profile.id for profile in crate.root_dataset["conformsTo"]}
    assert profiles == {
        "https://w3id.org/ro/wfrun/process/0.6",
        "https://w3id.org/ro/wfrun/workflow/0.6",
        "https://w3id.org/workflowhub/workflow-ro-crate/1.1",
    }
    [action] = crate.root_dataset["mentions"]
    assert action.type == "CreateAction" and action["instrument"] is crate.mainEntity
    assert action["startTime"] == record["started"] <= action["endTime"] == record["finished"]
    assert [entity.id for entity in action["object"]] == ["results/study.json", "#cohort-demo"]
    assert crate.get("#cohort-demo")["value"] == record["cohorts"]["demo"]["sha256"]
    made = {entity.id.removeprefix("results/") for entity in action["result"]}
    assert made == {"report.html", "tables/scores.csv", "cohorts/demo/manifest.parquet", "provenance.json"}
    assert crate.get("results/tables/scores.csv")["sha256"] == record["files"]["tables/scores.csv"]


def test_what_is_described_is_there(archive: Path) -> None:
    with zipfile.ZipFile(archive) as files:
        names = set(files.namelist())
        graph = json.loads(files.read("ro-crate-metadata.json"))["@graph"]
        listed = {entity["@id"] for entity in graph if "File" in entity["@type"]}
        assert listed == names - {"ro-crate-metadata.json"}
        for entity in graph:
            if "sha256" in entity:
                assert hashlib.sha256(files.read(entity["@id"])).hexdigest() == entity["sha256"]
    assert {"workflow/Snakefile", "src/leukoflow/core/crate.py", "envs/core.yaml", "LICENSE"} <= names
    assert not any("__pycache__" in name for name in names)


def test_images_stay_where_they_are(results: Path, tmp_path: Path) -> None:
    record = read_json(results / "provenance.json")
    images = ("cohorts/demo/images/Pro/a.jpg", "cohorts/demo/masks/a.png", "views/demo.plain/000.npy")
    for name in (*images, "figures/a.png"):
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).write_bytes(b"x")
        record["files"][name] = hashlib.sha256(b"x").hexdigest()
    write_json(results / "provenance.json", record)
    write_crate(results, ROOT, tmp_path / "crate.zip")
    with zipfile.ZipFile(tmp_path / "crate.zip") as files:
        made = {name for name in files.namelist() if name.endswith((".jpg", ".png", ".npy"))}
    assert made == {"results/figures/a.png"}


def test_changed_results_or_code_are_not_passed_on(results: Path, tmp_path: Path) -> None:
    target = tmp_path / "crate.zip"
    with pytest.raises(LeukoFlowError, match="holds no Snakefile"):
        write_crate(results, tmp_path, target)
    write_json(results / "provenance.json", read_json(results / "provenance.json") | {"code_digest": "0" * 16})
    with pytest.raises(LeukoFlowError, match="the code has changed"):
        write_crate(results, ROOT, target)
    (results / "report.html").write_text("better")
    with pytest.raises(LeukoFlowError, match="1 files are not as the study left them"):
        write_crate(results, ROOT, target)
    assert not list(tmp_path.glob("*.zip"))
