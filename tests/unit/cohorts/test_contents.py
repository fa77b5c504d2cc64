"""Whether an unpacked download is still what its archive held."""

import csv
import hashlib
import os
from pathlib import Path

import pytest

from leukoflow.cohorts.contents import check_contents
from leukoflow.config.cohorts import DownloadCohort
from leukoflow.core.errors import LeukoFlowError

NAMES = ("a/1.png", "a/NA", "a/2.png")


@pytest.fixture
def unpacked(tmp_path: Path) -> Path:
    """A folder as it was unpacked, and the list of it next to it."""
    rows = []
    for name in NAMES:
        path = tmp_path / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
        rows.append((name, len(name), hashlib.sha256(name.encode()).hexdigest()))
    with open(tmp_path / "contents.csv", "w", newline="") as stream:
        csv.writer(stream).writerows([("path", "bytes", "sha256"), *rows])
    return tmp_path / "files"


def check(root: Path) -> None:
    cohort = DownloadCohort(kind="download", url="https://example.org/set.zip")
    check_contents(root, root.parent / "contents.csv", cohort)


def test_what_was_unpacked_is_accepted_touched_or_not(unpacked: Path) -> None:
    check(unpacked)
    os.utime(unpacked / "a/1.png", (1, 1))
    check(unpacked)


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda path: path.write_bytes(b"longer than before"), "has changed"),
        (lambda path: path.unlink(), "is missing"),
        (lambda path: path.with_name("3.png").write_bytes(b"x"), "has been added"),
        (lambda path: path.write_bytes(b"A/1.PNG"), "has changed"),
    ],
)
def test_an_edit_is_told_with_the_files_name_and_what_to_do(unpacked: Path, edit, words: str) -> None:
    edit(unpacked / "a/1.png")
    with pytest.raises(LeukoFlowError, match=rf"a/[13]\.png: {words}.* delete .*contents\.csv and run again"):
        check(unpacked)


def test_an_edit_of_equal_size_and_time_is_told(unpacked: Path) -> None:
    path = unpacked / "a/2.png"
    before = path.stat()
    path.write_bytes(b"A/2.PNG")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(LeukoFlowError, match=r"a/2\.png: has changed"):
        check(unpacked)
