"""Images and masks that were changed after a study was done are named."""

import hashlib
from pathlib import Path

import pandas as pd
import pytest

from leukoflow import cli
from leukoflow.cohorts.watch import MASKS, record_of
from leukoflow.core.content import row_of, write_record
from leukoflow.core.files import write_json, write_table
from leukoflow.core.provenance import digests


@pytest.fixture
def results(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A finished study of one folder, two images and a mask, and of one that is drawn."""
    results, root = tmp_path / "results/mine", tmp_path / "smears"
    (root / "masks").mkdir(parents=True)
    for name in ("1.png", "2.png", "masks/1.png"):
        (root / name).write_bytes(name.encode())
    monkeypatch.setenv("SMEARS", str(root))
    rows = [(name, hashlib.sha256(name.encode()).hexdigest()) for name in ("1.png", "2.png")]
    table = pd.DataFrame(rows, columns=["path", "sha256"]).assign(image_id=["1.png", "2.png"])
    for name in ("own", "drawn"):
        write_table(results / f"cohorts/{name}/manifest.parquet", table)
    write_record(record_of(results, "own", MASKS), [row_of(root, "masks/1.png")])
    cohort = {"kind": "folder", "root": "${SMEARS}", "masks": {"path": "masks/{name}", "coding": "foreground"}}
    write_json(results / "study.json", {"cohorts": {"own": cohort, "drawn": {"kind": "synthetic"}}})
    write_json(results / "provenance.json", {"files": digests(results)})
    return results


def test_nothing_changed(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["verify", str(results)]) == 0
    assert "every file is as the study left it" in capsys.readouterr().out


def test_each_changed_file_is_named(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = results.parents[1] / "smears"
    (root / "1.png").write_bytes(b"9.png")
    (root / "2.png").unlink()
    (root / "masks/1.png").write_bytes(b"mended")
    assert cli.main(["verify", str(results)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == [f"changed  {root}/1.png", f"missing  {root}/2.png", f"changed  {root}/masks/1.png"]
    assert err == "3 files are not as the study left them\n"


def test_images_that_are_not_here_are_said_to_be_not_compared(
    results: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("SMEARS")
    assert cli.main(["verify", str(results)]) == 0
    assert capsys.readouterr().out.startswith("images of own are not here: not compared\n")
