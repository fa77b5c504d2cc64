"""The ready entries hold what their sources say, and fit the images that are at hand."""

import os

import pytest

from leukoflow.cohorts.folder import list_folder
from leukoflow.cohorts.roots import local_root, resolve_root
from leukoflow.config.cohorts import DownloadCohort, FolderCohort
from leukoflow.config.ready import entries
from leukoflow.core.shards import shard_count

COUNTS = {"taleqani": 3256, "hosseini": 3242, "pbc": 17092}


@pytest.mark.parametrize("name", COUNTS)
def test_entry(name: str) -> None:
    cohort = DownloadCohort.model_validate(entries()[name])
    assert sum(cohort.expected.values()) == cohort.images == COUNTS[name]
    assert set(cohort.labels.values()) == set(cohort.expected)
    assert cohort.citation
    assert shard_count(cohort.images) == -(-COUNTS[name] // 1024)


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA is not set")
@pytest.mark.parametrize("name", COUNTS)
def test_entry_on_real_images(name: str) -> None:
    cohort = DownloadCohort.model_validate(entries()[name])
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
    cohort = FolderCohort.model_validate(entries()["hosseini_samples"])
    assert (cohort.images, cohort.expected, cohort.optional) == (16, {}, True)
    whole = entries()["hosseini"]
    assert "local" not in whole and cohort.labels == whole["labels"]


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA is not set")
def test_samples_on_real_images() -> None:
    cohort = FolderCohort.model_validate(entries()["hosseini_samples"])
    listing = list_folder(resolve_root(cohort.root), cohort).images
    assert len(listing) == 16 and listing["label"].value_counts().to_dict() == {
        "Early": 2,
        "Pre": 2,
        "Pro": 1,
        "Benign": 1,
    }


MASKED = {"zheng_wbc": 300, "bcisc": 268}


@pytest.mark.parametrize("name", [*MASKED, "allidb1", "allidb2"])
def test_folder_entries(name: str) -> None:
    cohort = FolderCohort.model_validate(entries()[name])
    assert cohort.citation and cohort.labels


def test_only_experts_masks_can_be_trained_on() -> None:
    masks = {name: entry["masks"] for name, entry in entries().items() if "masks" in entry}
    assert {name for name, mask in masks.items() if mask.get("expert", True)} == {*MASKED, "allidb2"}
    assert masks["taleqani"]["expert"] is False  # a threshold of the archive's own


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA is not set")
@pytest.mark.parametrize("name", MASKED)
def test_masked_entry_on_real_images(name: str) -> None:
    cohort = FolderCohort.model_validate(entries()[name])
    listing = list_folder(resolve_root(cohort.root), cohort).images
    assert len(listing) == cohort.images == MASKED[name]
    assert listing["mask"].notna().all() and listing["label"].nunique() == 5
