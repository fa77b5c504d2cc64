"""Marks of a cohort: they change with what steps would read, and with nothing else."""

import hashlib
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from leukoflow.cohorts.folder import list_folder
from leukoflow.cohorts.watch import ACCOUNT, LISTING, MASKS, Cohort, keep, marks
from leukoflow.config.cohorts import DownloadCohort, FolderCohort
from leukoflow.core import content
from leukoflow.core.content import row_of, stamp, write_record
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_table
from leukoflow.core.shards import shard_slice

SHARDS = ("000", "001")
NONE = dict.fromkeys((LISTING, ACCOUNT, *SHARDS, MASKS), "")
NAMES = [f"{label}/{number}.png" for label in ("Benign", "Pre") for number in range(3)]


@pytest.fixture(autouse=True)
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are taken for settled at once."""
    monkeypatch.setattr(content, "_SETTLED_NS", 0)


@pytest.fixture
def cohort(tmp_path: Path) -> Cohort:
    """A cohort of six images with masks and a table, as it is after its steps have run."""
    root = tmp_path / "root"
    for name in NAMES:
        for kind in ("images", "masks"):
            (root / kind / name).parent.mkdir(parents=True, exist_ok=True)
            (root / kind / name).write_bytes(f"{kind} {name}".encode())
    settings = {"kind": "folder", "root": str(root), "folder": "images"}
    settings |= {"masks": {"path": "masks/{folder}/{name}", "coding": "instances"}}
    made = Cohort("smears", tmp_path / "results", root, FolderCohort.model_validate(settings), None, SHARDS)
    ran(made)
    return made


def ran(cohort: Cohort) -> None:
    """What the steps leave."""
    listed = list_folder(cohort.root, cohort.files)
    listing = listed.images
    write_table(cohort.listing, listing)
    write_table(cohort.left_out, listed.left_out)
    half = len(listing) // 2
    parts = {"000": listing[:half], "001": listing[half:], MASKS: listing[listing["mask"].notna()]}
    for reader, rows in parts.items():
        paths = rows["mask" if reader == MASKS else "path"]
        write_record(cohort.record(reader), [row_of(cohort.root, path) for path in paths])
        write_table(cohort.readers[reader], rows)


def memory(cohort: Cohort) -> Path:
    return cohort.results / "marks.json"


def changed(cohort: Cohort) -> set[str]:
    """Names of the marks that are not those of the last start."""
    marked = marks(cohort, memory(cohort))
    assert marked == marks(cohort, memory(cohort))  # the same until something changes again
    return {reader for reader, mark in marked.items() if mark != started.get(reader, "")}


started: dict[str, str] = {}


@pytest.fixture(autouse=True)
def forget() -> None:
    started.clear()


def start(cohort: Cohort) -> None:
    """A start that keeps its marks, and its run."""
    marked = marks(cohort, memory(cohort))
    keep(memory(cohort), marked)
    started.update(marked)
    ran(cohort)


def test_nothing_has_changed_at_first_nor_before_anything_ran(cohort: Cohort) -> None:
    assert marks(cohort, memory(cohort)) == NONE
    shutil.rmtree(cohort.results)
    assert marks(cohort, memory(cohort)) == NONE


@pytest.mark.parametrize(
    ("edit", "readers"),
    [
        (lambda root: (root / "images/Benign/1.png").write_bytes(b"other"), {"000"}),
        (lambda root: (root / "images/Pre/1.png").write_bytes(b"other"), {"001"}),
        (lambda root: (root / "masks/Pre/1.png").write_bytes(b"other"), {MASKS}),
        (lambda root: (root / "masks/Pre/1.png").unlink(), {MASKS, LISTING, ACCOUNT, "001"}),
        (lambda root: (root / "images/Pre/9.png").write_bytes(b"new"), {LISTING, "001"}),
        (lambda root: (root / "images/A.png").write_bytes(b"new"), {LISTING, *SHARDS}),
        (lambda root: (root / "images/Pre/1.png").unlink(), {LISTING, ACCOUNT, *SHARDS}),
        (lambda root: (root / "images/Pre").rename(root / "images/Pro"), {LISTING, ACCOUNT, "001"}),
        (lambda root: os.utime(root / "images/Pre/1.png"), set()),
        (lambda root: (root / "images/Pre/Thumbs.db").write_bytes(b"x"), {ACCOUNT}),
        (lambda root: (root / "elsewhere.png").write_bytes(b"x"), set()),
        (lambda root: (root / "masks/Pre/unused.png").write_bytes(b"x"), set()),
    ],
)
def test_the_steps_that_read_what_changed_are_marked_and_no_others(cohort: Cohort, edit, readers: set[str]) -> None:
    edit(cohort.root)
    assert changed(cohort) == readers
    start(cohort)
    assert changed(cohort) == set()


def test_a_change_that_is_undone_before_a_run_is_none(cohort: Cohort) -> None:
    path = cohort.root / "images/Pre/1.png"
    data = path.read_bytes()
    path.write_bytes(b"other")
    assert changed(cohort) == {"001"}
    path.write_bytes(data)
    assert changed(cohort) == set()


def test_back_to_an_earlier_content_is_a_change_after_a_run(cohort: Cohort) -> None:
    """The mark of the first content and the second are met again; each time the step has read the other one."""
    path = cohort.root / "images/Pre/1.png"
    for data in (b"one", b"two", b"one", b"two"):
        path.write_bytes(data)
        assert changed(cohort) == {"001"}
        start(cohort)
        assert changed(cohort) == set()


def test_a_run_that_did_not_come_to_the_step_leaves_it_marked(cohort: Cohort) -> None:
    (cohort.root / "images/Pre/1.png").write_bytes(b"other")
    keep(memory(cohort), marks(cohort, memory(cohort)))  # started, and ended before the step ran
    assert changed(cohort) == {"001"}


def test_a_damaged_memory_is_none(cohort: Cohort) -> None:
    (cohort.root / "images/Pre/1.png").write_bytes(b"other")
    start(cohort)
    memory(cohort).write_text("[")
    assert marks(cohort, memory(cohort)) == NONE


def test_a_table_counts_by_what_is_listed_of_it(cohort: Cohort) -> None:
    table = pd.DataFrame({"path": [f"images/{name}" for name in NAMES], "label": "x", "remark": "none"})
    target = cohort.root / "table.csv"
    table.to_csv(target, index=False)
    cohort = replace(cohort, files=cohort.files.model_copy(update={"table": "table.csv"}))
    ran(cohort)
    table.assign(remark="seen").to_csv(target, index=False)
    assert changed(cohort) == set()
    table.assign(label=["y", *"xxxxx"]).to_csv(target, index=False)
    os.utime(target, (1, 1))
    assert changed(cohort) == {LISTING, "000"}


def test_a_listing_that_was_renewed_before_its_images_were_measured_leaves_them_marked(cohort: Cohort) -> None:
    """As after a run that ended there, or a file that came between the start and the listing."""
    (cohort.root / "images/Pre/9.png").write_bytes(b"new")
    write_table(cohort.listing, list_folder(cohort.root, cohort.files).images)
    assert changed(cohort) == {"001"}


def test_a_folder_that_is_gone_is_left_to_the_step_to_tell(cohort: Cohort) -> None:
    (cohort.root / "images").rename(cohort.root / "pictures")
    assert LISTING in changed(cohort)


def test_an_edited_download_stops_at_once(cohort: Cohort) -> None:
    contents = cohort.results.parent / "contents.csv"
    paths = sorted(path for path in cohort.root.rglob("*") if path.is_file())
    rows = [
        (path.relative_to(cohort.root).as_posix(), path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest())
        for path in paths
    ]
    pd.DataFrame(rows, columns=["path", "bytes", "sha256"]).to_csv(contents, index=False)
    facts = cohort.files.model_dump(exclude={"kind", "root", "optional", "left_out"}) | {
        "kind": "download",
        "url": "https://example.org/x.zip",
    }
    cohort = replace(cohort, files=DownloadCohort.model_validate(facts), contents=contents)
    assert changed(cohort) == set()
    (cohort.root / "masks/Pre/1.png").write_bytes(b"MASKS PRE/1.PNG"[: len("masks Pre/1.png")])
    with pytest.raises(LeukoFlowError, match=r"masks/Pre/1\.png: has changed since it was unpacked; delete .*contents"):
        marks(cohort, memory(cohort))


def test_a_hundred_thousand_files_are_looked_at_in_seconds(tmp_path: Path) -> None:
    """Processor time, so that a busy machine does not count. Names of few files stand for as many files."""
    count, names = 100_000, [f"{number:02d}" for number in range(98)]
    root = tmp_path / "root"
    for number in range(count):
        path = root / f"{number // 1000:02d}" / f"{number:05d}.png"
        if number % 1000 == 0:
            path.parent.mkdir(parents=True)
        if number < 2:
            path.write_bytes(b"x")
        else:  # no file has more than 65,000 names
            os.link(root / f"00/{number % 2:05d}.png", path)
    files = FolderCohort(kind="folder", root=str(root))
    cohort = Cohort("many", tmp_path / "results", root, files, None, tuple(names))
    listed = list_folder(root, files)
    listing = listed.images
    write_table(cohort.listing, listing)
    write_table(cohort.left_out, listed.left_out)
    stamps = {path: stamp(root / path) for path in listing["path"]}
    for shard, reader in enumerate(names):
        rows = listing.iloc[shard_slice(count, shard, len(names))]
        write_record(cohort.record(reader), [(path, stamps[path], "0" * 64) for path in rows["path"]])
        write_table(cohort.readers[reader], rows)
    before = time.process_time()
    marked = marks(cohort, memory(cohort))
    assert time.process_time() - before < 9
    assert set(marked.values()) == {""}  # as no digest is that of the files, none was read
