"""A small results folder with its record."""

from pathlib import Path

import pandas as pd
import pytest

from leukoflow.core.files import write_json, write_table
from leukoflow.steps import provenance


@pytest.fixture
def results(tmp_path: Path) -> Path:
    """A small results folder with its record."""
    folder = tmp_path / "results/demo"
    write_json(folder / "study.json", {"study": "demo", "title": "a study"})
    (folder / "tables").mkdir()
    (folder / "tables/scores.csv").write_text("accuracy\n0.5\n")
    (folder / "report.html").write_bytes(b"\x00\xff" * 700_000)  # more than one chunk
    (folder / ".resume").mkdir()
    (folder / ".resume/state").write_text("half a training")
    manifest = pd.DataFrame({"image_id": ["b", "a"], "sha256": ["2", "1"], "label": ["x", None]})
    write_table(folder / "cohorts/demo/manifest.parquet", manifest)
    for name, seconds in (("train/a.tsv", 10.0), ("train/b.tsv", 2.5), ("report.tsv", 1.0)):
        (tmp_path / "benchmarks" / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / "benchmarks" / name).write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    provenance.main(
        [
            *("--study", str(folder / "study.json"), "--benchmarks", str(tmp_path / "benchmarks")),
            *("--output", str(folder / "provenance.json")),
        ]
    )
    return folder
