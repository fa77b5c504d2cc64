"""Whether the images and masks that a study was made from are still what it read."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter

from leukoflow.cohorts.roots import local_root, resolve_root
from leukoflow.cohorts.watch import MASKS, record_of
from leukoflow.config.cohorts import Cohort as Settings
from leukoflow.core.content import digest
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table
from leukoflow.core.provenance import Difference

STUDY = "study.json"


def edited_sources(results: Path) -> tuple[list[Difference], list[str]]:
    """Files of a finished study's cohorts whose digest is another one now, or that are missing, by path; and the names
    of cohorts whose files are not here. Drawn cohorts are results themselves. Every file is read."""
    differences: list[Difference] = []
    absent: list[str] = []
    for name, settings in read_json(results / STUDY).get("cohorts", {}).items():
        # Of a pooled cohort the images are those of the cohorts that it joins.
        if (
            settings["kind"] in ("pooled", "synthetic")
            or not (results / "cohorts" / name / "manifest.parquet").is_file()
        ):
            continue
        root = _root(results, name, settings)
        if root is None:
            absent.append(name)
        else:
            differences.extend(_edited(root, dict(_read(results, name))))
    return differences, absent


def _root(results: Path, name: str, settings: dict[str, Any]) -> Path | None:
    cohort = TypeAdapter(Settings).validate_python(settings)
    try:
        root = resolve_root(cohort.root) if cohort.kind == "folder" else local_root(cohort)  # type: ignore[arg-type, union-attr]
    except LeukoFlowError:
        return None
    root = root or results.resolve().parents[1] / "resources" / name / "files"
    return root if root.is_dir() else None


def _read(results: Path, name: str) -> Iterator[tuple[str, str]]:
    """Paths and digests of the images that were taken in, and of the masks that were read."""
    for table in (results / "cohorts" / name / "manifest.parquet", record_of(results, name, MASKS)):
        if table.is_file():
            yield from read_table(table, ["path", "sha256"])[["path", "sha256"]].itertuples(index=False, name=None)


def _edited(root: Path, read: dict[str, str]) -> Iterator[Difference]:
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        for path, now in zip(read, pool.map(lambda path: digest(root / path), read), strict=True):
            if now != read[path]:
                yield Difference(str(root / path), "changed" if now else "missing")
