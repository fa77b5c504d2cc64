"""One walk for cohorts and for `predict`: every file once, and what systems leave told apart."""

import os
from pathlib import Path

import pytest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.walk import is_picture, walk, why_not


def plant(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def met(root: Path) -> dict[str, list[str]]:
    """Paths by what they are."""
    by_kind: dict[str, list[str]] = {"files": [], "litter": [], "special": []}
    for level in walk(root):
        for kind, paths in by_kind.items():
            paths += [(Path(level.folder) / name).as_posix() for name in getattr(level, kind)]
    return by_kind


def test_every_file_is_met_once_and_litter_is_told_apart(tmp_path: Path) -> None:
    files = ["1.jpg", "a/2.JFIF", "a/b/notes.txt", "a/#1.jpg"]
    litter = ["a/._2.jpg", "a/.ipynb_checkpoints/2.jpg", "__MACOSX/a/deep/._2.jpg", "a/Thumbs.db", "a/2.jpg~"]
    litter += ["@eaDir/x/SYNOPHOTO_THUMB_XL.jpg", ".git/objects/ab/1", "a/~$list.xlsx", "desktop.ini"]
    plant(tmp_path, *files, *litter)
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "itself.jpg").symlink_to("itself.jpg")
    by_kind = met(tmp_path)
    assert sorted(by_kind["files"]) == sorted(files)
    assert sorted(by_kind["litter"]) == sorted(litter)
    assert sorted(by_kind["special"]) == ["itself.jpg", "pipe.jpg"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    plant(tmp_path, "root/real/1.jpg", "elsewhere/2.jpg")
    root = tmp_path / "root"
    (root / "a_loop").symlink_to(root)
    (root / "again").symlink_to(root / "real")
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    (root / "real/gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    assert sorted(met(root)["files"]) == ["linked/2.jpg", "real/1.jpg", "real/gone.jpg"]


def test_a_closed_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "a/1.jpg")
    scandir = os.scandir

    def closed(path: Path) -> object:
        if Path(path).name == "a":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    monkeypatch.setattr(os, "scandir", closed)
    with pytest.raises(LeukoFlowError, match=r"a: cannot be read \(Permission denied\)"):
        met(tmp_path)


def test_a_million_names_are_not_asked_for_their_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of folders alone is asked for: one call a folder."""
    plant(tmp_path, *(f"a/{number}.jpg" for number in range(50)))
    asked: list[str] = []
    stat = Path.stat
    monkeypatch.setattr(Path, "stat", lambda self, **kind: asked.append(str(self)) or stat(self, **kind))
    assert len(met(tmp_path)["files"]) == 50
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("x.HEIC", ".heic images are not read"),
        ("x.svs", "convert them"),
        ("x.txt", "no image by its name (.txt)"),
        ("scan.001", "(no known suffix)"),
        ("README", "(no known suffix)"),
    ],
)
def test_names_that_are_no_images(name: str, reason: str) -> None:
    assert not is_picture(name) and reason in why_not(name)
    assert all(map(is_picture, ("x.jfif", "x.JPE", "x.dib", "x.tiff")))
