"""Explanations of random numbers for the made-up study: tables of single images, heat maps, and the study's table."""

from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.core.files import write_table
from leukoflow.core.runs import Run
from leukoflow.explain.tables import MEANS
from leukoflow.steps import explanations, gather_tables

METHODS = {"gradcam": False, "attention": False, "rollout": False, "uniform": True, "centre": True, "edges": True}


def fake_explanations(root: Path, runs: list[Run]) -> None:
    """Of every run but the colour baseline's; table `explanations` of all panels."""
    explained = [run for run in runs if run.model != "colour_histogram"]
    for number, run in enumerate(explained):
        _run(root / "runs" / run.name, number, attends=run.model == "resnet50_hmscam")
    panels = dict.fromkeys(f"{run.cohort}.{run.task}.{run.view}.{run.protocol}" for run in explained)
    parts = root / "parts/explanations"
    for panel in panels:
        of = [run.name for run in explained if run.name.startswith(f"{panel}.")]
        arguments = ["--settings", '{"resamples": 100}', "--runs", str(root / "runs"), "--of", *of]
        explanations.main([*arguments, "--output", str(parts / panel / "explanations.csv")])
    table = str(root / "tables/explanations.csv")
    gather_tables.main(["--parts", str(parts), "--of", *panels, "--outputs", table])


def _run(folder: Path, number: int, attends: bool) -> None:
    random = np.random.default_rng(number)
    test = pd.read_parquet(folder / "predictions/demo.parquet")
    test = test[test["role"] == "test"].sort_values("image_id", ignore_index=True)
    test["predicted"] = np.stack(test["probabilities"].to_list()).argmax(1)
    parts = []
    for method, is_reference in METHODS.items():
        if method in ("attention", "rollout") and not attends:
            continue
        numbers = {name: random.uniform(0.05, 0.95, len(test)) for name in MEANS} | {"cells_area": 0.2}
        rows = test[["image_id", "group", "y", "predicted"]].assign(method=method, reference_map=is_reference)
        parts.append(rows.assign(**numbers | {"empty": random.random(len(test)) < 0.1}))
    table = pd.concat(parts, ignore_index=True)
    write_table(folder / "explain.parquet", table)
    np.save(folder / "explain.npy", random.integers(0, 256, (len(table), 8, 8), np.uint8))
