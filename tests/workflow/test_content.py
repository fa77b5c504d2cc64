"""What is run again when images, masks and weights change in place."""

import hashlib
import json
import os
import time
from pathlib import Path

import pandas as pd
import pytest
import yaml

from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.steps import synthesise

from .conftest import Project, clone

# The first test waits for the whole run of the study.
pytestmark = [pytest.mark.workflow, pytest.mark.timeout(1800)]

MANIFEST, SCORES = "results/tiny/cohorts/smears/manifest.parquet", "results/tiny/segmenters/all/scores.csv"
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
    (made.folder / "tiny.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    run(made)
    return made


def run(project: Project) -> None:
    done = project.snakemake(MANIFEST, SCORES)
    assert done.returncode == 0, done.stdout[-4000:]


def planned(project: Project) -> set[str]:
    return set(project.planned(MANIFEST, SCORES))


def is_planned(project: Project, *starts: str) -> None:
    """The jobs planned are those whose messages start so, and no others."""
    messages = planned(project)
    assert len(messages) == len(starts), messages
    assert all(any(message.startswith(start) for message in messages) for start in starts), messages


def images(project: Project) -> list[Path]:
    return sorted((project.folder / "smears/images").rglob("*.*"))


def masks(project: Project) -> list[Path]:
    return sorted((project.folder / "smears/masks").rglob("*.png"))


def swap(first: Path, second: Path, keep_times: bool = False) -> None:
    """Exchange what two files hold."""
    before = [path.stat() for path in (first, second)]
    contents = [path.read_bytes() for path in (first, second)]
    for path, data, status in zip((first, second), reversed(contents), before, strict=True):
        path.write_bytes(data)
        if keep_times:
            os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def digest(project: Project) -> list[str]:
    return pd.read_parquet(project.folder / MANIFEST)["sha256"].tolist()


def test_nothing_is_done_twice_nor_after_a_touch(smears: Project) -> None:
    assert planned(smears) == set()
    for path in (images(smears)[0], masks(smears)[0]):
        path.touch()
    assert planned(smears) == set()
    time.sleep(2.1)  # until the times of the files tell them from a next version
    assert planned(smears) == set()
    run(smears)
    assert planned(smears) == set()


def test_a_copy_of_the_tree_is_what_it_was(smears: Project) -> None:
    root = smears.folder / "smears"
    copied = root.with_name("copied")
    assert not os.system(f"cp -r '{root}' '{copied}'")
    root.rename(root.with_name("old"))
    copied.rename(root)
    try:
        assert planned(smears) == set()
    finally:
        root.rename(copied)
        root.with_name("old").rename(root)


@pytest.mark.parametrize("keep_times", [False, True], ids=["now", "keeping times"])
def test_an_overwritten_image_is_measured_again_with_its_shard_alone(smears: Project, keep_times: bool) -> None:
    path = images(smears)[2]
    before, status, digests = path.read_bytes(), path.stat(), digest(smears)
    path.write_bytes(images(smears)[20].read_bytes())
    if keep_times:
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    is_planned(smears, MEASURED[0], *GATHERED, *MASKS)
    run(smears)
    changed = digest(smears)
    assert changed[2] == hashlib.sha256(path.read_bytes()).hexdigest() == changed[20] != digests[2]
    assert [*changed[:2], *changed[3:]] == [*digests[:2], *digests[3:]]
    assert planned(smears) == set()
    path.write_bytes(before)
    is_planned(smears, MEASURED[0], *GATHERED, *MASKS)
    run(smears)
    assert digest(smears) == digests
    assert planned(smears) == set()


def emptied(path: Path) -> None:
    """Replace a mask with one that was saved as another file and moved over it, as editors do."""
    import cv2
    import numpy as np

    other = path.with_name("saving.png")
    cv2.imwrite(str(other), np.zeros_like(cv2.imread(str(path), cv2.IMREAD_UNCHANGED)))
    other.replace(path)


def test_a_mended_mask_changes_the_scores_and_measures_no_image(smears: Project) -> None:
    before, kept = (smears.folder / SCORES).read_text(), {path: path.read_bytes() for path in masks(smears)}
    for path in masks(smears)[::2]:
        emptied(path)
    is_planned(smears, *MASKS)
    run(smears)
    assert (smears.folder / SCORES).read_text() != before
    assert planned(smears) == set()
    for path, data in kept.items():
        path.write_bytes(data)
    run(smears)
    assert (smears.folder / SCORES).read_text() == before
    assert planned(smears) == set()


def test_masks_that_changed_places_with_their_times_kept_are_noticed(smears: Project) -> None:
    first, second = masks(smears)[:2]
    swap(first, second, keep_times=True)
    is_planned(smears, *MASKS)
    swap(first, second)
    assert planned(smears) == set()


def add_image(project: Project) -> Path:
    path = images(project)[0].with_name(f"zz{images(project)[0].suffix}")
    path.write_bytes(images(project)[0].read_bytes())
    return path


def add_file(project: Project) -> Path:
    path = images(project)[0].with_name("notes.txt")
    path.write_text("no image")
    return path


def test_an_added_or_removed_image_is_listed_and_a_note_is_not(smears: Project) -> None:
    everything = ["Listing the images of smears", *MEASURED, *GATHERED, *MASKS]
    for add, jobs in ((add_image, everything), (add_file, [])):
        path = add(smears)
        is_planned(smears, *jobs)
        path.unlink()
        assert planned(smears) == set()
    gone = images(smears)[5]
    gone.rename(smears.folder / "aside.png")
    is_planned(smears, *everything)
    (smears.folder / "aside.png").rename(gone)
    assert planned(smears) == set()


def test_a_removed_mask_is_noticed(smears: Project) -> None:
    gone = masks(smears)[5]
    gone.rename(smears.folder / "aside.png")
    assert "Listing the images of smears" in planned(smears)
    (smears.folder / "aside.png").rename(gone)
    assert planned(smears) == set()


def test_jobs_that_parse_the_workflow_again_do_not_look(smears: Project) -> None:
    """Marks are for the one process that compares them: the jobs of a cluster would each walk through all files."""
    image = images(smears)[0]
    before = image.read_bytes()
    image.write_bytes(images(smears)[1].read_bytes())
    try:
        done = smears.snakemake("--dry-run", "--mode", "remote", MANIFEST, SCORES)
        assert done.returncode == 0, done.stdout
        assert "Decoding" not in done.stdout
    finally:
        image.write_bytes(before)


def test_a_table_counts_by_what_is_listed_of_it(smears: Project) -> None:
    config = yaml.safe_load((smears.folder / "tiny.yaml").read_text())
    names = [path.relative_to(smears.folder / "smears").as_posix() for path in images(smears)]
    table = pd.DataFrame({"path": names, "label": [name.split("/")[1] for name in names], "remark": "none"})
    target = smears.folder / "smears/table.csv"
    table.to_csv(target, index=False)
    config["study"] = "tabled"
    config["cohorts"]["smears"] |= {"table": "table.csv"}
    (smears.folder / "tabled.yaml").write_text(yaml.safe_dump(config))
    manifest = MANIFEST.replace("tiny", "tabled")
    assert smears.snakemake(manifest, config="tabled.yaml").returncode == 0

    def jobs() -> list[str]:
        return smears.planned(manifest, config="tabled.yaml")

    assert jobs() == []
    table.assign(remark="seen").to_csv(target, index=False)
    assert jobs() == []
    status = target.stat()
    table.assign(label=table["label"].iloc[::-1].to_numpy()).to_csv(target, index=False)
    os.utime(target, ns=(1, 1))  # older than the results
    assert jobs()[0].startswith("Listing the images")
    assert status.st_mtime_ns > 1


def write_weights(path: Path, value: float) -> None:
    """A safetensors file of one number."""
    import numpy as np
    from safetensors.numpy import save_file

    save_file({"x": np.array([value], np.float32)}, path)


def test_other_weights_train_again_and_touched_ones_do_not(project: Project) -> None:
    """Planned on the finished study: a model that is said to have started from a file."""
    file = project.folder / "start.safetensors"
    write_weights(file, 1)
    config = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    config["models"]["resnet50_hmscam"]["weights"] = str(file)
    (project.folder / "started.yaml").write_text(yaml.safe_dump(config))
    training = "results/tiny/runs/demo.subtype.plain.patient.resnet50_hmscam.fold0.seed42/weights.safetensors"

    def state() -> str:
        """What Snakemake compares of the file."""
        done = project.snakemake("--dry-run", "--printshellcmds", training, config="started.yaml")
        assert done.returncode == 0, done.stdout
        records = sorted((project.folder / ".snakemake/leukoflow/weights").glob("*.parquet"))
        assert len(records) == 1
        return str(pd.read_parquet(records[0])["sha256"].iloc[0])

    first = state()
    assert first == hashlib.sha256(file.read_bytes()).hexdigest()
    os.utime(file, (1, 1))
    assert state() == first
    write_weights(file, 2)
    os.utime(file, (1, 1))
    assert state() == hashlib.sha256(file.read_bytes()).hexdigest() != first


def test_what_is_known_of_files_is_no_result(smears: Project) -> None:
    """Times differ from run to run; results are the same bytes."""
    from leukoflow.core.provenance import digests

    assert (smears.results / ".content/smears.000.parquet").is_file()
    assert not any(name.startswith(".content") for name in digests(smears.results))
    assert json.loads((smears.folder / ".snakemake/leukoflow/marks/tiny.smears.json").read_text())
