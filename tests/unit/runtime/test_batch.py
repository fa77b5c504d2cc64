"""What `predict` is asked about: the same files that a cohort of the folder would have."""

from pathlib import Path

import pytest

from leukoflow.cohorts.folder import list_folder
from leukoflow.config.cohorts import Files
from leukoflow.core.errors import LeukoFlowError
from leukoflow.runtime.batch import listed


def plant(root: Path, *paths: str) -> None:
    for path in paths:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).touch()


def test_a_folder_is_walked_as_a_cohort_is(tmp_path: Path) -> None:
    plant(tmp_path, "in/a/1.jpg", "in/a/._1.jpg", "in/__MACOSX/a/2.jpg", "in/.ipynb_checkpoints/1-checkpoint.jpg")
    plant(tmp_path, "in/a/3.jfif", "in/notes.txt", "in/4.heic", "in/Thumbs.db", "elsewhere/5.png")
    root = tmp_path / "in"
    (root / "loop").symlink_to(root)
    (root / "linked").symlink_to(tmp_path / "elsewhere")
    files, left_out = listed([root])
    assert files == [str(root / name) for name in ("a/1.jpg", "a/3.jfif", "linked/5.png")]
    assert [Path(path).relative_to(root).as_posix() for path in files] == list_folder(root, Files()).images[
        "path"
    ].tolist()
    assert left_out == {
        "hidden, or left by a system or editor": 4,
        "no image by its name (.txt)": 1,
        ".heic images are not read; convert them to PNG or TIFF": 1,
    }


def test_files_given_are_taken_as_they_are_and_once(tmp_path: Path) -> None:
    plant(tmp_path, "a/1.jpg", "scan.001")
    files, left_out = listed([tmp_path / "scan.001", tmp_path / "a/1.jpg", tmp_path / "a"])
    assert files == [str(tmp_path / "scan.001"), str(tmp_path / "a/1.jpg")] and not left_out


def test_pictures_that_were_made_here_are_not_asked_about(tmp_path: Path) -> None:
    plant(tmp_path, "1.jpg", "shown/1.0123abcd.jpg")
    files, left_out = listed([tmp_path], tmp_path / "shown")
    assert files == [str(tmp_path / "1.jpg")] and sum(left_out.values()) == 1


def test_nothing_to_ask_about_is_an_error(tmp_path: Path) -> None:
    plant(tmp_path, "__MACOSX/1.jpg")
    with pytest.raises(LeukoFlowError, match="holds no image"):
        listed([tmp_path])
    with pytest.raises(LeukoFlowError, match="no such file or folder"):
        listed([tmp_path / "gone"])
