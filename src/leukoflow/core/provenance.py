"""Where results are from: digests of config, code and data, versions, machine and time; and whether they still are.

`provenance.json` lies in a study's results folder and holds the SHA-256 of every other file there, so that a change by
hand is found.
"""

import hashlib
import json
import os
import platform
import subprocess
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table

NAME = "provenance.json"


@dataclass(frozen=True)
class Difference:
    """A file that is not as it was recorded."""

    path: str
    """Relative to the results folder, with forward slashes."""
    kind: str
    """`changed`, `missing` or `added`."""


def collect(results: Path, study: Mapping[str, Any], source: Path, benchmarks: Path) -> dict[str, Any]:
    """What `provenance.json` holds of a study's results folder.

    study: the resolved config; source: folder of the code that ran; benchmarks: folder of Snakemake's measurements
    (TSV), whose seconds are added up. The study started with the oldest of its files. Commit and
    state are of the git checkout that holds the code, null without one.
    """
    text = json_text(study)
    now = time.time()
    times = [(results / path).stat().st_mtime for path in _files(results)]
    return {
        "study": study["study"],
        "config_sha256": hashlib.sha256(text.encode()).hexdigest(),
        "code_digest": code_digest(source),
        "started": _time(min(times, default=now)),
        "finished": _time(now),
        "git": git_state(source),
        "cohorts": cohort_digests(results),
        "machine": machine(),
        "packages": packages(),
        "job_seconds": job_seconds(benchmarks),
        "files": digests(results),
    }


def verify(results: Path) -> list[Difference]:
    """Every file of a results folder that is not as `provenance.json` recorded it, by path.

    LeukoFlowError if there is no record.
    """
    if not (results / NAME).is_file():
        raise LeukoFlowError(f"{results}: holds no {NAME}; name the results folder of a finished study")
    recorded = read_json(results / NAME)["files"]
    current = digests(results)
    kinds = dict.fromkeys(recorded.keys() - current.keys(), "missing")
    kinds |= dict.fromkeys(current.keys() - recorded.keys(), "added")
    kinds |= {path: "changed" for path in current.keys() & recorded.keys() if current[path] != recorded[path]}
    return [Difference(path, kinds[path]) for path in sorted(kinds)]


def code_digest(source: Path) -> str:
    """Digest (16 hex digits) over the names and contents of the package's files, compiled ones left out."""
    digest = hashlib.sha256()
    for path in sorted((source / "leukoflow").rglob("*")):
        if path.is_file() and "__pycache__" not in path.parts:
            digest.update(f"{path.relative_to(source).as_posix()}\x00".encode() + path.read_bytes())
    return digest.hexdigest()[:16]


def json_text(value: Any) -> str:
    """JSON that depends on the value alone: sorted keys, no spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def digests(results: Path) -> dict[str, str]:
    """SHA-256 of every file below a folder by relative path; the record itself and what jobs resume from left out."""
    paths = sorted(_files(results))
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        hashes = pool.map(_sha256, (results / path for path in paths))
        return dict(zip(paths, hashes, strict=True))


def cohort_digests(results: Path) -> dict[str, dict[str, Any]]:
    """Of each cohort: how many images were taken in, and a SHA-256 over their names and contents."""
    made = {}
    for path in sorted(results.glob("cohorts/*/manifest.parquet")):
        table = read_table(path, ["image_id", "sha256"])
        lines = sorted(f"{name}\t{digest}\n" for name, digest in zip(table["image_id"], table["sha256"], strict=True))
        digest = hashlib.sha256("".join(lines).encode("utf-8", "surrogateescape")).hexdigest()
        made[path.parent.name] = {"images": len(table), "sha256": digest}
    return made


def git_state(folder: Path) -> dict[str, Any] | None:
    """Commit of the checkout around a folder, and whether tracked files were changed since; None without one."""
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        return {"commit": commit, "changed": bool(_git(folder, "status", "--porcelain", "--untracked-files=no"))}
    except (OSError, subprocess.CalledProcessError):
        return None


def machine() -> dict[str, Any]:
    """System, processor, memory and GPUs of this machine."""
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return {
        "system": platform.platform(),
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": memory,
        "gpus": _gpus(),
    }


def packages() -> dict[str, str]:
    """Version of Python and of every installed distribution."""
    versions = {
        distribution.metadata["Name"]: distribution.version
        for distribution in distributions()
        if distribution.metadata["Name"]
    }
    return {"Python": platform.python_version(), **dict(sorted(versions.items(), key=lambda item: item[0].lower()))}


def job_seconds(benchmarks: Path) -> dict[str, float]:
    """Seconds that jobs took, added up by rule; jobs of earlier runs that were not done again are among them."""
    sums: dict[str, float] = {}
    for path in sorted(benchmarks.rglob("*.tsv")):
        rule = path.relative_to(benchmarks).parts[0].removesuffix(".tsv")
        seconds = pd.read_csv(path, sep="\t", usecols=["s"])["s"].sum()
        sums[rule] = round(sums.get(rule, 0.0) + float(seconds), 1)
    return sums


def _files(results: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(results):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(folder, name).relative_to(results).as_posix()
            if path != NAME and not name.startswith("."):
                yield path


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")


def _sha256(path: Path) -> str:
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _git(folder: Path, *arguments: str) -> str:
    done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _gpus() -> list[str]:
    try:
        command = ["nvidia-smi", "--query-gpu=name", "--format=csv,noheader"]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    except (OSError, subprocess.CalledProcessError):
        return []
