"""Audit the models of one panel (cohort, task, view, protocol) for shortcuts, from predictions alone."""

from pathlib import Path

import pandas as pd

from leukoflow.audits.shortcuts import AUDIT_COLUMNS, PANEL, audit
from leukoflow.audits.swap import NEUTRAL_COLUMNS, SWAP_COLUMNS, neutral_table, swap_table
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import Run, is_baseline, parse_run
from leukoflow.core.step import log, parser, run, settings, texts
from leukoflow.report.shortcut_verdict import verdict

PREDICTED = ["cohort", "image_id", "group", "role", "y", "perturbation", "probabilities"]
CHANGED = ["image_id", "group", "y", "perturbation", "level", "target", "probabilities"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--classes", type=texts, required=True, help="classes of the task, in order, as a JSON list")
    arguments.add_argument("--answers", type=Path, required=True, help="what the probes say (Parquet)")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the panel's runs")
    arguments.add_argument("--changed", nargs="*", type=parse_run, default=[], help="those put through changed images")
    arguments.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = arguments.parse_args(argv)
    panel = {name: getattr(args.of[0], name) for name in PANEL}
    answers = read_table(args.answers)
    answers = answers[answers["protocol"] == panel["protocol"]]
    audits, swaps, neutral = [], [], []
    for model in sorted({trained.model for trained in args.of}, key=lambda name: (not is_baseline(name), name)):
        runs = {trained: _predictions(args.runs, trained) for trained in args.of if trained.model == model}
        changed = {trained: _changed(args.runs, trained) for trained in args.changed if trained.model == model}
        facts = audit(runs, changed, answers, tuple(args.classes), args.settings)
        audits.append(facts | {"verdict": verdict(facts)})
        log.info("%s: %s. %s", model, audits[-1]["level"], audits[-1]["verdict"])
        if changed:
            swaps.append(swap_table(changed, tuple(args.classes), args.settings).assign(model=model))
            neutral.append(neutral_table(changed, args.settings).assign(model=model))
    _write(args.output / "shortcut_audit.csv", [pd.DataFrame(audits)], panel, AUDIT_COLUMNS)
    _write(args.output / "stain_swap.csv", swaps, panel, [*PANEL, "model", *SWAP_COLUMNS])
    _write(args.output / "neutralised.csv", neutral, panel, [*PANEL, "model", *NEUTRAL_COLUMNS])


def _predictions(folder: Path, run: Run) -> pd.DataFrame:
    table = read_table(folder / run.name / "predictions" / f"{run.cohort}.parquet", PREDICTED)
    return table.assign(fold=run.fold, seed=run.seed)


def _changed(folder: Path, run: Run) -> pd.DataFrame:
    return read_table(folder / run.name / "changed.parquet", CHANGED).assign(fold=run.fold, seed=run.seed)


def _write(path: Path, tables: list[pd.DataFrame], panel: dict[str, str], columns: list[str]) -> None:
    filled = [table for table in tables if len(table)]
    whole = pd.concat(filled, ignore_index=True).assign(**panel) if filled else pd.DataFrame(columns=columns)
    write_table(path, whole[columns])


if __name__ == "__main__":
    run(main)
