"""A clone of the project in which a very small study has been run."""

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
PARTS = ("Snakefile", "config.yaml", "config", "workflow", "profiles", "envs", "src")
ON_A_GPU = {
    "pretrain", "train", "predict", "train_segmenter", "adapt_segmenter", "score_segmenter", "segment",
    "deep_features", "fit_features", "transform_features", "predict_changed", "modules", "novelty",
    "profile", "explain",
}  # fmt: skip


def environment() -> dict[str, str]:
    """Variables of commands on this machine alone: Snakemake would wait 9 s at each start for an absent SLURM."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    without = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return without | {"PATH": path, "SLURM_CONF": os.devnull}


def processor_seconds() -> float:
    """What ended children have used; waiting does not count."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


@dataclass(frozen=True)
class Project:
    """A copy of the project's files, and commands run in it."""

    folder: Path

    def snakemake(self, *arguments: str, config: str = "tiny.yaml") -> subprocess.CompletedProcess[str]:
        """Run Snakemake on two cores with a config file of the folder."""
        command = [sys.executable, "-m", "snakemake", "--cores", "2", *arguments, "--configfile", config]
        return subprocess.run(
            command, cwd=self.folder, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )

    def planned(self, *arguments: str, config: str = "tiny.yaml") -> list[str]:
        """Messages of the jobs that a run would do."""
        return messages_of(self.snakemake("--dry-run", *arguments, config=config))

    @contextmanager
    def edited(self, name: str, old: str, new: str) -> Iterator[None]:
        """The project with one piece of a file replaced."""
        path = self.folder / name
        before = path.read_text()
        assert before.count(old) == 1, f"{old!r} occurs {before.count(old)} times in {name}"
        path.write_text(before.replace(old, new))
        try:
            yield
        finally:
            path.write_text(before)

    @property
    def results(self) -> Path:
        return self.folder / "results/tiny"


def messages_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Messages of the jobs of a dry run."""
    assert done.returncode == 0, done.stdout
    messages = re.findall(r"^Job \d+: (.*)$", done.stdout, re.MULTILINE)
    assert messages or "Nothing to be done" in done.stdout, done.stdout
    return messages


def commands_of(done: subprocess.CompletedProcess[str]) -> list[str]:
    """Shell commands of the jobs of a dry run that prints them."""
    return re.findall(r"^Shell command: (.*)$", done.stdout, re.MULTILINE)


def clone(folder: Path) -> Project:
    """Copy what git tracks into the folder, and write the tiny study."""
    folder.mkdir(parents=True, exist_ok=True)
    for part in PARTS:
        source = ROOT / part
        if source.is_dir():
            shutil.copytree(source, folder / part, ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
        else:
            shutil.copy(source, folder / part)
    study = yaml.safe_load((ROOT / "workflow/studies/smoke.yaml").read_text())
    study["study"] = "tiny"
    study["cohorts"]["demo"] |= {"images": 40, "size": 64, "patients": 12}
    study["cohorts"]["demo_ext"] |= {"images": 8, "size": 64, "patients": 4}
    study["views"] = {"plain": {"kind": "plain", "size": 32}}
    study["splits"] = {"test": 0.34, "validation": 0.34}
    for name in ("neurallnet", "resnet50_hmscam"):
        study["models"][name]["training"] |= {"epochs": 1, "batch_size": 4}
    # What costs a pass of a network on changed images is seen in the smoke study.
    study["experiments"] = {"subtype": study["experiments"]["subtype"] | {"protocols": ["patient"], "checks": []}}
    study["segmentation"]["leave_one_out"] = False
    study["export"] = {"models": []}
    study["evaluation"] |= {"resamples": 100, "profile": {"warm_up": 1, "runs": 5, "batches": [1, 2]}}
    (folder / "tiny.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    return Project(folder)


def longer(project: Project, epochs: int) -> None:
    """Write `long.yaml`, under which one model is trained for so many epochs."""
    study = yaml.safe_load((project.folder / "tiny.yaml").read_text())
    study["models"]["resnet50_hmscam"]["training"] |= {"epochs": epochs, "patience": epochs}
    (project.folder / "long.yaml").write_text(yaml.safe_dump(study))


@pytest.fixture(scope="session")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The project after a full run of the tiny study."""
    made = clone(tmp_path_factory.mktemp("project"))
    done = made.snakemake()
    assert done.returncode == 0, done.stdout[-6000:]
    return made
