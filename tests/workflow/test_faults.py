"""What a run survives: kills at any moment, damaged and missing files, a full disk, two at once."""

import hashlib
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from leukoflow.core.provenance import verify

from .conftest import Project, clone, environment, longer

pytestmark = [pytest.mark.workflow, pytest.mark.slow, pytest.mark.timeout(3600)]

KILLS = 20
# What tells when and how fast, not what came out.
TIMED = re.compile(
    r"(model|segmenter|provenance)\.json|(history|pretraining|efficiency|speed)\.csv|report\.html"
    r"|(learning|throughput|pareto)\..*|5_(cost|efficiency)_.*"
)


def digests(results: Path) -> dict[str, str]:
    """Digest of every file of a results folder but those that hold times."""
    files = [path for path in sorted(results.rglob("*")) if path.is_file() and not TIMED.fullmatch(path.name)]
    return {path.relative_to(results).as_posix(): hashlib.sha256(_timeless(path)).hexdigest() for path in files}


def _timeless(path: Path) -> bytes:
    """A file's contents; in the table next to the papers, without the times of training and of an image."""
    lines = path.read_bytes().splitlines(keepends=True)
    beside = path.name == "published_vs_reproduced.csv"
    return b"".join(line for line in lines if not (beside and re.search(rb"training_seconds|seconds_per_image", line)))


def start(project: Project, log: Path, *arguments: str, config: str = "tiny.yaml") -> subprocess.Popen:
    """Snakemake in a session of its own, so that it can be killed with all its jobs."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--cores", "2", "--configfile", config]
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

    Returns what was killed; nothing if the study ended first.
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


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Project:
    """The finished study, to be broken."""
    shutil.copytree(project.folder, tmp_path / "copy", symlinks=True)
    return Project(tmp_path / "copy")


EPOCHS = 40
RUN = "results/tiny/runs/demo.subtype.plain.patient.resnet50_hmscam.fold0.seed42"
SHARD = "results/tiny/views/demo.plain/000.npy"
MANIFEST = "results/tiny/cohorts/demo/manifest.parquet"


@contextmanager
def mounted(folder: Path, *options: str) -> Iterator[None]:
    """Something mounted over a folder, by root."""
    if os.geteuid() != 0:
        pytest.skip("a full or closed disk is mounted by root")
    done = subprocess.run(["mount", *options, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize("target", [f"{RUN}/weights.safetensors", SHARD, MANIFEST])
def test_a_full_disk_is_told_in_one_line_and_made_room_on(project: Project, copy: Project, target: str) -> None:
    folder = (copy.folder / target).parent
    shutil.rmtree(folder)
    folder.mkdir()
    with mounted(folder, "-t", "tmpfs", "-o", "size=8k", "tmpfs"):
        (folder / "other").touch()  # Snakemake would remove an empty folder
        done = copy.snakemake(target)
        assert done.returncode != 0
        assert re.search(r"error: .*cannot be written .*make room", done.stdout), done.stdout[-4000:]
        assert "Traceback" not in done.stdout and not (copy.folder / target).exists()
    done = copy.snakemake(target)
    assert done.returncode == 0, done.stdout[-6000:]
    assert (copy.folder / target).read_bytes() == (project.folder / target).read_bytes()


def test_results_that_may_not_be_written_to_are_named(copy: Project) -> None:
    folder = copy.folder / RUN
    for path in folder.glob("weights.safetensors"):
        path.unlink()
    subprocess.run(["mount", "--bind", str(folder), str(folder)], capture_output=True)
    with mounted(folder, "-o", "remount,ro,bind"):
        done = copy.snakemake(f"{RUN}/weights.safetensors")
    assert done.returncode != 0
    assert re.search(rf"Write-protected output files for rule train.*{folder.name}", done.stdout, re.DOTALL), (
        done.stdout
    )


@pytest.mark.parametrize(
    ("damaged", "consumer", "words"),
    [
        (SHARD, "train", "bytes, .* expected; delete it and render the view again"),
        (f"{RUN}/weights.safetensors", "predict", "these weights cannot be loaded"),
        (MANIFEST, "split", "cannot be read as a table .*; delete it and run again"),
    ],
)
def test_a_truncated_file_is_named_not_used_and_made_anew(
    project: Project, copy: Project, damaged: str, consumer: str, words: str
) -> None:
    """Cut short without a trace in its time, as by a failing disk."""
    path = copy.folder / damaged
    before = path.stat()
    os.truncate(path, before.st_size // 2)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert [fault.path for fault in verify(copy.results)] == [str(path.relative_to(copy.results))]
    done = copy.snakemake("--forcerun", consumer)
    assert done.returncode != 0
    assert re.search(rf"error: .*{re.escape(path.name)}: .*{words}", done.stdout), done.stdout[-4000:]
    path.unlink()
    done = copy.snakemake(damaged)
    assert done.returncode == 0, done.stdout[-6000:]
    assert path.read_bytes() == (project.folder / damaged).read_bytes()


def train_log(project: Project) -> str:
    return (project.folder / "logs/tiny/train" / f"{Path(RUN).name}.log").read_text()


def checkpoint_of(project: Project, running: subprocess.Popen) -> Path:
    """The checkpoint of a training, as soon as there is one."""
    while not (states := list(project.results.glob(".resume/*/*/state.safetensors"))):
        assert running.poll() is None, (project.folder / "log").read_text()[-4000:]
        time.sleep(0.05)
    return states[0]


def test_an_interrupted_run_stops_within_seconds_says_how_to_go_on_and_does(copy: Project) -> None:
    longer(copy, EPOCHS)
    running = start(copy, copy.folder / "log", f"{RUN}/weights.safetensors", config="long.yaml")
    checkpoint_of(copy, running)
    # As a terminal does it: everything in the foreground hears it.
    os.killpg(running.pid, signal.SIGINT)
    assert running.wait(timeout=30) != 0
    assert not list(steps_at_work(copy))
    assert "interrupted; run the same command again to go on" in train_log(copy)
    assert not list(copy.results.rglob(".*.safetensors"))
    done = copy.snakemake(f"{RUN}/weights.safetensors", config="long.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    assert "going on after epoch" in train_log(copy)


def test_a_damaged_checkpoint_is_named_not_used(copy: Project) -> None:
    longer(copy, EPOCHS)
    running = start(copy, copy.folder / "log", f"{RUN}/weights.safetensors", config="long.yaml")
    state = checkpoint_of(copy, running)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    unlock(copy)
    os.truncate(state, state.stat().st_size // 2)
    done = copy.snakemake(f"{RUN}/weights.safetensors", config="long.yaml")
    assert done.returncode != 0
    assert re.search(
        r"error: .*state.safetensors: damaged checkpoint .*; delete it to train from the start", done.stdout
    )


def test_a_clock_that_was_set_back_is_noticed(project: Project, copy: Project) -> None:
    """All that is there seems to be from tomorrow; once it is from now, as the page of faults says, the run goes on."""
    tomorrow = time.time() + 86_400
    for path in copy.results.rglob("*"):
        os.utime(path, (tomorrow, tomorrow), follow_symlinks=False)
    (copy.results / "tables/leaderboard.csv").unlink()
    done = copy.snakemake()
    assert done.returncode != 0 and re.search(r"has older modification time .* than input", done.stdout), done.stdout
    subprocess.run("find results -newermt now -exec touch {} +", shell=True, cwd=copy.folder, check=True)
    done = copy.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    assert digests(copy.results) == digests(project.results)
    assert "Job " in done.stdout and "Training" not in done.stdout


def test_a_second_snakemake_stops_in_one_line_and_the_first_is_not_disturbed(copy: Project) -> None:
    longer(copy, EPOCHS)
    first = start(copy, copy.folder / "log", f"{RUN}/weights.safetensors", config="long.yaml")
    while not any(name == "train" for name, _ in steps_at_work(copy)):
        assert first.poll() is None, (copy.folder / "log").read_text()[-4000:]
        time.sleep(0.05)
    second = copy.snakemake(config="long.yaml")
    assert second.returncode != 0 and "LockException" in second.stdout, second.stdout[-3000:]
    done = subprocess.run(
        [sys.executable, "workflow/unlock_stale.py"], cwd=copy.folder, env=environment(), capture_output=True, text=True
    )
    assert done.returncode != 0 and "already at work" in done.stderr
    assert first.wait(timeout=900) == 0, (copy.folder / "log").read_text()[-4000:]
    assert "going on after" not in train_log(copy)
