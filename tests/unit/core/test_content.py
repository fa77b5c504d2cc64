"""Whether files still hold what was read: stamps, records, and what is read again."""

import os
from pathlib import Path

import pytest

from leukoflow.core import content
from leukoflow.core.content import changes, digest, row_of, stamp, write_record

NAMES = ("a.png", "b/c.png", "gone.png")


@pytest.fixture(autouse=True)
def long_ago(monkeypatch: pytest.MonkeyPatch) -> None:
    """Files are taken for settled at once, except in the test of that."""
    monkeypatch.setattr(content, "_SETTLED_NS", 0)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "files/b").mkdir(parents=True)
    for name in NAMES[:2]:
        (tmp_path / "files" / name).write_bytes(b"12345")
    return tmp_path / "files"


@pytest.fixture
def record(root: Path) -> Path:
    path = root.parent / "record.parquet"
    write_record(path, [row_of(root, name) for name in NAMES])
    return path


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the files that are read."""
    names: list[str] = []

    def counted(path: str | Path) -> str:
        names.append(Path(path).name)
        return digest(path)

    monkeypatch.setattr(content, "digest", counted)
    return names


def keeping_times(path: Path, data: bytes) -> None:
    """Overwrite a file and set its times back, as `cp -p` and `rsync -t` do."""
    before = path.stat()
    path.write_bytes(data)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def test_nothing_changed_and_nothing_is_read(root: Path, record: Path, read: list[str]) -> None:
    before = record.stat().st_mtime_ns
    assert changes([record], root) == [""]
    assert read == []
    assert record.stat().st_mtime_ns == before


def test_a_touched_file_is_read_once(root: Path, record: Path, read: list[str]) -> None:
    os.utime(root / "a.png", (1, 1))
    assert changes([record], root) == [""]
    assert changes([record], root) == [""]
    assert read == ["a.png"]


def replaced_by_rename(path: Path) -> None:
    before = path.stat()
    other = path.with_suffix(".new")
    other.write_bytes(b"54321")
    os.utime(other, ns=(before.st_atime_ns, before.st_mtime_ns))
    other.replace(path)


def linked_elsewhere(path: Path) -> None:
    path.with_suffix(".other").write_bytes(b"54321")
    path.unlink()
    path.symlink_to(path.with_suffix(".other"))


@pytest.mark.parametrize(
    "edit",
    [
        lambda path: path.write_bytes(b"54321"),
        lambda path: path.write_bytes(b"123456"),
        lambda path: keeping_times(path, b"54321"),
        lambda path: path.unlink(),
        replaced_by_rename,
        linked_elsewhere,
    ],
    ids=["same size", "other size", "same size and time", "removed", "renamed over, same size and time", "link"],
)
def test_every_edit_is_a_change_until_it_is_undone(root: Path, record: Path, edit) -> None:
    edit(root / "b/c.png")
    first = changes([record], root)
    assert len(first[0]) == 16
    assert changes([record], root) == first
    (root / "b/c.png").unlink(missing_ok=True)
    (root / "b/c.png").write_bytes(b"12345")
    assert changes([record], root) == [""]


def test_a_file_that_comes_is_a_change(root: Path, record: Path) -> None:
    (root / "gone.png").write_bytes(b"")
    assert changes([record], root) != [""]


def test_other_contents_are_other_changes(root: Path, record: Path) -> None:
    digests = set()
    for data in (b"54321", b"11111"):
        (root / "a.png").write_bytes(data)
        digests.add(changes([record], root)[0])
    assert len(digests) == 2


def test_only_the_record_of_the_changed_file_is_told(root: Path, record: Path) -> None:
    other = record.with_name("other.parquet")
    write_record(other, [row_of(root, "a.png")])
    (root / "b/c.png").write_bytes(b"54321")
    first, second = changes([record, other], root)
    assert first and not second


@pytest.mark.parametrize("damage", [lambda path: path.unlink(), lambda path: path.write_bytes(b"PAR1")])
def test_a_lost_record_is_another_change_each_time(root: Path, record: Path, damage) -> None:
    damage(record)
    assert changes([record], root) != changes([record], root) != [""]


def test_a_file_written_a_moment_ago_is_read_again(
    root: Path, record: Path, read: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two versions within one tick of the clock have the same times."""
    monkeypatch.setattr(content, "_SETTLED_NS", 10**12)
    (root / "a.png").write_bytes(b"54321")
    assert stamp(root / "a.png") == content.UNSETTLED
    write_record(record, [("a.png", stamp(root / "a.png"), digest(root / "a.png"))])
    assert changes([record], root) == [""]
    assert "a.png" in read
