"""The record of where results are from, and what it finds changed."""

import hashlib
import json
import subprocess
from pathlib import Path

import pandas as pd
import pytest

from leukoflow import cli
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_table
from leukoflow.core.provenance import cohort_digests, git_state, job_seconds, verify


def test_the_record_holds_digests_versions_and_times(results: Path) -> None:
    record = read_json(results / "provenance.json")
    assert set(record["files"]) == {"study.json", "report.html", "tables/scores.csv", "cohorts/demo/manifest.parquet"}
    for path, digest in record["files"].items():
        assert digest == hashlib.sha256((results / path).read_bytes()).hexdigest()
    text = json.dumps({"study": "demo", "title": "a study"}, sort_keys=True).replace(", ", ",").replace(": ", ":")
    assert record["config_sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert record["job_seconds"] == {"report": 1.0, "train": 12.5}
    assert record["cohorts"]["demo"] == {"images": 2, "sha256": hashlib.sha256(b"a\t1\nb\t2\n").hexdigest()}
    assert record["packages"]["numpy"] and record["machine"]["cores"] >= 1


def test_untouched_results_verify(results: Path, capsys: pytest.CaptureFixture) -> None:
    assert verify(results) == []
    assert cli.main(["verify", str(results)]) == 0
    assert "every file is as the study left it" in capsys.readouterr().out


def test_each_change_by_hand_is_named(results: Path, capsys: pytest.CaptureFixture) -> None:
    (results / "tables/scores.csv").write_text("accuracy\n0.9\n")  # the same length and, below, the same time
    (results / "report.html").unlink()
    (results / "tables/better.csv").write_text("accuracy\n1\n")
    (results / ".resume/state").write_text("more of a training")
    assert cli.main(["verify", str(results)]) == 1
    out, err = capsys.readouterr()
    assert out.splitlines() == ["missing  report.html", "added    tables/better.csv", "changed  tables/scores.csv"]
    assert err == "3 files are not as the study left them\n"


def test_a_folder_without_a_record_is_named(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(LeukoFlowError, match=r"holds no provenance.json; name the results folder"):
        verify(tmp_path)
    assert cli.main(["verify", str(tmp_path)]) == 1
    message = capsys.readouterr().err
    assert message.startswith("error: ") and message.count("\n") == 1


def test_the_digest_of_a_cohort_is_of_its_contents_not_their_order(tmp_path: Path) -> None:
    table = pd.DataFrame({"image_id": ["a", "b"], "sha256": ["1", "2"]})
    seen = set()
    for rows in (table, table.iloc[::-1], table.assign(sha256=["1", "3"])):
        write_table(tmp_path / "cohorts/x/manifest.parquet", rows)
        seen.add(cohort_digests(tmp_path)["x"]["sha256"])
    assert len(seen) == 2


def test_the_commit_and_changes_since(tmp_path: Path) -> None:
    assert git_state(tmp_path / "nowhere") is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=x", "-c", "user.email=x@example.org"]
    (tmp_path / "file").write_text("one")
    for command in (["init", "-q"], ["add", "file"], ["commit", "-q", "-m", "one"]):
        subprocess.run([*git, *command], check=True)
    state = git_state(tmp_path)
    assert state is not None and len(state["commit"]) == 40 and state["changed"] is False
    (tmp_path / "other").write_text("untracked")
    assert git_state(tmp_path) == state
    (tmp_path / "file").write_text("two")
    assert git_state(tmp_path) == {**state, "changed": True}


def test_no_benchmarks_are_no_seconds(tmp_path: Path) -> None:
    assert job_seconds(tmp_path / "none") == {}
