"""What a run survives: kills at any moment, damaged and missing files, a full disk, two at once."""

import hashlib
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from .conftest import Project, clone

pytestmark = [pytest.mark.workflow, pytest.mark.slow]

KILLS = 20
# What tells when and how fast, not what came out.
TIMED = re.compile(r"(model|provenance)\.json|(history|pretraining|efficiency)\.csv|report\.html|learning\..*")


def digests(results: Path) -> dict[str, str]:
    """Digest of every file of a results folder but those that hold times."""
    files = [path for path in sorted(results.rglob("*")) if path.is_file() and not TIMED.fullmatch(path.name)]
    return {path.relative_to(results).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def environment() -> dict[str, str]:
    return os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}


def start(project: Project, log: Path) -> subprocess.Popen:
    """Snakemake in a session of its own, so that it can be killed with all its jobs."""
    command = [sys.executable, "-m", "snakemake", "--cores", "2", "--configfile", "tiny.yaml"]
    return subprocess.Popen(
        command,
        cwd=project.folder,
        env=environment(),
        stdout=log.open("ab"),
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def steps_at_work(project: Project) -> Iterator[tuple[str, psutil.Process]]:
    """Name and process of each step that runs in the project's folder."""
    for process in psutil.process_iter(["cmdline", "cwd"]):
        line = process.info["cmdline"] or []
        a_step = len(line) > 2 and line[1] == "-m" and line[2].startswith("leukoflow.steps.")
        if a_step and process.info["cwd"] == str(project.folder):
            yield line[2].removeprefix("leukoflow.steps."), process


def unlock(project: Project) -> None:
    subprocess.run([sys.executable, "workflow/unlock_stale.py"], cwd=project.folder, env=environment(), check=True)


def kill_in_a_step(project: Project, seen: set[str], draw: random.Random, log: Path) -> str:
    """Run until a step of another kind than those seen is at work, then kill it, or Snakemake and everything.

    Returns what was killed; nothing where the study ended first.
    """
    running = start(project, log)
    try:
        while running.poll() is None:
            for name, process in steps_at_work(project):
                if name not in seen:
                    time.sleep(draw.uniform(0, 1.5))
                    everything = draw.random() < 0.5
                    if everything:
                        os.killpg(running.pid, signal.SIGKILL)
                    elif process.is_running():
                        process.send_signal(signal.SIGKILL)
                    running.wait()
                    seen.add(name)
                    return f"{name}{', and Snakemake' if everything else ''}"
            time.sleep(0.02)
        return ""
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()
        unlock(project)


def test_killed_in_every_kind_of_step_it_ends_in_the_same_bits(project: Project, tmp_path: Path) -> None:
    broken, log = clone(tmp_path / "broken"), tmp_path / "log"
    draw, seen, killed = random.Random(11), set(), []
    while len(killed) < KILLS:
        what = kill_in_a_step(broken, seen, draw, log)
        if not what:
            break
        killed.append(what)
    print("\n".join(killed))
    assert len(killed) >= KILLS
    done = broken.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    assert digests(broken.results) == digests(project.results)
    assert "Nothing to be done" in broken.snakemake().stdout


def test_an_interrupted_run_stops_within_seconds_and_goes_on(project: Project, tmp_path: Path) -> None:
    broken, log = clone(tmp_path / "broken"), tmp_path / "log"
    running = start(broken, log)
    while not any(name == "train" for name, _ in steps_at_work(broken)):
        assert running.poll() is None, log.read_text()[-4000:]
        time.sleep(0.05)
    # As a terminal does it: everything in the foreground hears it.
    os.killpg(running.pid, signal.SIGINT)
    running.wait(timeout=20)
    assert not list(steps_at_work(broken))
    assert not list(broken.results.rglob(".*.safetensors"))
    done = broken.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    assert digests(broken.results) == digests(project.results)
