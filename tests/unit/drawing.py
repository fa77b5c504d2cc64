"""Figures drawn by the step, as the catalogue names them."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd
from PIL import Image

from leukoflow.outputs.figures import FIGURES
from leukoflow.steps import figure

TASK = {"classes": ["Benign", "Early", "Pre", "Pro"]}


def drawn(name: str, output: Path, settings: dict[str, Any] | None = None, **files: Any) -> pd.DataFrame:
    """Draw a figure from files by name; its PNG must be a picture, its SVG a drawing. Returns the table behind it."""
    function = next(spec.draw for spec in FIGURES if spec.name == name)
    lists = {key: [value] if isinstance(value, (str, Path)) else list(value) for key, value in files.items()}
    words = [f"{key}={path}" for key, paths in lists.items() for path in paths]
    figure.main([function, "--inputs", *words, "--settings", json.dumps(settings or {}), "--output", str(output)])
    with Image.open(output) as image:
        assert min(image.size) > 100
    assert "<svg" in output.with_suffix(".svg").read_text()
    return pd.read_csv(output.with_suffix(".csv"))


def tables(root: Path, *names: str) -> dict[str, Path]:
    """Tables of a study by name."""
    return {name: root / f"tables/{name}.csv" for name in names}


def run_files(root: Path, name: str, runs: Iterable[Any]) -> list[Path]:
    """The file of that name of each run."""
    return [root / "runs" / str(run) / name for run in runs]
