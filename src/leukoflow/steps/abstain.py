"""What the models of one cohort, task, view and protocol gain when they may hold an answer back, and what they refuse.

Writes the parts of tables `abstention` (accuracy against coverage), `conformal` (prediction sets), `novelty` (images of
another kind), `held_out_calibration` (calibration on groups left out) and `risk_curves` (what the figure shows), each
under its name in the folder of parts.
"""

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.audits import conformal, detection, held_out, selective
from leukoflow.audits.thresholds import novelty_thresholds
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import RUN_COLUMNS, Run, parse_run
from leukoflow.core.step import parser, progress, run, settings, texts
from leukoflow.stats.samples import EVERY, Sample
from leukoflow.stats.scores import samples

WHERE = ["target", "role", "subset", "n", "groups"]
CURVE = [*RUN_COLUMNS, "target", "role", "subset", "coverage", "accuracy"]
NEEDED = ["cohort", "image_id", "group", "role", "y", "perturbation", "logits", "probabilities"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--classes", type=texts, required=True, help="classes of the task, in order, as a JSON list")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the runs' folders")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the runs")
    arguments.add_argument("--targets", nargs="+", required=True, help="cohorts predicted; a run may lack some")
    arguments.add_argument("--novelty", nargs="*", default=[], help="names of the runs that have novelty.parquet")
    arguments.add_argument("--split", type=Path, required=True, help="split of the cohort, task and protocol")
    arguments.add_argument("--duplicates", type=Path, required=True, help="pairs of duplicates")
    arguments.add_argument("--output", type=Path, required=True, help="folder of the parts (CSV)")
    args = arguments.parse_args(argv)
    split, duplicates = read_table(args.split), read_table(args.duplicates)
    parts: dict[str, list[pd.DataFrame]] = {"abstention": [], "conformal": [], "novelty": [], "risk_curves": []}
    folds: dict[tuple[str, int], list[tuple[Run, Sample, Sample]]] = {}
    for trained in progress(args.of, len(args.of), "run"):
        predictions = _predictions(trained, args)
        for name, table in _of_run(trained, predictions, split, duplicates, args).items():
            parts[name].append(table)
        own = [held_out.role_of(trained, predictions, role, args.classes) for role in ("validation", "test")]
        folds.setdefault((trained.model, trained.seed), []).append((trained, *own))
        if trained.name in args.novelty:
            scored = read_table(args.runs / trained.name / "novelty.parquet")
            limits = novelty_thresholds(scored, args.settings.novelty.accepted)
            parts["novelty"].append(detection.detection(trained, scored, limits, args.settings))
    parts["held_out_calibration"] = [
        held_out.held_out(of_model, args.classes, args.settings) for of_model in folds.values()
    ]
    empty = {"novelty": detection.COLUMNS, "held_out_calibration": held_out.COLUMNS}
    for name, tables in parts.items():
        filled = [table for table in tables if len(table)]
        joined = pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=empty[name])
        write_table(args.output / f"{name}.csv", joined)


def _predictions(run: Run, args: argparse.Namespace) -> pd.DataFrame:
    files = [args.runs / run.name / "predictions" / f"{target}.parquet" for target in args.targets]
    return pd.concat([read_table(path, NEEDED) for path in files if path.exists()], ignore_index=True)


def _of_run(
    run: Run, predictions: pd.DataFrame, split: pd.DataFrame, duplicates: pd.DataFrame, args: argparse.Namespace
) -> dict[str, pd.DataFrame]:
    """Parts of one run."""
    asked: Evaluation = args.settings
    run_samples = list(samples(run, predictions, split, duplicates, args.classes))
    validation = next(sample for sample in run_samples if sample.role == "validation")
    least = {level: selective.least_confidence(validation, level) for level in asked.abstention.accuracies}
    made: dict[str, list[pd.DataFrame]] = {"abstention": [], "conformal": [], "risk_curves": []}
    for sample in _shown(run_samples):
        facts = {**run.columns(), "target": sample.target, "role": sample.role, "subset": sample.subset}
        facts |= {"n": len(sample.y), "groups": sample.number_of_groups}
        curve, rows = selective.selective(sample, least, asked)
        made["abstention"].append(_placed(pd.DataFrame(rows, columns=selective.COLUMNS), facts))
        sets = conformal.conformal(sample, validation, args.classes, asked)
        made["conformal"].append(_placed(sets, facts))
        points = pd.DataFrame({"coverage": np.arange(1, 101) / 100, "accuracy": curve})
        made["risk_curves"].append(points.assign(**facts)[CURVE])
    return {name: pd.concat(tables, ignore_index=True) for name, tables in made.items()}


def _shown(run_samples: list[Sample]) -> list[Sample]:
    """The test role, and each external cohort without the images that the model has seen, where any are left."""
    shown = [sample for sample in run_samples if sample.role == "test" and sample.subset == EVERY and len(sample.y)]
    for target in dict.fromkeys(sample.target for sample in run_samples if sample.role == "external"):
        parts = [sample for sample in run_samples if sample.target == target and len(sample.y)]
        shown += parts[-1:]
    return shown


def _placed(table: pd.DataFrame, facts: dict) -> pd.DataFrame:
    """The table behind columns that say where it is from."""
    columns = [*RUN_COLUMNS, *WHERE, *table.columns]
    return table.assign(**facts)[columns]


if __name__ == "__main__":
    run(main)
