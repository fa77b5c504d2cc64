"""Step split: labels, groups of the right cohort, and the table it writes."""

import json
from pathlib import Path

import pandas as pd
import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.steps.split import main

SETTINGS = {"task": {"classes": ["Benign", "Pro"]}, "division": {"seed": 3}}


@pytest.fixture
def cohort(tmp_path: Path) -> Path:
    labels = ["Benign", "Pro", "Other", None]
    names = [f"i{number:02}" for number in range(80)]
    manifest = pd.DataFrame(
        {
            "image_id": names,
            "label": [labels[number % 4] for number in range(80)],
            "patient": None,
            "site": None,
            "width": 9,
        }
    )
    write_table(tmp_path / "manifest.parquet", manifest)
    groups = pd.DataFrame({"cohort": "home", "image_id": names, "duplicate_group": names})
    groups["acquisition"] = [f"s{number // 8}" for number in range(80)]
    other = groups.assign(cohort="away", acquisition="one")
    write_table(tmp_path / "groups.parquet", pd.concat([other, groups]))
    return tmp_path


def run(folder: Path, protocol: str = "acquisition", settings: dict = SETTINGS, cohort: str = "home") -> pd.DataFrame:
    settings = {**settings, "division": {**settings["division"], "groups": protocol}}
    arguments = ["--settings", json.dumps(settings), "--protocol", protocol, "--cohort", cohort]
    arguments += ["--manifest", str(folder / "manifest.parquet"), "--groups", str(folder / "groups.parquet")]
    assert not main([*arguments, "--output", str(folder / "split.parquet")])
    return read_table(folder / "split.parquet")


def test_the_split_has_its_columns_and_the_labelled_images(cohort):
    split = run(cohort)
    assert list(split.columns) == ["image_id", "y", "label", "group", "fold", "role"]
    assert list(split["image_id"]) == [f"i{number:02}" for number in range(80) if number % 4 < 2]
    assert split.groupby("label")["y"].unique().map(list).to_dict() == {"Benign": [0], "Pro": [1]}
    assert split.groupby("group")["role"].nunique().eq(1).all() and set(split["group"]) <= {f"s{n}" for n in range(10)}


def test_the_same_call_writes_the_same_bytes(cohort):
    run(cohort)
    first = (cohort / "split.parquet").read_bytes()
    run(cohort)
    assert (cohort / "split.parquet").read_bytes() == first


def test_patients_must_be_known(cohort):
    with pytest.raises(LeukoFlowError, match="no patient"):
        run(cohort, "patient")
    assert not (cohort / "split.parquet").exists()


def test_too_few_images_name_the_class_and_the_cohort(cohort):
    """As in six labelled samples of which one is benign."""
    manifest = read_table(cohort / "manifest.parquet")
    few = manifest[manifest["label"].ne("Benign") | (manifest["image_id"] == "i00")]
    write_table(cohort / "manifest.parquet", few)
    with pytest.raises(LeukoFlowError, match=r"^cohort 'home', protocol 'image': class 'Benign' has 1 groups by"):
        run(cohort, "image")
    assert not (cohort / "split.parquet").exists()


def test_images_without_a_group_are_named(cohort):
    with pytest.raises(LeukoFlowError, match=r"groups\.parquet: has no group for i00 of elsewhere"):
        run(cohort, cohort="elsewhere")


def test_too_few_groups_leave_no_output(cohort):
    with pytest.raises(LeukoFlowError, match="has 10 groups"):
        run(cohort, settings={**SETTINGS, "division": {"folds": 12}})
    assert not (cohort / "split.parquet").exists()
