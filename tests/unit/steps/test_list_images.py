"""The step that lists a cohort's images."""

import hashlib
import json
import logging
from pathlib import Path

import pandas as pd
import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table
from leukoflow.steps import list_images


def run(root: Path, settings: dict, *more: str) -> pd.DataFrame:
    output = root.parent / "listing.parquet"
    arguments = {
        "settings": json.dumps(settings),
        "root": root,
        "output": output,
        "left-out": root.parent / "left_out.parquet",
    }
    arguments |= {"warnings": root.parent / "warnings.csv", "names": root.parent / "names.csv"}
    list_images.main([*(str(part) for name, value in arguments.items() for part in (f"--{name}", value)), *more])
    return read_table(output)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for path in ("Original/Benign/1.jpg", "Original/[Malignant] Pro-B/2.jpg", "Original/3.jpg"):
        (tmp_path / "root" / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / path).write_bytes(b"12345")
    return tmp_path / "root"


LABELS = {"folder": "Original", "labels": {"Benign": "Benign", "[Malignant] Pro-B": "Pro"}}


@pytest.mark.parametrize("kind", [{"kind": "folder", "root": "x"}, {"kind": "download", "url": "kaggle:a/b"}])
def test_listing(root: Path, kind: dict, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        table = run(root, kind | LABELS | {"expected": {"Benign": 1, "Pro": 804}})
    assert list(table.columns) == ["path", "label", "patient", "slide", "site", "mask", "given"]
    assert table["path"].tolist() == ["Original/3.jpg", "Original/Benign/1.jpg", "Original/[Malignant] Pro-B/2.jpg"]
    assert table["label"].fillna("-").tolist() == ["-", "Benign", "Pro"]
    assert [record.getMessage() for record in caplog.records] == ["Pro: 1 images, where the source says 804"]


def test_contents_are_checked_first(root: Path, tmp_path: Path) -> None:
    settings = {"kind": "download", "url": "kaggle:a/b"} | LABELS
    contents = tmp_path / "contents.csv"
    names = ("Original/Benign/1.jpg", "Original/[Malignant] Pro-B/2.jpg", "Original/3.jpg")
    lines = [f"{name},5,{hashlib.sha256(b'12345').hexdigest()}\n" for name in names]
    contents.write_text("path,bytes,sha256\n" + "".join(lines))
    assert len(run(root, settings, "--contents", str(contents))) == 3
    contents.write_text("path,bytes,sha256\n" + "".join(lines).replace("1.jpg", "9.jpg"))
    with pytest.raises(LeukoFlowError, match=r"9.jpg: is missing since it was unpacked"):
        run(root, settings, "--contents", str(contents))


def test_a_synthetic_cohort_is_not_listed(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        run(root, {"kind": "synthetic"})
    assert "synthetic" in capsys.readouterr().err
