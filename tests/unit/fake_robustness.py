"""Made-up predictions on changed images, for `fake_study`."""

from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.audits.modules import MEASURES, rows_of, table_of
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import Run, parse_run
from leukoflow.steps import gather_tables, remedies, robustness, sample_size

CHANGES = {"brightness": (-0.25, 0.25), "jpeg": (50.0, 10.0), "rotation": (10.0, 20.0)}


def answers(root: Path, run: Run, harm: dict[str, float]) -> pd.DataFrame:
    """changed.parquet of a run: its test images, of which a share gets another answer at every level of a family."""
    table = read_table(root / "runs" / run.name / "predictions" / f"{run.cohort}.parquet")
    table = table[table["role"] == "test"].reset_index(drop=True).assign(target="", level=np.nan)
    parts = [table]
    for family, levels in CHANGES.items():
        for step, level in enumerate(levels, start=1):
            wrong = np.arange(len(table)) < harm.get(family, 0.0) * step / len(levels) * len(table)
            shares = np.stack(table["probabilities"].to_list())
            shares = np.where(wrong[:, None], np.eye(shares.shape[1])[(table["y"] + 1) % shares.shape[1]], shares)
            part = table.assign(perturbation=family, level=level, probabilities=list(shares.astype(np.float32)))
            parts.append(part)
    return pd.concat(parts, ignore_index=True)


def module_rows(run: Run) -> pd.DataFrame:
    """modules.csv of a run."""
    rows = []
    for module, name, level in product(("MultiScaleChannelAttention", "DynamicRecalibration"), CHANGES, (0, 1)):
        measured = np.full((4, len(MEASURES)), 0.5) - 0.1 * level
        rows += rows_of(module, name, CHANGES[name][level], measured)
        rows += rows_of(module, "none", np.nan, np.ones((4, len(MEASURES)))) if name == "jpeg" and level else []
    return table_of(rows, run.columns())


def make_robustness(root: Path, runs: list[Run]) -> None:
    """changed.parquet of every run, the parts of their panels, and the tables; networks fall with the light."""
    panels: dict[str, list[str]] = {}
    for run in runs:
        harm = {"brightness": 0.8 if run.model == "neurallnet" else 0.3}
        write_table(root / "runs" / run.name / "changed.parquet", answers(root, run, harm))
        panels.setdefault(".".join((run.cohort, run.task, run.view, run.protocol)), []).append(run.name)
    for panel, names in panels.items():
        output = root / "parts/robustness" / panel / "robustness.csv"
        arguments = ["--settings", '{"resamples": 100}', "--runs", str(root / "runs"), "--of", *names]
        hmscam = [name for name in names if "resnet50_hmscam" in name]
        for name in hmscam:
            write_table(root / "runs" / name / "modules.csv", module_rows(parse_run(name)))
        more = ["--modules", *hmscam, "--modules-output", str(output.with_name("modules.csv"))]
        robustness.main([*arguments, "--output", str(output), *more])
    arguments = ["--parts", str(root / "parts/robustness"), "--of", *panels]
    outputs = [str(root / f"tables/{name}.csv") for name in ("robustness", "modules")]
    gather_tables.main([*arguments, "--outputs", *outputs])
    inputs = ["--models", "{}", "--scores", str(root / "tables/scores.csv"), "--runs", str(root / "runs")]
    sample_size.main([*inputs, "--output", str(root / "tables/sample_size.csv")])
    names = [run.name for run in runs]
    arguments = ["--settings", '{"resamples": 100}', "--experiment", "main", "--reference", "plain", "neurallnet"]
    remedies.main(
        [*arguments, "--runs", str(root / "runs"), "--of", *names, "--output", str(root / "tables/remedies.csv")]
    )
