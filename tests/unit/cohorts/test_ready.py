"""The ready-made entries in config/cohorts."""

import os
from pathlib import Path

import pytest
import yaml

from leukoflow.cohorts.folder import list_folder
from leukoflow.cohorts.roots import local_root, resolve_root
from leukoflow.config.cohorts import DownloadCohort, FolderCohort
from leukoflow.core.shards import shard_count

FOLDER = Path(__file__).parents[3] / "config" / "cohorts"
COUNTS = {"taleqani": 3256, "hosseini": 3242, "pbc": 17092}


@pytest.mark.parametrize("name", COUNTS)
def test_entry(name: str) -> None:
    entries = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))
    assert list(entries) == [name]
    cohort = DownloadCohort.model_validate(entries[name])
    assert sum(cohort.expected.values()) == cohort.images == COUNTS[name]
    assert set(cohort.labels.values()) == set(cohort.expected)
    assert cohort.citation
    assert shard_count(cohort.images) == -(-COUNTS[name] // 1024)


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA is not set")
@pytest.mark.parametrize("name", COUNTS)
def test_entry_on_real_images(name: str) -> None:
    cohort = DownloadCohort.model_validate(yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))[name])
    root = local_root(cohort)
    if name == "hosseini":
        assert root is None  # its samples are a cohort of their own
        return
    assert root is not None
    listing = list_folder(root, cohort).images
    assert set(listing["label"].dropna()) == set(cohort.expected)
    counts = listing["label"].value_counts()
    assert all(counts[label] <= number for label, number in cohort.expected.items())


def test_samples_are_no_download_and_have_no_published_count() -> None:
    entries = yaml.safe_load((FOLDER / "hosseini_samples.yaml").read_text(encoding="utf-8"))
    cohort = FolderCohort.model_validate(entries["hosseini_samples"])
    assert (cohort.images, cohort.expected, cohort.optional) == (16, {}, True)
    whole = yaml.safe_load((FOLDER / "hosseini.yaml").read_text(encoding="utf-8"))["hosseini"]
    assert "local" not in whole and cohort.labels == whole["labels"]


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA is not set")
def test_samples_on_real_images() -> None:
    entry = yaml.safe_load((FOLDER / "hosseini_samples.yaml").read_text(encoding="utf-8"))["hosseini_samples"]
    cohort = FolderCohort.model_validate(entry)
    listing = list_folder(resolve_root(cohort.root), cohort).images
    assert len(listing) == 16 and listing["label"].value_counts().to_dict() == {
        "Early": 2,
        "Pre": 2,
        "Pro": 1,
        "Benign": 1,
    }


MASKED = {"zheng_wbc": 300, "bcisc": 268}


@pytest.mark.parametrize("name", [*MASKED, "allidb"])
def test_folder_entries(name: str) -> None:
    for entry in yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8")).values():
        cohort = FolderCohort.model_validate(entry)
        assert cohort.citation and cohort.labels


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA is not set")
@pytest.mark.parametrize("name", MASKED)
def test_masked_entry_on_real_images(name: str) -> None:
    entry = yaml.safe_load((FOLDER / f"{name}.yaml").read_text(encoding="utf-8"))[name]
    cohort = FolderCohort.model_validate(entry)
    listing = list_folder(resolve_root(cohort.root), cohort).images
    assert len(listing) == cohort.images == MASKED[name]
    assert listing["mask"].notna().all() and listing["label"].nunique() == 5
