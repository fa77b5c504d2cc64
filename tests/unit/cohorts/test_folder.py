"""Listing folders and tables of images."""

import logging
import os
from collections.abc import Iterable
from pathlib import Path

import pandas as pd
import pytest

from leukoflow.cohorts import folder as folders
from leukoflow.cohorts.folder import COLUMNS, report_labels
from leukoflow.config.cohorts import Columns, Files
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table

DATA = os.environ.get("LEUKOFLOW_DATA")


def list_folder(root: Path, files: Files) -> pd.DataFrame:
    return folders.list_folder(root, files).images


def plant(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def pairs(listing: pd.DataFrame) -> dict[str, str | None]:
    labels: Iterable = listing["label"]
    return {path: None if pd.isna(label) else label for path, label in zip(listing["path"], labels, strict=True)}


def test_folders_are_labels(tmp_path: Path) -> None:
    plant(tmp_path, "b/2.JPG", "b/10.png", "a/deep/x.TiFf", "a/1.jpeg", "a/notes.txt", "top.bmp", "a/jpg", "b/3.tif")
    listing = list_folder(tmp_path, Files())
    assert tuple(listing.columns) == COLUMNS
    assert pairs(listing) == {
        "a/1.jpeg": "a",
        "a/deep/x.TiFf": "deep",
        "b/10.png": "b",
        "b/2.JPG": "b",
        "b/3.tif": "b",
        "top.bmp": None,
    }
    assert list(listing["path"]) == sorted(listing["path"])
    assert listing[["patient", "slide", "site", "mask"]].isna().all(axis=None)


def test_labels_by_name_of_the_nearest_folder(tmp_path: Path) -> None:
    plant(
        tmp_path,
        "Blood cell Cancer [ALL]/Benign/Snap_1.jpg",
        "Blood cell Cancer [ALL]/[Malignant] Pro-B/a/b/Snap 2.jpg",
        "Blood cell Cancer [ALL]/[Malignant] Pro-B/Benign/3.jpg",
        "Blood cell Cancer [ALL]/other/4.jpg",
        "Blood cell Cancer [ALL]/5.jpg",
        "Segmented/Benign/6.jpg",
    )
    files = Files(folder="Blood cell Cancer [ALL]", labels={"[Malignant] Pro-B": "Pro", "Benign": "Benign"})
    listing = list_folder(tmp_path, files)
    assert {path.split("/", 1)[1]: label for path, label in pairs(listing).items()} == {
        "Benign/Snap_1.jpg": "Benign",
        "[Malignant] Pro-B/a/b/Snap 2.jpg": "Pro",
        "[Malignant] Pro-B/Benign/3.jpg": "Benign",
        "other/4.jpg": None,
        "5.jpg": None,
    }


def test_folders_above_the_cohort_are_no_labels(tmp_path: Path) -> None:
    plant(tmp_path, "Benign/set/Pro/1.jpg", "Benign/set/2.jpg")
    listing = list_folder(tmp_path, Files(folder="Benign/set", labels={"Benign": "Benign", "Pro": "Pro"}))
    assert pairs(listing) == {"Benign/set/Pro/1.jpg": "Pro", "Benign/set/2.jpg": None}


def test_accents_composed_or_not(tmp_path: Path) -> None:
    plant(tmp_path, "Be\u0301nin/1.jpg")
    assert list(pairs(list_folder(tmp_path, Files(labels={"B\u00e9nin": "Benign"}))).values()) == ["Benign"]


def test_exclude_and_litter(tmp_path: Path) -> None:
    plant(tmp_path, "set/a/1.jpg", "set/a/1_mask.jpg", "set/b/x/2.jpg", "set/.hidden/3.jpg", "set/a/._1.jpg")
    plant(tmp_path, "set/__MACOSX/a/1.jpg")
    listing = list_folder(tmp_path, Files(folder="set", exclude=("*_mask.jpg", "b/*")))
    assert list(listing["path"]) == ["set/a/1.jpg"]


def test_links(tmp_path: Path) -> None:
    plant(tmp_path / "elsewhere", "1.jpg")
    plant(tmp_path / "root", "real/2.jpg")
    (tmp_path / "root" / "loop").symlink_to(tmp_path / "root")
    (tmp_path / "root" / "again").symlink_to(tmp_path / "root" / "real")
    (tmp_path / "root" / "zagain").symlink_to(tmp_path / "root" / "real")
    (tmp_path / "root" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "root" / "real" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    os.mkfifo(tmp_path / "root" / "real" / "pipe.jpg")
    (tmp_path / "root" / "real" / "folder.jpg").mkdir()
    listing = list_folder(tmp_path / "root", Files())
    assert pairs(listing) == {"linked/1.jpg": "linked", "real/2.jpg": "real", "real/gone.jpg": "real"}


def test_names_that_are_not_utf8_are_listed_by_a_name_that_fits_a_table(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg")
    (tmp_path / os.fsdecode(b"a/caf\xe9.jpg")).touch()
    listing = list_folder(tmp_path, Files())
    write_table(tmp_path / "listing.parquet", listing)
    assert list(read_table(tmp_path / "listing.parquet")["path"]) == ["a/1.jpg", "a/caf\\udce9.jpg"]


def test_nothing_to_list(tmp_path: Path) -> None:
    plant(tmp_path, "Original/notes.txt")
    with pytest.raises(LeukoFlowError, match="holds no image"):
        list_folder(tmp_path, Files())
    with pytest.raises(LeukoFlowError, match=r"no folder 'Orignal'; did you mean 'Original'"):
        list_folder(tmp_path, Files(folder="Orignal"))


def test_labels_that_nothing_has(tmp_path: Path) -> None:
    plant(tmp_path, "Benign/1.jpg")
    with pytest.raises(LeukoFlowError, match=r"'Bengin'.*did you mean 'Benign'"):
        list_folder(tmp_path, Files(labels={"Bengin": "Benign"}))
    (told,) = folders.list_folder(tmp_path, Files(labels={"Benign": "Benign", "Pro": "Pro"})).warnings
    assert "no folder with images is named 'Pro'" in told


def test_table(tmp_path: Path) -> None:
    text = "\ufefffile,class,person\nimages\\2.png,1,P1\n./images//1.png,NA,\nimages/3.png,,P2\nimages/4.png,9,P2\n"
    (tmp_path / "labels.csv").write_text(text, encoding="utf-8")
    columns = Columns(path="file", label="class", patient="person")
    listing = list_folder(tmp_path, Files(table="labels.csv", columns=columns))
    assert pairs(listing) == {"images/1.png": "NA", "images/2.png": "1", "images/3.png": None, "images/4.png": "9"}
    assert listing["patient"].fillna("-").tolist() == ["-", "P1", "P2", "P2"]
    mapped = list_folder(tmp_path, Files(table="labels.csv", columns=columns, labels={"1": "neutrophil", "NA": "none"}))
    assert list(pairs(mapped).values()) == ["none", "neutrophil", None, None]
    fewer = list_folder(tmp_path, Files(table="labels.csv", columns=columns, folder="images", exclude=("[12].png",)))
    assert list(fewer["path"]) == ["images/3.png", "images/4.png"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("image,label\na.png,x\n", r"no column 'path' \(columns.path\)"),
        ("path,labels\na.png,x\n", r"no column 'label' \(columns.label\); did you mean 'labels'"),
        ("path,label\na.png,x\n../b.png,x\n", "row 3: path is not below the root"),
        ("path,label\n/a.png,x\n", "row 2: path is not below"),
        ("path,label\nC:\\a.png,x\n", "row 2: path is not below"),
        ("path,label\na.png,x\n,x\n", "row 3 has no path"),
        ("path,label\na.png,x\n./a.png,y\n", "a.png is listed twice"),
        ("path,label\n", "holds no image"),
        ("", "cannot be read as a CSV"),
        ('path,label\n"a', "cannot be read as a CSV"),
    ],
)
def test_table_faults(tmp_path: Path, text: str, words: str) -> None:
    (tmp_path / "table.csv").write_text(text)
    with pytest.raises(LeukoFlowError, match=words):
        list_folder(tmp_path, Files(table="table.csv"))


def test_table_missing_and_its_labels(tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match=r"labels.csv: cannot be read"):
        list_folder(tmp_path, Files(table="labels.csv"))
    (tmp_path / "labels.csv").write_text("path,label\na.png,blast\na.png,blast\n")
    assert len(list_folder(tmp_path, Files(table="labels.csv"))) == 1
    with pytest.raises(LeukoFlowError, match=r"'blasts'.*did you mean 'blast'"):
        list_folder(tmp_path, Files(table="labels.csv", labels={"blasts": "x"}))


def test_counts_are_told(caplog: pytest.LogCaptureFixture) -> None:
    listing = pd.DataFrame({"path": list("abcd"), "label": ["x", "x", "y", None]}, dtype="string")
    with caplog.at_level(logging.INFO):
        report_labels(listing, {"x": 2, "y": 3, "z": 1})
    told = {(record.levelname, record.getMessage()) for record in caplog.records}
    assert told == {
        ("INFO", "x: 2 images"),
        ("WARNING", "y: 1 images, where the source says 3"),
        ("WARNING", "z: 0 images, where the source says 1"),
        ("INFO", "without a label: 1 images"),
    }


@pytest.mark.skipif(not DATA, reason="LEUKOFLOW_DATA is not set")
def test_real_sets() -> None:
    root = Path(str(DATA))
    names = {"[Malignant] early Pre-B": "Early", "[Malignant] Pre-B": "Pre", "[Malignant] Pro-B": "Pro"}
    hosseini = list_folder(root / "hosseini_samples", Files(labels=names | {"Benign": "Benign"}))
    assert hosseini["label"].value_counts().to_dict() == {"Early": 2, "Pre": 2, "Pro": 1, "Benign": 1}
    assert len(hosseini) == 16
    taleqani = list_folder(root / "taleqani", Files(folder="Original", labels={"Pro": "Pro", "Benign": "Benign"}))
    assert len(taleqani) == 2609
    assert set(taleqani["label"].dropna()) == {"Pro", "Benign"}
    assert all((f"/{label}/" in path) for path, label in pairs(taleqani).items() if label)
    pbc = {folder.name: len(os.listdir(folder)) for folder in (root / "pbc").iterdir()}
    assert list_folder(root / "pbc", Files())["label"].value_counts().to_dict() == pbc
