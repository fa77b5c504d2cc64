"""What steps on abstention, novelty and the gate read and write, made up for a study of random numbers."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.audits.gate import MEASURES
from leukoflow.core.files import read_table, write_table
from leukoflow.steps import abstain, gate, gather_tables

CLASSES = ("Benign", "Early", "Pre", "Pro")
SCORES = {"mahalanobis": 3.0, "neighbours": 1.0, "energy": 0.0, "softmax": -1.0}
"""How much stranger other images look, in standard deviations."""


def novelty_of(run: Path, seed: int) -> None:
    """Scores of a run's predicted images and of two kinds of non-smears."""
    random, parts = np.random.default_rng(seed), []
    tables = [read_table(path, ["image_id", "group", "role", "cohort"]) for path in sorted(run.glob("predictions/*"))]
    drawn = [f"{kind}/{index}" for kind in ("text", "white noise") for index in range(8)]
    kinds = [name.split("/")[0] for name in drawn]
    tables.append(pd.DataFrame({"image_id": drawn, "group": drawn, "role": "non-smear", "cohort": kinds}))
    images = pd.concat(tables, ignore_index=True).rename(columns={"cohort": "kind"})
    away = images["role"].isin(["external", "non-smear"]).to_numpy()
    for score, shift in SCORES.items():
        parts.append(images.assign(score=score, value=random.normal(size=len(images)) + shift * away))
    write_table(run / "novelty.parquet", pd.concat(parts, ignore_index=True))


def measured(root: Path) -> None:
    """The gate's measures in the quality tables; the external cohort is darker."""
    for path in sorted(root.glob("cohorts/*/quality.parquet")):
        table, random = read_table(path), np.random.default_rng(len(path.parent.name))
        for name in MEASURES:
            if name not in table:
                table[name] = random.normal(size=len(table))
        if path.parent.name == "away":
            table["exposure"] -= 0.5
        write_table(path, table)


def abstain_arguments(root: Path, protocol: str) -> list[str]:
    """Arguments of step `abstain` for a protocol's panel."""
    names = sorted(path.name for path in root.glob(f"runs/*.plain.{protocol}.*"))
    arguments = [
        "--settings",
        '{"resamples": 100}',
        "--classes",
        json.dumps(CLASSES),
        "--runs",
        str(root / "runs"),
        "--of",
        *names,
    ]
    arguments += ["--targets", "demo", "away", "--novelty", *names]
    arguments += ["--split", str(root / f"splits/demo.subtype.{protocol}.parquet")]
    arguments += ["--duplicates", str(root / "quality/duplicates.parquet")]
    return [*arguments, "--output", str(root / f"parts/abstention/demo.subtype.plain.{protocol}")]


def gate_arguments(root: Path, protocol: str) -> list[str]:
    """Arguments of step `gate` for a protocol, without damaged images."""
    names = sorted(path.name for path in root.glob(f"runs/*.plain.{protocol}.*"))
    settings = '{"resamples": 100, "abstention": {"damaged": 0}, "novelty": {"non_smears": 1}}'
    arguments = ["--settings", settings, "--name", f"demo.subtype.{protocol}", "--runs", str(root / "runs")]
    arguments += ["--of", *names, "--targets", "demo", "away", "--root", str(root), "--max-pixels", "1000000"]
    arguments += ["--quality", *(str(root / f"cohorts/{name}/quality.parquet") for name in ("demo", "away"))]
    arguments += ["--split", str(root / f"splits/demo.subtype.{protocol}.parquet")]
    arguments += ["--groups", str(root / "quality/groups.parquet"), "--files", str(root / "cohorts/demo/files.parquet")]
    arguments += ["--manifest", str(root / "cohorts/demo/manifest.parquet")]
    arguments += ["--output", str(root / f"gates/demo.subtype.{protocol}.json")]
    return [*arguments, "--parts", str(root / f"parts/gate/demo.subtype.{protocol}")]


def finish(root: Path, protocols: Sequence[str]) -> None:
    """Everything up to the tables."""
    measured(root)
    for number, run in enumerate(sorted(root.glob("runs/*"))):
        novelty_of(run, number)
    for protocol in protocols:
        abstain.main(abstain_arguments(root, protocol))
        gate.main(gate_arguments(root, protocol))
    for kind, panels, names in (
        ("abstention", "demo.subtype.plain", ("abstention", "conformal", "novelty", "held_out_calibration")),
        ("gate", "demo.subtype", ("gate", "gate_accuracy")),
    ):
        arguments = ["--parts", str(root / "parts" / kind), "--of", *(f"{panels}.{protocol}" for protocol in protocols)]
        gather_tables.main([*arguments, "--outputs", *(str(root / f"tables/{name}.csv") for name in names)])
