"""What `make run` says while Snakemake works: few lines, the exit status, and the end of the log if it fails."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SNAKEFILE = """
rule all:
    input: expand("{{name}}.txt", name=range(12))
rule one:
    output: "{{name}}.txt"
    message: "Writing {{wildcards.name}}"
    shell: "{command}"
"""


def run(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    (folder / "Snakefile").write_text(SNAKEFILE.format(command=command))
    script = [sys.executable, str(ROOT / "workflow/progress.py"), "--cores", "1"]
    environment = {**os.environ, "XDG_CACHE_HOME": str(folder / "cache")}
    return subprocess.run(script, cwd=folder, env=environment, capture_output=True, text=True)


def test_progress_is_told_in_few_lines_and_the_log_has_everything(tmp_path: Path) -> None:
    first = run(tmp_path, "echo done > {output}")
    assert first.returncode == 0, first.stderr
    lines = first.stdout.splitlines()
    assert 5 <= len(lines) <= 15 and lines[0].startswith("snakemake --cores 1")
    assert "13 of 13 steps" in lines[-1] and "min left" not in lines[-1]
    assert any("min left  (Writing " in line for line in lines)
    log = (tmp_path / "logs/snakemake.log").read_text()
    assert all(f"Writing {name}\n" in log for name in range(12))
    second = run(tmp_path, "echo done > {output}")
    assert second.returncode == 0 and "nothing to be done" in second.stdout


def test_a_failure_shows_the_end_of_the_log_and_has_its_status(tmp_path: Path) -> None:
    failed = run(tmp_path, "echo the disk is full >&2; false")
    assert failed.returncode not in (0, None)
    assert "the disk is full" in failed.stderr or "Error in rule one" in failed.stderr
    assert failed.stderr.rstrip().endswith("the same command goes on from there")


def test_minutes_left_follow_the_steps_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "workflow")
    from progress import said

    assert said(125.0, 50, 200, "Training x") == "  2:05  50 of 200 steps, about 6 min left  (Training x)"
    assert said(125.0, 200, 200, "Training x") == "  2:05  200 of 200 steps"
    assert said(3.0, 0, 200, "") == "  0:03  0 of 200 steps"


@pytest.mark.parametrize("text", ["report:", "leukoflow serve", "leukoflow init"])
def test_make_run_ends_with_what_to_do(text: str) -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\nrun:")[2].partition("\n\n")[0]
    assert text in recipe


def test_a_long_step_is_no_silence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(ROOT / "workflow")
    import progress

    monkeypatch.setattr(progress, "PAUSE", 0.2)
    command = [sys.executable, "-uc", "import time; print('a'); time.sleep(1); print('b')"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        lines = list(progress.lines_of(run))
    assert lines[0] == "a\n" and lines[-1] == "b\n" and 2 <= lines.count("") <= 6
