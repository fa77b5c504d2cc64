"""Roots: variables and home folders, and when a local folder stands in for a download."""

import subprocess
import sys
from pathlib import Path

import pytest

from leukoflow.cohorts.roots import local_root, resolve_root
from leukoflow.config.cohorts import DownloadCohort
from leukoflow.core.errors import LeukoFlowError


def cohort(local: str | None) -> DownloadCohort:
    return DownloadCohort(kind="download", url="kaggle:a/b", local=local)


def test_variables_and_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "a [b] c" / "set"
    folder.mkdir(parents=True)
    monkeypatch.setenv("SMEARS", str(tmp_path / "a [b] c"))
    monkeypatch.setenv("NAME", "set")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve_root("${SMEARS}/${NAME}") == folder
    assert resolve_root("~/a [b] c") == folder.parent
    monkeypatch.chdir(folder)
    assert resolve_root(".") == Path()


def test_a_variable_is_not_expanded_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = tmp_path / "${OTHER}"
    odd.mkdir()
    monkeypatch.setenv("SMEARS", str(odd))
    assert resolve_root("${SMEARS}") == odd


@pytest.mark.parametrize("value", [None, ""])
def test_an_unset_variable_says_how_to_set_it(value: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SMEARS", raising=False)
    if value is not None:
        monkeypatch.setenv("SMEARS", value)
    with pytest.raises(LeukoFlowError, match=r"SMEARS is not set; export SMEARS="):
        resolve_root("${SMEARS}/set")
    assert local_root(cohort("${SMEARS}/set")) is None


def test_a_missing_folder_and_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LeukoFlowError, match="absent does not exist"):
        resolve_root(f"{tmp_path}/absent")
    with pytest.raises(LeukoFlowError, match="file is not a folder"):
        resolve_root(f"{tmp_path}/file")


def test_local_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SMEARS", str(tmp_path))
    assert local_root(cohort(None)) is None
    assert local_root(cohort("${SMEARS}")) == tmp_path
    with pytest.raises(LeukoFlowError, match=r"absent does not exist.*remove `local`"):
        local_root(cohort("${SMEARS}/absent"))


def test_the_workflow_can_import_it_quickly() -> None:
    code = "import sys, leukoflow.cohorts.roots; sys.exit('pandas' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_root_with_accents_is_found_in_either_form(tmp_path: Path) -> None:
    (tmp_path / "Donne\u0301es/a").mkdir(parents=True)
    folder = resolve_root(str(tmp_path / "Donn\u00e9es/a"))
    assert folder == tmp_path / "Donne\u0301es/a" and folder.is_dir()
