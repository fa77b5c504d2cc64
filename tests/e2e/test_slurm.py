"""Studies on a real SLURM, brought up on this machine for them: where jobs run, what comes out, what faults cost."""

import collections
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import psutil
import pytest
import yaml
from safetensors import safe_open

from ..workflow.conftest import ON_A_GPU, Project, clone, longer
from ..workflow.test_faults import digests
from . import slurm_cluster as slurm

pytestmark = [pytest.mark.workflow, pytest.mark.slow, pytest.mark.timeout(1800)]

RUN = "runs/demo.subtype.plain.patient.resnet50_hmscam.fold0.seed42"
WEIGHTS = f"results/tiny/{RUN}/weights.safetensors"
EPOCHS, PAUSE = 30, 0.5


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """The cluster; where SLURM is not installed its tests are skipped."""
    if slurm.missing():
        pytest.skip(slurm.missing())
    slurm.up()
    yield
    slurm.down()


@pytest.fixture(autouse=True)
def own_queue(cluster: None) -> Iterator[None]:
    """No test finds jobs of another."""
    yield
    subprocess.run(["scancel", "--user", "root"], check=True)
    deadline = time.monotonic() + 60
    while subprocess.run(["squeue", "-h"], capture_output=True, text=True, check=True).stdout:
        assert time.monotonic() < deadline, "jobs that cannot be cancelled"
        time.sleep(0.5)


@dataclass(frozen=True)
class Accounted:
    """What SLURM's accounting says of one try of a job."""

    job: str
    name: str
    partition: str
    tres: str
    state: str
    node: str


def accounted() -> list[Accounted]:
    """All that was ever submitted, tries before a requeue too."""
    fields = "JobIDRaw,Comment,Partition,AllocTRES,State,NodeList"
    command = ["sacct", "-X", "-D", "-P", "-n", "-a", "-S", "now-1days", "-o", fields]
    lines = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    return [Accounted(*line.split("|")) for line in lines]


def submitting(project: Project, *arguments: str, profile: str = "slurm", config: str = "tiny.yaml") -> dict:
    """How Popen starts Snakemake on the cluster."""
    command = [sys.executable, "-m", "snakemake", *arguments, "--workflow-profile", f"profiles/{profile}"]
    command += ["--slurm-partition-config", str(Path(__file__).with_name("partitions.yaml")), "--slurm-no-account"]
    command += ["--slurm-init-seconds-before-status-checks", "2", "--seconds-between-status-checks", "2"]
    command += ["--jobs", "4", "--latency-wait", "10", "--configfile", config]
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    environment.pop("PYTHONPATH", None)
    return {"args": command, "cwd": project.folder, "env": environment, "stderr": subprocess.STDOUT, "text": True}


def submit(project: Project, *arguments: str, **options: str) -> subprocess.CompletedProcess[str]:
    """Run Snakemake on the cluster to its end."""
    return subprocess.run(**submitting(project, *arguments, **options), stdout=subprocess.PIPE)


@pytest.fixture
def copy(project: Project, tmp_path: Path) -> Project:
    """The finished study, and a config under which one training is to be done again, with more epochs."""
    shutil.copytree(project.folder, tmp_path / "copy", symlinks=True)
    return slower(Project(tmp_path / "copy"), PAUSE)


def slower(project: Project, pause: float) -> Project:
    """With a config of more epochs, and a pause after each."""
    longer(project, EPOCHS)
    source, end_of_epoch = project.folder / "src/leukoflow/training/loop.py", "            _report(training, history)\n"
    text = source.read_text()
    assert text.count(end_of_epoch) == 1
    source.write_text(text.replace(end_of_epoch, f"{end_of_epoch}            time.sleep({pause})\n"))
    return project


@pytest.fixture(scope="module")
def undisturbed(project: Project, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Digest of the weights that the longer training ends in, on this machine, without a fault."""
    folder = tmp_path_factory.mktemp("undisturbed") / "copy"
    shutil.copytree(project.folder, folder, symlinks=True)
    done = slower(Project(folder), 0).snakemake(WEIGHTS, config="long.yaml")
    assert done.returncode == 0, done.stdout[-4000:]
    return digest(folder / WEIGHTS)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def epochs_saved(project: Project) -> int:
    """How many epochs the checkpoint holds; 0 without one."""
    for path in project.results.glob(".resume/*/*/state.safetensors"):
        try:
            with safe_open(path, framework="np") as stream:
                return stream.metadata()["history"].count('"epoch"')
        except FileNotFoundError:  # the training has ended
            return 0
    return 0


def wait_until(ready: Callable[[], object], running: subprocess.Popen, log: Path, seconds: float = 300) -> None:
    deadline = time.monotonic() + seconds
    while not ready():
        assert running.poll() is None and time.monotonic() < deadline, log.read_text()[-6000:]
        time.sleep(0.2)


def went_on_after(project: Project) -> int:
    """Epochs that the last try of the training did not do again, as its log says; 0 if it began again."""
    logs = list(project.folder.glob(f"logs/tiny/train/{Path(RUN).name}.log"))
    match = re.search(r"going on after epoch (\d+)", logs[0].read_text())
    return int(match[1]) if match else 0


def slurm_log(project: Project, row: Accounted) -> str:
    """What SLURM wrote of a job that failed."""
    [path] = project.folder.glob(f"logs/slurm/*/*/{row.job}.log")
    return path.read_text()


def jobs_of(row: Accounted) -> str:
    """Name of the rule or group that a job is of."""
    return re.sub(r"_wildcards_.*", "", row.name).removeprefix("rule_")


def test_every_job_is_a_slurm_job_and_the_results_are_the_same_bits(project: Project, tmp_path: Path) -> None:
    remote = clone(tmp_path / "remote")
    done = submit(remote)
    assert done.returncode == 0, done.stdout[-6000:]
    assert digests(remote.results) == digests(project.results)
    rows = accounted()
    assert {row.state for row in rows} == {"COMPLETED"}
    stats = done.stdout.split("Job stats:")[1].split("total")[0]
    planned = {name: int(count) for name, count in re.findall(r"^(\w+) +(\d+)$", stats, re.MULTILINE)}
    profile = yaml.safe_load((remote.folder / "profiles/slurm/profile.yaml").read_text())
    alone = {name: count for name, count in planned.items() if name not in profile["groups"] and name != "all"}
    submitted = collections.Counter(jobs_of(row) for row in rows)
    assert {name: submitted[name] for name in alone} == alone
    together = [name for name in submitted if name not in alone]
    assert together and sum(submitted[name] for name in together) < sum(planned.values()) - sum(alone.values()) - 1
    for row in rows:
        on_a_gpu = jobs_of(row) in ON_A_GPU
        assert row.partition == ("gpu" if on_a_gpu else "cpu"), row
        assert ("gres/gpu=1" in row.tres) == on_a_gpu, row
    assert len({row.job for row in rows}) == done.stdout.count("has been submitted with SLURM jobid")


def test_gpus_are_asked_for_by_gres_as_well(copy: Project, undisturbed: str) -> None:
    done = submit(copy, WEIGHTS, profile="slurm-gres", config="long.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    row = accounted()[-1]
    assert (jobs_of(row), row.partition) == ("train", "gpu") and "gres/gpu=1" in row.tres
    assert digest(copy.folder / WEIGHTS) == undisturbed


def test_a_job_over_its_memory_is_tried_again_with_more(copy: Project, undisturbed: str) -> None:
    before = len(accounted())
    done = submit(copy, WEIGHTS, "--set-resources", "train:mem_mb=attempt*450", config="long.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    tries = accounted()[before:]
    memory = [int(re.search(r"mem=(\d+)M", row.tres)[1]) for row in tries]
    assert memory == [450 * attempt for attempt in range(1, len(tries) + 1)] and len(tries) > 1
    assert "exceeded memory limit" in slurm_log(copy, tries[0])
    assert all(row.state != "COMPLETED" for row in tries[:-1])
    assert digest(copy.folder / WEIGHTS) == undisturbed


def test_a_job_that_never_fits_is_reported_by_name(copy: Project) -> None:
    done = submit(copy, WEIGHTS, "--set-resources", "train:mem_mb=300", "--retries", "1", config="long.yaml")
    assert done.returncode != 0
    assert "Training resnet50_hmscam on demo" in done.stdout and "Error in rule train" in done.stdout
    assert "exceeded memory limit" in slurm_log(copy, accounted()[-1]) and not (copy.folder / WEIGHTS).exists()


def test_a_job_over_its_time_goes_on_in_the_next_try(copy: Project, undisturbed: str) -> None:
    slower(copy, 60 / EPOCHS)  # over a minute, the shortest limit that SLURM knows, and well under two
    before = len(accounted())
    done = submit(copy, WEIGHTS, "--set-resources", "train:runtime=attempt", config="long.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    tries = accounted()[before:]
    assert [row.state for row in tries] == ["TIMEOUT"] * (len(tries) - 1) + ["COMPLETED"] and len(tries) > 1
    assert 0 < went_on_after(copy) < EPOCHS
    assert digest(copy.folder / WEIGHTS) == undisturbed


@contextmanager
def interrupted(
    project: Project, log: Path, epochs: int, fault: Callable[[Accounted], object], *arguments: str
) -> Iterator[subprocess.Popen]:
    """The training on the cluster, to which something is done after some epochs."""
    running = subprocess.Popen(
        **submitting(project, WEIGHTS, *arguments, config="long.yaml"), stdout=log.open("w"), start_new_session=True
    )
    try:
        wait_until(lambda: epochs_saved(project) >= epochs, running, log)
        fault(accounted()[-1])
        yield running
    finally:
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            running.wait()


def test_a_cancelled_training_goes_on_after_its_last_epoch(copy: Project, undisturbed: str, tmp_path: Path) -> None:
    log = tmp_path / "log"
    cancel = partial(subprocess.run, check=True)
    with interrupted(copy, log, 5, lambda row: cancel(["scancel", row.job]), "--retries", "0") as running:
        assert running.wait(timeout=400) != 0
    assert "CANCELLED" in log.read_text() and "Error in rule train" in log.read_text()
    saved = epochs_saved(copy)
    assert 5 <= saved < EPOCHS
    done = submit(copy, WEIGHTS, config="long.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    assert went_on_after(copy) == saved
    assert digest(copy.folder / WEIGHTS) == undisturbed


def lose_node(node: str) -> None:
    """As when a machine loses its power: its daemon and all its jobs are gone at once."""
    slurm.stop(f"slurmd.{node}", signal.SIGKILL)
    for process in psutil.process_iter(["name", "cmdline"]):
        if process.info["name"] == "slurmstepd":
            for member in [process, *process.children(recursive=True)]:
                member.kill()


def test_a_training_whose_node_is_lost_goes_on_at_another(copy: Project, undisturbed: str, tmp_path: Path) -> None:
    log, before = tmp_path / "log", len(accounted())
    with interrupted(copy, log, 5, lambda row: lose_node(row.node)) as running:
        # SLURM waits two minutes before it starts what it queues again.
        assert running.wait(timeout=600) == 0, log.read_text()[-6000:]
    tries = accounted()[before:]
    slurm.start_node(tries[0].node)
    assert tries[0].state == "NODE_FAIL" and tries[-1].state == "COMPLETED"
    assert tries[-1].node not in ("", tries[0].node)
    assert went_on_after(copy) >= 5
    assert digest(copy.folder / WEIGHTS) == undisturbed


def test_a_restart_of_the_scheduler_is_not_noticed(copy: Project, undisturbed: str, tmp_path: Path) -> None:
    def restart(_: Accounted) -> None:
        slurm.stop("slurmctld")
        time.sleep(5)
        slurm.start_controller(clean=False)

    log, before = tmp_path / "log", len(accounted())
    with interrupted(copy, log, 5, restart) as running:
        assert running.wait(timeout=400) == 0, log.read_text()[-6000:]
    assert [row.state for row in accounted()[before:]] == ["COMPLETED"]
    assert went_on_after(copy) == 0
    assert digest(copy.folder / WEIGHTS) == undisturbed


def test_snakemake_killed_and_started_again_waits_for_nobody(copy: Project, undisturbed: str, tmp_path: Path) -> None:
    """What it left in the queue is taken out, or two jobs would train the same run."""
    log, before = tmp_path / "log", len(accounted())
    with interrupted(copy, log, 5, lambda _: None):
        pass  # and killed
    environment = submitting(copy)["env"]
    done = subprocess.run(
        [sys.executable, "workflow/unlock_stale.py"], cwd=copy.folder, env=environment, text=True, capture_output=True
    )
    assert done.returncode == 0 and "cancelling 1 SLURM jobs" in done.stdout, done.stdout + done.stderr
    saved = epochs_saved(copy)
    done = submit(copy, WEIGHTS, config="long.yaml")
    assert done.returncode == 0, done.stdout[-6000:]
    assert [row.state.split()[0] for row in accounted()[before:]] == ["CANCELLED", "COMPLETED"]
    assert went_on_after(copy) >= saved >= 5
    assert digest(copy.folder / WEIGHTS) == undisturbed


def test_runs_can_be_submitted_as_a_job_array(project: Project, copy: Project) -> None:
    targets = [WEIGHTS.replace("resnet50_hmscam", name) for name in ("colour_histogram", "neurallnet")]
    for target in targets:
        (copy.folder / target).unlink()
    before = len(accounted())
    done = submit(copy, *targets, "--slurm-array-jobs", "train")
    assert done.returncode == 0, done.stdout[-6000:]
    assert "Submitted array job" in done.stdout and done.stdout.count("has been submitted with SLURM jobid") == 0
    tasks = accounted()[before:]
    assert [(row.partition, row.state) for row in tasks] == [("gpu", "COMPLETED")] * 2
    for target in targets:
        assert digest(copy.folder / target) == digest(project.folder / target)
