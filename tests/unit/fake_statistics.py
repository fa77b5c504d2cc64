"""Tests between models and the worth of leaks, of a made-up study."""

import json
from pathlib import Path

from leukoflow.steps import gather_tables, leakage, leaks, statistics

SETTINGS = '{"resamples": 200}'


def statistics_arguments(runs: list[str], classes: tuple[str, ...]) -> list[str]:
    """Arguments of step `statistics` for experiment main, but for its outputs; `runs` name the study's runs."""
    joined = {name: "benign" if name == classes[0] else "malignant" for name in classes}
    tasks = {"subtype": {"classes": classes}, "binary": {"classes": ["benign", "malignant"], "labels": joined}}
    arguments = ["--settings", SETTINGS, "--experiment", "main", "--reference", "neurallnet"]
    return [*arguments, "--tasks", json.dumps(tasks), *runs]


def leakage_arguments(root: Path, runs: list[str]) -> list[str]:
    """Arguments of step `leakage`, but for its output."""
    splits = [str(path) for path in sorted((root / "splits").glob("*.parquet"))]
    arguments = ["--settings", SETTINGS, *runs, "--external", "away", "--splits", *splits]
    return [*arguments, "--duplicates", str(root / "quality/duplicates.parquet")]


def make_statistics(root: Path, runs: list[str], classes: tuple[str, ...]) -> None:
    """Write the parts and the tables."""
    main, pair = root / "parts/statistics/main", root / "parts/leakage/demo.subtype"
    outputs = ["--output", str(main / "statistics.csv"), "--ranks", str(main / "ranks.csv")]
    statistics.main([*statistics_arguments(runs, classes), *outputs])
    leakage.main([*leakage_arguments(root, runs), "--output", str(pair / "leakage.csv")])
    none = root / "parts/leaks/demo.subtype"
    asked = ["--settings", SETTINGS, *runs[:2], "--pairs", "{}", "--classes", json.dumps(classes)]
    leaks.main([*asked, "--output", str(none / "leaks.csv")])
    for folder, names in ((main, ("statistics", "ranks")), (pair, ("leakage",)), (none, ("leaks",))):
        tables = [str(root / f"tables/{name}.csv") for name in names]
        gather_tables.main(["--parts", str(folder.parent), "--of", folder.name, "--outputs", *tables])
