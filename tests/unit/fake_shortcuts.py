"""The shortcut audit of a made-up study: probes that know a little, runs that follow the stain or the shapes."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.audits.probes import PROBE_COLUMNS, PROBES, probe_scores
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.steps import audit_shortcuts, gather_tables

TABLES = ("shortcut_audit", "stain_swap", "neutralised")
KNOWN = {"no cell": 0.5, "colours": 0.8, "cells": 0.4, "file": 0.3}
"""Share of the images that probes of each kind are right on."""


def write_shortcuts(root: Path, classes: tuple[str, ...]) -> None:
    """Tables probes, shortcut_audit, stain_swap and neutralised of a study that is otherwise finished."""
    said = _answers(root)
    write_table(root / "parts/probes/demo.subtype/answers.parquet", said)
    scores = [
        probe_scores(part, Evaluation(resamples=100)).assign(cohort="demo", task="subtype", protocol=protocol)
        for protocol, part in said.groupby("protocol", sort=False)
    ]
    write_table(root / "tables/probes.csv", pd.concat(scores, ignore_index=True)[PROBE_COLUMNS])
    panels: dict[str, list[str]] = {}
    for folder in sorted((root / "runs").iterdir()):
        panels.setdefault(".".join(folder.name.split(".")[:4]), []).append(folder.name)
    for panel, names in panels.items():
        networks = [name for name in names if ".neurallnet." in name]
        for name in networks:
            write_table(root / "runs" / name / "changed.parquet", _changed(root, name, classes))
        arguments = [
            "--settings",
            '{"resamples": 100}',
            "--classes",
            json.dumps(list(classes)),
            "--runs",
            str(root / "runs"),
        ]
        arguments += ["--answers", str(root / "parts/probes/demo.subtype/answers.parquet"), "--of", *names]
        arguments += ["--changed", *networks, "--output", str(root / "parts/shortcuts" / panel)]
        audit_shortcuts.main(arguments)
    outputs = [str(root / f"tables/{name}.csv") for name in TABLES]
    gather_tables.main(["--parts", str(root / "parts/shortcuts"), "--of", *panels, "--outputs", *outputs])


def _answers(root: Path) -> pd.DataFrame:
    parts = []
    for path in sorted((root / "splits").glob("demo.subtype.*.parquet")):
        split = read_table(path)
        asked = split[split["role"] != "train"]
        for number, probe in enumerate(PROBES):
            right = np.random.default_rng(number).random(len(asked)) < KNOWN[probe.kind] - 0.02 * (number % 3)
            facts = {"probe": probe.name, "right": right, "protocol": path.stem.rsplit(".", 1)[-1]}
            parts.append(asked[["fold", "image_id", "group", "role", "y"]].assign(**facts))
    return pd.concat(parts, ignore_index=True)


def _changed(root: Path, name: str, classes: tuple[str, ...]) -> pd.DataFrame:
    """Predictions of a network that mostly names the class whose stain it is given."""
    run = parse_run(name)
    predictions = read_table(root / "runs" / name / "predictions" / f"{run.cohort}.parquet")
    predictions = predictions[predictions["role"] == "test"].assign(level=np.nan, target="")
    parts, random = [predictions], np.random.default_rng(run.fold)
    for index, label in enumerate(classes):
        for target in (f"class:{label}", f"cluster:{label}:{label}-000"):
            follows = random.random(len(predictions)) < 0.7
            said = np.where(follows, index, predictions["y"])
            shares = list((np.eye(len(classes))[said] * 0.8 + 0.05).astype(np.float32))
            parts.append(predictions.assign(perturbation="stain_swap", target=target, probabilities=shares))
    for family, level in (("common_scale", np.nan), ("cells_only", np.nan), ("gaussian_blur", 2.0), ("jpeg", 50.0)):
        parts.append(predictions.assign(perturbation=family, level=level))
    return pd.concat(parts, ignore_index=True)
