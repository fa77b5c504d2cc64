"""A clone, images, a table and classes of any name: what people have on their disks must run, or be refused at once."""

import csv
from pathlib import Path

import cv2
import pandas as pd
import pytest
import yaml

from leukoflow.cohorts.synthetic import draw, encode, plan, rows
from leukoflow.config.cohorts import SyntheticCohort

from .conftest import Project, clone

CLASSES = ("B$1$ {x}", '50% "q" <b>', "a_b^c\\d", "-Pro")
FILES = ("{y}", "$HOME", "'q'", '"d"', "-x", "%s", "\u2028", "\x85", "e\u0301", ";", ",", "`id`", "a\nb")


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Drawn images, one folder for each class, and a table."""
    root = tmp_path_factory.mktemp("images") / "-im {x} 'q' \"d\" $U é"
    cohort = SyntheticCohort(kind="synthetic", images=48, patients=16, size=64)
    name_of = dict(zip(("Benign", "Early", "Pre", "Pro"), CLASSES, strict=True))
    table = []
    for number, row in enumerate(rows(plan(cohort))):
        path = root / name_of[row.label] / f"{FILES[number % len(FILES)]} {number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(encode(draw(cohort, row)))
        table.append([path.relative_to(root).as_posix(), f" {name_of[row.label]}\u00a0", row.patient])
    with open(root / "t {a} $b.csv", "w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=";").writerows([["path", "label", "patient"], *table])
    cv2.setNumThreads(1)
    return root


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, images: Path) -> Project:
    """A clone in a folder with a space, quotes and a dollar sign, and a study of these images."""
    made = clone(tmp_path_factory.mktemp("clone") / "le uko 'q' \"d\" $HOME é")
    study = yaml.safe_load((made.folder / "tiny.yaml").read_text())
    cohort = {"kind": "folder", "root": str(images), "images": 48, "table": "t {a} $b.csv"}
    study["cohorts"] = {
        "demo": cohort | {"columns": {"patient": "patient"}, "labels": {name: name for name in CLASSES}}
    }
    study["tasks"] = {"subtype": {"classes": list(CLASSES)}}
    study["experiments"] = {"subtype": study["experiments"]["subtype"] | {"external": []}}
    study["segmentation"] = {"method": "threshold"}
    (made.folder / "tiny.yaml").write_text(yaml.safe_dump(study, allow_unicode=True))
    return made


def test_every_image_of_any_name_gets_to_its_role(project: Project, images: Path) -> None:
    done = project.snakemake("results/tiny/splits/demo.subtype.patient.audit.json")
    assert done.returncode == 0, done.stdout[-6000:]
    split = pd.read_parquet(project.results / "splits/demo.subtype.patient.parquet")
    manifest = pd.read_parquet(project.results / "cohorts/demo/manifest.parquet")
    assert split["label"].value_counts().to_dict() == dict.fromkeys(CLASSES, 12)
    on_disk = {path.relative_to(images).as_posix() for path in images.rglob("*.jpg")}
    assert set(manifest["path"]) == on_disk and len(on_disk) == 48
    folder_of = {path: path.split("/")[0] for path in manifest["path"]}
    assert manifest["label"].tolist() == [folder_of[path] for path in manifest["path"]]


def test_all_jobs_are_planned_and_quoted(project: Project) -> None:
    assert len(project.planned()) > 40


def test_a_changed_table_is_read_again_if_it_says_something_else(project: Project, images: Path) -> None:
    target = "results/tiny/splits/demo.subtype.patient.parquet"
    assert project.planned(target) == []
    table = images / "t {a} $b.csv"
    before = table.read_text(encoding="utf-8")
    try:
        table.write_text(before.replace("\u00a0", ""), encoding="utf-8")
        assert project.planned(target) == []
        rows, cut, rest = before.rpartition(";")
        table.write_text(f"{rows}{cut}X{rest}", encoding="utf-8")  # another patient
        assert "Listing the images of demo" in project.planned(target)
    finally:
        table.write_text(before, encoding="utf-8")


@pytest.mark.parametrize("sign", ["{", "}", ":"])
def test_a_folder_that_snakemake_cannot_run_from_is_named(tmp_path: Path, sign: str) -> None:
    done = clone(tmp_path / f"le{sign}uko").snakemake("--dry-run")
    assert done.returncode != 0 and "Traceback" not in done.stdout
    assert f"Snakemake cannot run from a folder with '{sign}' in its name; rename it" in done.stdout
