"""`leukoflow init`: studies for folders that are laid out differently, and what it says where it cannot know."""

import csv
from pathlib import Path

import numpy as np
import pytest
import yaml
from PIL import Image

from leukoflow.cli import main
from leukoflow.cohorts.draft import FEWEST, study_name
from leukoflow.cohorts.folder import list_folder
from leukoflow.cohorts.look import look
from leukoflow.config.load import parse_study
from leukoflow.config.ready import entries
from leukoflow.config.study import Study

SIDES = (64, 64)


def picture(path: Path, size: tuple[int, int] = SIDES, levels: tuple[int, ...] = (200, 90)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    width, height = size
    pixels = np.resize(np.array(levels, np.uint8), (height, width))
    Image.fromarray(pixels).save(path)


def table(path: Path, rows: list[dict[str, str]], separator: str = ",") -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
        writer.writeheader()
        writer.writerows(rows)


def written(folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> tuple[Study, str, str]:
    """The study, its text, and what was said."""
    output = tmp_path / "study.yaml"
    assert main(["init", str(folder), "--output", str(output), "--name", "mine"]) == 0
    text = output.read_text()
    return parse_study(yaml.safe_load(text)), text, capsys.readouterr().out


def listed(study: Study) -> dict[str, int]:
    """Images of each class, as the pipeline would list them."""
    cohort = study.cohorts["mine"]
    images = list_folder(Path(cohort.root), cohort).images
    task = study.tasks["classes_of_mine"]
    counts = images["label"].dropna().map(task.class_of).value_counts()
    return {task.classes[int(index)]: int(count) for index, count in counts.items()}


def test_class_folders_with_traps(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "Our smears (2024)"
    for label, count in (("Benign", 30), ("[Malignant] Pre-B", 25), ("007", 22), ("Rare", 3), ("unknown", 9)):
        for number in range(count):
            # Mixed sizes and file types.
            suffix = (".png", ".JPG", ".tif")[number % 3]
            picture(root / "train" / label / f"a{number}{suffix}", [(64, 64), (80, 60), (64, 64), (96, 96)][number % 4])
    (root / "train/Benign/broken.png").write_bytes(b"no picture")
    (root / "notes.txt").write_text("taken in March")
    study, text, said = written(root, tmp_path, capsys)
    assert study.tasks["classes_of_mine"].classes == ("007", "Benign", "[Malignant] Pre-B")
    assert listed(study) == {"Benign": 31, "[Malignant] Pre-B": 25, "007": 22}
    assert study.experiments["models"].protocols == ("image", "acquisition")
    assert "class Rare is left out: 3 images are too few" in said and "9 images have no label" in said
    assert "1 of 90 files looked at cannot be read as images" in said
    assert "To decide: images have several sizes" in text and "To decide: which images are of one patient?" in text
    assert "snakemake" in said and "--configfile" in said and len(text.splitlines()) < 70
    assert not list(root.rglob("*.yaml"))


def test_a_table_with_patients_and_ids_filled_up_with_zeros(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "export"
    rows = []
    for number in range(1, 121):
        picture(root / "pictures" / f"{number:04}.png")
        rows.append(
            {"Image ID": str(number), "Patient No": f"P{number // 8}", "Diagnosis": ("ALL", "normal")[number % 2]}
        )
    table(root / "all images.csv", rows, ";")
    # It names one image.
    table(root / "other.csv", [{"a": "1", "b": "2"}])
    study, _, _ = written(root, tmp_path, capsys)
    cohort = study.cohorts["mine"]
    assert (
        cohort.table == "all images.csv" and cohort.columns.path_digits == 4 and cohort.columns.patient == "Patient No"
    )
    assert listed(study) == {"ALL": 60, "normal": 60}
    images = list_folder(Path(cohort.root), cohort).images
    assert images["patient"].nunique() == 16 and study.experiments["models"].protocols == ("image", "patient")


def test_labels_in_names_and_masks_beside_images(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "cells"
    for label in ("mono", "lymp"):
        for number in range(24):
            picture(root / "images" / f"{label}_{number:02}.jpg")
            picture(root / "masks" / f"{label}_{number:02}.png", levels=(0, 255))
    study, text, _ = written(root, tmp_path, capsys)
    assert listed(study) == {"mono": 24, "lymp": 24}
    masks = study.cohorts["mine"].masks
    assert masks is not None and (masks.path, masks.coding) == ("masks/{stem}.png", "foreground")
    cohort = study.cohorts["mine"]
    assert list_folder(Path(cohort.root), cohort).images["mask"].notna().all()
    assert "To decide: are the masks masks/{stem}.png drawn by experts" in text


def test_patients_as_folders_within_classes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = tmp_path / "hospital"
    for label in ("blasts", "normal"):
        for patient in range(8):
            for number in range(4):
                picture(root / label / f"patient_{label[0]}{patient}" / f"{number}.png")
    study, text, _ = written(root, tmp_path, capsys)
    assert listed(study) == {"blasts": 32, "normal": 32}
    assert "names seem to name 16 patients" in text and "use the protocol patient" in text


def test_ready_entries(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for entry in entries():
        output = tmp_path / f"{entry}.yaml"
        status = main(["init", "--entry", entry, "--output", str(output)])
        told = capsys.readouterr()
        if status:
            assert "has no labels of its own" in told.err and not output.exists()
        else:
            assert parse_study(yaml.safe_load(output.read_text())).study == entry
            assert f"{entry}: {{entry: {entry}}}" in output.read_text()
    assert main(["init", "--entry", "taleqany"]) == 1 and "known: " in capsys.readouterr().err


def test_what_cannot_be_a_study_is_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flat = tmp_path / "flat"
    for number in range(30):
        picture(flat / f"{number}.png")
    few = tmp_path / "few"
    for label in "ab":
        for number in range(FEWEST - 1):
            picture(few / label / f"{number}.png")
    (tmp_path / "empty").mkdir()
    there = tmp_path / "there.yaml"
    there.write_text("kept")
    for arguments, words in (
        ([str(flat)], "30 images without a label; put those of each class into a folder of its own"),
        ([str(few)], f"two classes of {FEWEST} images or more are needed, there are 0 (a (19), b (19))"),
        ([str(tmp_path / "empty")], "holds no image"),
        ([str(tmp_path / "nowhere")], "is not a folder"),
        ([str(few), "--output", str(there)], "there.yaml: exists already"),
        ([], "give a folder of images, or --entry"),
    ):
        more = [] if "--output" in arguments else ["--output", str(tmp_path / "new.yaml")]
        assert main(["init", *arguments, *more]) == 1
        error = capsys.readouterr().err
        assert words in error and error.count("\n") == 1
    assert there.read_text() == "kept" and not (tmp_path / "new.yaml").exists()


def test_names_of_studies() -> None:
    assert study_name(Path("/data/Our smears (2024)")) == "our_smears_2024"
    assert study_name(Path("/data/2024")) == "study_2024" and study_name(Path("/data/血液")) == "study"


def test_a_folder_is_left_as_it_is(tmp_path: Path) -> None:
    for label in "ab":
        for number in range(20):
            picture(tmp_path / "x" / label / f"{number}.png")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}
    look(tmp_path / "x")
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before
