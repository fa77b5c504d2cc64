"""Calibration and discrimination of all runs of a panel (one cohort, task, view and protocol), from predictions."""

from collections.abc import Mapping, Sequence

import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.stats.calibration_tables import CALIBRATION, RELIABILITY, calibration_rows, reliability_rows
from leukoflow.stats.calibrators import CALIBRATORS, Calibrator, fit
from leukoflow.stats.curves import CURVE_COLUMNS, curve_table, draw
from leukoflow.stats.discrimination_tables import (
    DISCRIMINATION,
    ERRORS,
    OPERATING,
    PREVALENCE,
    answer_rows,
    area_rows,
)  # fmt: skip
from leukoflow.stats.precision_recall import PAIRS, PRECISION_RECALL, pair_rows, precision_recall_rows
from leukoflow.stats.samples import Sample, sample_of, together

MODEL = ["cohort", "task", "view", "protocol", "model"]
COLUMNS = {
    "calibration": CALIBRATION,
    "reliability": RELIABILITY,
    "discrimination": DISCRIMINATION,
    "errors": ERRORS,
    "operating_points": OPERATING,
    "prevalence": PREVALENCE,
    "precision_recall": PRECISION_RECALL,
    "pairs": PAIRS,
    "curves": [*MODEL, "target", "role", *CURVE_COLUMNS],
}
"""Tables and their columns."""


def assess_run(
    run: Run, predictions: Sequence[pd.DataFrame], classes: Sequence[str], settings: Evaluation
) -> tuple[dict[str, list[pd.DataFrame]], list[tuple[Sample, list[Calibrator]]]]:
    """Rows of one run by table; its test sample and those outside, each with the run's calibrators.

    `predictions` holds the run's own cohort first, then other targets. Everything fitted or chosen (calibrators,
    thresholds) comes from the validation role. LeukoFlowError if that has no image.
    """
    first, *others = predictions
    validation = _sample(run, first, "validation", classes)
    if not len(validation.y):
        raise LeukoFlowError(f"{run.name}: no labelled image of role validation to calibrate on; predict again")
    fewest = settings.assessment.fewest
    calibrators = [fit(name, validation.logits, validation.y, classes, fewest) for name in CALIBRATORS]
    samples = [_sample(run, first, "test", classes), *(_sample(run, table, "external", classes) for table in others)]
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    kept = [sample for sample in samples if len(sample.y)]
    for sample in kept:
        tables["calibration"] += [
            calibration_rows(run, sample, calibrator, classes, settings) for calibrator in calibrators
        ]
        rows = answer_rows(run, sample, validation, classes, settings)
        for name, part in zip(("errors", "operating_points", "prevalence"), rows, strict=True):
            tables[name].append(part)
        tables["precision_recall"].append(precision_recall_rows(run, sample, validation, classes, settings))
        tables["pairs"].append(pair_rows(run, sample, classes))
    return tables, [(sample, calibrators) for sample in kept]


def _sample(run: Run, predictions: pd.DataFrame, role: str, classes: Sequence[str]) -> Sample:
    """The unperturbed, labelled images of a role, with logits."""
    rows = predictions[(predictions["perturbation"] == "none") & (predictions["role"] == role)]
    target = str(predictions["cohort"].iloc[0]) if len(predictions) else ""
    return sample_of(run, rows, classes, target, role, logits=True)


def assess(
    runs: Mapping[Run, Sequence[pd.DataFrame]], classes: Sequence[str], settings: Evaluation
) -> dict[str, pd.DataFrame]:
    """All tables of `COLUMNS`. `runs` holds each run's predictions, its own cohort's first.

    Curves and reliability are of models on the test role, folds and seeds pooled; the rest is of runs and targets.
    """
    tables: dict[str, list[pd.DataFrame]] = {name: [] for name in COLUMNS}
    by_model: dict[tuple, list[tuple[Run, Sample, list[Calibrator]]]] = {}
    for run, predictions in runs.items():
        rows, answered = assess_run(run, predictions, classes, settings)
        for name, parts in rows.items():
            tables[name] += parts
        for sample, calibrators in answered:
            key = tuple(run.columns()[name] for name in MODEL), sample.target
            by_model.setdefault(key, []).append((run, sample, calibrators))
    for (values, target), answered_by in by_model.items():
        model = dict(zip(MODEL, values, strict=True))
        pooled = together([sample for _, sample, _ in answered_by])
        test = target == model["cohort"]
        drawn = draw(pooled.y, pooled.probabilities, pooled.units, settings, bands=test)
        for run, sample, _ in answered_by:
            areas = drawn if len(answered_by) == 1 else draw(sample.y, sample.probabilities, sample.units, settings)
            tables["discrimination"].append(area_rows(run, sample, areas, classes, settings))
        if test:
            curves = curve_table(drawn, classes).assign(**model, target=target, role=pooled.role)
            tables["curves"].append(curves[COLUMNS["curves"]])
            for index in range(len(CALIBRATORS)):
                fitted = [
                    (sample, calibrators[index]) for _, sample, calibrators in answered_by if calibrators[index].fitted
                ]
                if fitted:
                    tables["reliability"].append(reliability_rows(model, fitted, classes, settings))
    return {name: _joined(parts, COLUMNS[name]) for name, parts in tables.items()}


def _joined(parts: Sequence[pd.DataFrame], columns: list[str]) -> pd.DataFrame:
    # An empty part has no types to speak for.
    filled = [part for part in parts if len(part)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)
