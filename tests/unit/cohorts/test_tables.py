"""Tables as spreadsheets and people write them."""

import logging
from pathlib import Path

import pandas as pd
import pytest

from leukoflow.cohorts.alike import names_alike
from leukoflow.cohorts.folder import list_folder
from leukoflow.cohorts.tables import read_rows
from leukoflow.config.cohorts import Columns, Files
from leukoflow.core.errors import LeukoFlowError

NAMED = {"path": "path", "label": "label", "patient": "patient"}
RIGHT = [["a.png", "Benign", "P1"], ["b, c.png", "Pro", None], ["d.png", None, "P3"]]
PLAIN = 'path,label,patient\na.png,Benign,P1\n"b, c.png",Pro,\nd.png,,P3\n'


def rows(folder: Path, data: bytes | str, columns: dict[str, str] = NAMED) -> list[list[str | None]]:
    path = folder / "table.csv"
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return read_rows(path, columns)[list(columns)].to_numpy(object).tolist()


@pytest.mark.parametrize(
    "data",
    [
        PLAIN,
        PLAIN.replace("\n", "\r\n"),
        PLAIN.replace("\n", "\r"),
        PLAIN.encode("utf-8-sig"),
        PLAIN.encode("utf-16"),
        b"\xfe\xff" + PLAIN.encode("utf-16-be"),
        PLAIN.rstrip("\n"),
        "\n\n" + PLAIN,
        PLAIN.replace("\n", ",\n"),  # a comma at the end of every line
        PLAIN.replace("\n", ",,,\n"),
        "path,label,patient\na.png,Benign,P1,\n\"b, c.png\",Pro,,\n\n,,\nd.png,,P3,\n",  # of the rows alone
        PLAIN.replace('"b, c.png"', "b, c.png").replace("g,", "g;").replace("n,P", "n;P").replace("o,", "o;")
        .replace(",,", ";;").replace("path,label,patient", "path;label;patient").replace("g;,", "g;;"),
        'path\tlabel\tpatient\na.png\tBenign\tP1\nb, c.png\tPro\t\nd.png\t\tP3\n',
        "sep=;\npath;label;patient\na.png;Benign;P1\nb, c.png;Pro;\nd.png;;P3\n",
        'patient , LABEL2,path,\u00a0label\nP1,x,a.png,Benign \n\ufeff,x,"b, c.png",\tPro\n P3\u200b,x,d.png, \n',
        PLAIN.replace("P3", "P3 ").replace("Pro,", "Pro,NA").replace("Benign", " Benign"),
    ],
)  # fmt: skip
def test_every_form_gives_the_same_rows(tmp_path: Path, data: bytes | str) -> None:
    assert rows(tmp_path, data) == RIGHT


def test_a_quoted_cell_may_hold_line_breaks_and_lines_are_counted_as_an_editor_does(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text('path,label\n"a\nb.png","Pro\nB"\n\nc.png,x\n')
    listing = read_rows(table, {"path": "path", "label": "label"})
    assert listing.to_numpy(object).tolist() == [["a\nb.png", "Pro B", 4], ["c.png", "x", 6]]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"path,label\n\xe9.png,x\n", "line 2 is not UTF-8; save it as CSV in UTF-8"),
        (PLAIN.encode("utf-16-le"), "zero bytes; save it as CSV in UTF-8"),
        ("path,label\na.png,x\nb, c.png,x\n", "line 3 has 3 cells and the header 2; put cells that hold a separator"),
        ('path,label\na.png,x\n"b.png,x\n', "cannot be read as a CSV table, line 3"),
        ("path,label,label\na.png,x,y\n", r"several columns 'label' \(columns.label\)"),
        ("path;label2\na.png;x\n", r"no column 'label' \(columns.label\); did you mean 'label2'"),
        ("\n\n", "it is empty"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tmp_path: Path, data: bytes | str, words: str) -> None:
    with pytest.raises(LeukoFlowError, match=words) as failure:
        rows(tmp_path, data, {"path": "path", "label": "label"})
    assert "table.csv" in str(failure.value) and "\n" not in str(failure.value)


def test_words_for_nothing_are_no_patients(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        listing = rows(tmp_path, "path,label,patient\na,NA,NA\nb,x,nan\nc,x,unknown\nd,x,P1\n")
    assert listing == [["a", "NA", None], ["b", "x", None], ["c", "x", None], ["d", "x", "P1"]]
    assert "patient: 3 cells say that there is none (NA, nan, unknown)" in caplog.text


def listed(folder: Path, text: str, **more: object) -> pd.DataFrame:
    (folder / "table.csv").write_text(text, encoding="utf-8")
    files = Files.model_validate({"table": "table.csv", "columns": {"patient": "patient"}, **more})
    return list_folder(folder, files).images


def test_the_same_patient_and_label_whatever_surrounds_them(tmp_path: Path) -> None:
    text = (
        "path,label,patient\na,Benign,P1\nb,Benign ,P1 \nc,Be\u0301nin,\u00a0P1\nd,B\u00e9nin,P\u00e9\ne,x,Pe\u0301\n"
    )
    listing = listed(tmp_path, text)
    assert listing["label"].tolist() == ["Benign", "Benign", "B\u00e9nin", "B\u00e9nin", "x"]
    assert listing["patient"].tolist() == ["P1", "P1", "P1", "P\u00e9", "P\u00e9"]


def test_labels_in_the_config_are_brought_to_the_same_form(tmp_path: Path) -> None:
    text = "path,label,patient\na,Be\u0301nin ,P1\nb,Pro,P2\n"
    listing = listed(tmp_path, text, labels={" B\u00e9nin\u200b": "Benign\t", "Pro ": "Pro"})
    assert listing["label"].tolist() == ["Benign", "Pro"]


def test_a_table_and_the_disk_may_write_a_name_differently(tmp_path: Path) -> None:
    for name in ("Be\u0301nin/e\u0301.png", "back\\slash.png", "folder/1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    lines = ["B\u00e9nin/\u00e9.png", " back\\slash.png ", "folder\\1.png", "B\u00e9nin/missing.png"]
    listing = listed(tmp_path, "path,label,patient\n" + "".join(f"{line},x,\n" for line in lines))
    assert set(listing["path"]) == {
        "Be\u0301nin/e\u0301.png", "back\\slash.png", "folder/1.png", "B\u00e9nin/missing.png",
    }  # fmt: skip
    assert sum((tmp_path / path).is_file() for path in listing["path"]) == 3


def test_one_file_under_two_forms_of_its_name_is_listed_once(tmp_path: Path) -> None:
    (tmp_path / "e\u0301.png").touch()
    with pytest.raises(LeukoFlowError, match="is listed twice with different entries"):
        listed(tmp_path, "path,label,patient\n\u00e9.png,x,P1\ne\u0301.png,y,P1\n")
    assert len(listed(tmp_path, "path,label,patient\n\u00e9.png,x,P1\ne\u0301.png,x,P1 \n")) == 1


def test_look_alikes_are_named_with_what_they_cost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    text = "path,label,patient\na,Benign,P1\nb,Benign ,P1 \nc,benign,p-01\nd,Pro,P3\n"
    with caplog.at_level(logging.WARNING):
        listing = listed(tmp_path, text, labels={"Benign": "Benign", "Pro": "Pro"})
        groups = names_alike(listing, ["Benign", "Pro"])
    assert listing["label"].fillna("-").tolist() == ["Benign", "Benign", "-", "Pro"]
    assert groups.to_numpy(object).tolist() == [
        ["patient", "'P1', 'p-01'", 3, 0],
        ["label", "'Benign', 'benign'", 3, 1],
    ]
    assert (
        "label: 'Benign', 'benign' differ only by case" in caplog.text
        and "1 of these images have no label" in caplog.text
    )
    # Both named on purpose is no slip; the patients stay.
    assert names_alike(listing, ["Benign", "benign", "Pro"])["kind"].tolist() == ["patient"]


def test_folders_that_look_like_a_label_are_named(tmp_path: Path) -> None:
    for name in ("Benign /1.png", "benign/deep/2.png", "Pro/3.png", "other/4.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    files = Files(labels={"Benign": "B", "Pro": "P"})
    listing = list_folder(tmp_path, files).images
    assert dict(zip(listing["path"], listing["label"].fillna("-"), strict=True)) == {
        "Benign /1.png": "B", "benign/deep/2.png": "-", "Pro/3.png": "P", "other/4.png": "-",
    }  # fmt: skip
    assert names_alike(listing, files.labels).to_numpy(object).tolist() == [["label", "'Benign', 'benign'", 2, 1]]


def test_a_folder_and_patterns_in_another_form(tmp_path: Path) -> None:
    (tmp_path / "Donne\u0301es").mkdir()
    for name in ("e\u0301_1.png", "u\u0308.png"):
        (tmp_path / "Donne\u0301es" / name).touch()
    files = Files(folder="Donn\u00e9es", exclude=("\u00fc*",), label_pattern="(\u00e9)_")
    listing = list_folder(tmp_path, files).images
    assert listing[["path", "label"]].to_numpy().tolist() == [["Donne\u0301es/e\u0301_1.png", "\u00e9"]]


def test_the_columns_of_the_config_are_plain() -> None:
    assert Columns(patient=" Patient\u00a0").patient == "Patient"
