"""Section Methods of the report: how numbers came about, with which software and configuration."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import pandas as pd
import yaml

from leukoflow.config.study import Study
from leukoflow.report.embed import Picture

PACKAGES = (
    "leukoflow", "numpy", "scipy", "pandas", "scikit-learn", "opencv-python-headless", "torch", "lightning",
    "spikingjelly", "timm", "matplotlib", "pydantic", "snakemake",
)  # fmt: skip


def methods_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> dict[str, Any]:
    """Configuration with its digest, versions, sources of the images, and the tables to look things up in."""
    used = set(tables["cohorts"]["cohort"])
    resolved = study.model_dump(mode="json")
    return {
        "config": yaml.safe_dump(resolved, sort_keys=False, allow_unicode=True),
        "digest": hashlib.sha256(json.dumps(resolved, sort_keys=True).encode()).hexdigest()[:12],
        "versions": _versions(),
        "sources": [
            (name, cohort.kind, getattr(cohort, "citation", ""))
            for name, cohort in study.cohorts.items()
            if name in used
        ],
        "tables": sorted(tables),
    }


def _versions() -> list[tuple[str, str]]:
    versions = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            versions.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return versions
