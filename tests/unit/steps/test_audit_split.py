"""Step audit_split: it fails if a promise is broken, and reports if there was none."""

from pathlib import Path

import pandas as pd
import pytest

from leukoflow.config.splits import Division
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_table
from leukoflow.quality.split import make_split
from leukoflow.steps.audit_split import main


def write_cohort(folder: Path, patients: bool = True) -> pd.DataFrame:
    names = [f"i{number:02}" for number in range(60)]
    manifest = pd.DataFrame(
        {"image_id": names, "sha256": names, "label": "x", "patient": None, "slide": None, "site": None}
    )
    if patients:
        manifest["patient"] = [f"p{number // 3}" for number in range(60)]
    write_table(folder / "manifest.parquet", manifest)
    groups = manifest[["image_id"]].assign(cohort="home", duplicate_group=names, acquisition=manifest["patient"])
    groups["acquisition"] = [f"s{number // 3}" for number in range(60)]
    write_table(folder / "groups.parquet", groups)
    pairs = pd.DataFrame(
        [("home", "i00", "home", "i59", "near"), ("home", "i00", "away", "i01", "identical")],
        columns=["cohort_a", "image_a", "cohort_b", "image_b", "kind"],
    )
    write_table(folder / "duplicates.parquet", pairs)
    return manifest.assign(y=[number // 3 % 2 for number in range(60)]).merge(groups, on="image_id")


def run(folder: Path, protocol: str) -> dict:
    arguments = ["--protocol", protocol, "--cohort", "home", "--output", str(folder / "audit.json")]
    for name in ("split", "manifest", "groups", "duplicates"):
        arguments += [f"--{name}", str(folder / f"{name}.parquet")]
    assert not main(arguments)
    return read_json(folder / "audit.json")


@pytest.mark.parametrize("patients", [True, False])
def test_leaks_under_image_are_reported(tmp_path, patients):
    table = write_cohort(tmp_path, patients)
    split = make_split(table, ("a", "b"), Division(groups="image"))
    split.loc[split["image_id"].isin(["i00", "i59"]), "role"] = ["train", "test"]
    write_table(tmp_path / "split.parquet", split)
    report = run(tmp_path, "image")
    findings = {finding["check"]: finding for finding in report["findings"]}
    assert report["kept"] and report["test_images_with_duplicate_in_training"] == 1
    assert findings["duplicate"]["examples"] == ["fold 0: i00 (train) and i59 (test), near"]
    assert findings["acquisition"]["count"] > 0
    assert (findings["patient"]["count"] > 0) == patients


def test_a_broken_promise_fails_in_one_line_and_writes_nothing(tmp_path):
    table = write_cohort(tmp_path)
    split = make_split(table, ("a", "b"), Division(groups="patient"))
    split["role"] = ["train"] * 20 + ["validation"] * 20 + ["test"] * 20
    write_table(tmp_path / "split.parquet", split)
    with pytest.raises(LeukoFlowError) as failure:
        run(tmp_path, "patient")
    text = str(failure.value)
    assert "split.parquet: the promise of protocol 'patient' is broken" in text and "\n" not in text
    assert "4 by patient, 1 by duplicate" in text
    assert "fold 0: i18 (train) and i20 (validation), patient p6" in text
    assert "fold 0: i00 (train) and i59 (test), near" in text
    assert not (tmp_path / "audit.json").exists()


def test_at_most_five_pairs_are_named(tmp_path):
    table = write_cohort(tmp_path)
    split = make_split(table, ("a", "b"), Division(groups="patient"))
    split["role"] = ["train", "validation", "test"] * 20
    write_table(tmp_path / "split.parquet", split)
    with pytest.raises(LeukoFlowError) as failure:
        run(tmp_path, "patient")
    assert "60 by patient" in str(failure.value) and str(failure.value).count("fold 0: ") == 5
