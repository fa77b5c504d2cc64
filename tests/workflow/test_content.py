"""What is run again when images, masks and weights change in place."""

import hashlib
import os
import shutil
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
import yaml

from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.core.provenance import digests
from leukoflow.models import registry
from leukoflow.models.inference import save_tensors
from leukoflow.steps import synthesise

from .conftest import Project, clone

# The first test waits for a run.
pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1800)]

MANIFEST, SCORES = "results/tiny/cohorts/smears/manifest.parquet", "results/tiny/segmenters/all/scores.csv"
TRAINED = "results/tiny/runs/smears.subtype.plain.image.resnet50_hmscam.fold0.seed42/weights.safetensors"
MEASURED = [f"Decoding and measuring smears, shard 00{shard}" for shard in range(3)]
GATHERED = ["Gathering the manifest of smears", "Looking for duplicates"]
MASKS = ["Reading the masks of smears", "Training the segmenter on sources: all", "Holding the segmenter (all) against"]
SETTINGS = {"kind": "synthetic", "images": 24, "size": 96, "patients": 12, "seed": 5}


@pytest.fixture(scope="module")
def smears(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose only cohort is a folder of drawn images in three shards, run up to its segmenter's scores."""
    made = clone(tmp_path_factory.mktemp("smears"))
    root = made.folder / "smears"
    cohort = SyntheticCohort.model_validate(SETTINGS).model_dump_json()
    listing = str(made.folder / "drawn.parquet")
    synthesise.main(["--settings", cohort, "--shard", "0", "--shards", "1", "--root", str(root), "--output", listing])
    study = yaml.safe_load((made.folder / "tiny.yaml").read_text())
    study["cohorts"] = {"smears": {"kind": "folder", "root": str(root), "folder": "images", "images": 3000}}
    study["cohorts"]["smears"] |= {"masks": {"path": "masks/{folder}/{stem}.png", "coding": "instances"}}
    study["segmentation"] |= {"method": "threshold", "sources": ["smears"]}
    study["experiments"]["subtype"] |= {"cohort": "smears", "external": [], "protocols": ["image"]}
    study["models"]["resnet50_hmscam"]["weights"] = str(made.folder / "start.safetensors")
    (made.folder / "tiny.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    write_weights(made.folder / "start.safetensors", 1)
    run(made, MANIFEST, SCORES)
    return made


def write_weights(file: Path, factor: float) -> None:
    tensors = registry.build("resnet50_hmscam", 4, "small").state_dict()
    save_tensors(
        file, {name: tensor * factor if tensor.is_floating_point() else tensor for name, tensor in tensors.items()}
    )


def run(project: Project, *targets: str) -> None:
    done = project.snakemake(*targets)
    assert done.returncode == 0, done.stdout[-4000:]


def is_planned(project: Project, *starts: str) -> None:
    """The jobs planned are those whose messages start so, and no others."""
    messages = set(project.planned(MANIFEST, SCORES))
    assert len(messages) == len(starts), messages
    assert all(any(message.startswith(start) for message in messages) for start in starts), messages


def images(project: Project) -> list[Path]:
    return sorted((project.folder / "smears/images").rglob("*.*"))


def masks(project: Project) -> list[Path]:
    return sorted((project.folder / "smears/masks").rglob("*.*"))


def overwrite(path: Path, data: bytes) -> None:
    """Write and set the times back, as `cp -p` and `rsync -t` do."""
    status = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def test_a_copy_of_the_tree_with_other_times_is_what_it_was(smears: Project) -> None:
    root = smears.folder / "smears"
    shutil.copytree(root, root.with_name("copied"), copy_function=shutil.copy)
    shutil.rmtree(root)
    root.with_name("copied").rename(root)
    (root / "images/notes.txt").write_text("no image")
    is_planned(smears)


def test_an_overwritten_image_is_measured_again_with_its_shard_alone(smears: Project) -> None:
    path, other = images(smears)[2], images(smears)[20]
    before = pd.read_parquet(smears.folder / MANIFEST)["sha256"].tolist()
    overwrite(path, other.read_bytes())
    is_planned(smears, MEASURED[0], *GATHERED, *MASKS)
    # Marks are for the one process that compares them: each job of a cluster would walk through all files.
    done = smears.snakemake("--dry-run", "--mode", "remote", MANIFEST, SCORES)
    assert done.returncode == 0 and "Decoding" not in done.stdout, done.stdout
    run(smears, MANIFEST, SCORES)
    after = pd.read_parquet(smears.folder / MANIFEST)["sha256"].tolist()
    assert after[2] == hashlib.sha256(path.read_bytes()).hexdigest() == after[20] != before[2]
    assert [*after[:2], *after[3:]] == [*before[:2], *before[3:]]
    is_planned(smears)


def test_a_mended_mask_changes_the_scores_and_measures_no_image(smears: Project) -> None:
    before = (smears.folder / SCORES).read_text()
    for path in masks(smears)[::2]:  # saved as another file and moved over it, as editors do
        saved = path.with_name(f"saving{path.suffix}")
        shutil.copy(path, saved)
        cv2.imwrite(str(saved), np.zeros_like(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))
        saved.replace(path)
    is_planned(smears, *MASKS)
    run(smears, MANIFEST, SCORES)
    assert (smears.folder / SCORES).read_text() != before
    is_planned(smears)


def test_an_added_image_is_listed(smears: Project) -> None:
    path = images(smears)[0]
    added = path.with_name(f"zz{path.suffix}")
    shutil.copy(path, added)
    is_planned(smears, "Listing the images of smears", *MEASURED, *GATHERED, *MASKS)
    added.unlink()
    is_planned(smears)


def test_other_weights_train_again_and_touched_ones_do_not(smears: Project) -> None:
    file = smears.folder / "start.safetensors"
    run(smears, TRAINED)
    os.utime(file)
    assert smears.planned(TRAINED) == []
    write_weights(file, 0.5)
    os.utime(file, (1, 1))  # older than what was trained
    (message,) = smears.planned(TRAINED)
    assert message.startswith("Training resnet50_hmscam")


def test_what_is_known_of_files_is_no_result(smears: Project) -> None:
    """Times differ from run to run; results are the same bytes."""
    assert (smears.results / ".content/smears.000.parquet").is_file()
    assert not any(".content" in name for name in digests(smears.results))
