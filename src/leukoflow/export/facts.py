"""What a program that answers must know next to the networks: calibration, thresholds, results. All from tables."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.audits.conformal import needed, quantile
from leukoflow.audits.held_out import others, role_of, set_limit
from leukoflow.audits.selective import least_confidence
from leukoflow.config.export import Export
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.runtime.schema import Confidence, Conformal, Novelty, Range, Result
from leukoflow.stats.calibrators import TEMPERATURE, fit
from leukoflow.stats.samples import EVERY, Sample

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "mcc")
"""Figures that are exported."""
NOVELTY = "mahalanobis"
"""Score by which images of another kind are refused."""


@dataclass(frozen=True)
class Calibration:
    """Images that a model is calibrated on, and what that gives."""

    sample: Sample
    """With logits as the network gives them, and calibrated probabilities."""
    facts: dict[str, Any]
    """What `runtime.schema.Export` has of it."""

    def confusion(self) -> tuple[tuple[int, ...], ...]:
        """Images of each true class by the class named."""
        classes = self.sample.probabilities.shape[1]
        pairs = self.sample.y * classes + self.sample.probabilities.argmax(1)
        return tuple(map(tuple, np.bincount(pairs, minlength=classes**2).reshape(classes, classes).tolist()))


def calibrated(
    run: Run,
    predictions: pd.DataFrame,
    classes: Sequence[str],
    asked: Export,
    siblings: Mapping[Run, pd.DataFrame] | None = None,
    elsewhere: pd.DataFrame | None = None,
) -> Calibration:
    """Temperature, and the thresholds of confidence and conformal sets on the probabilities that it gives.

    From the images of another cohort, if the config names one (`elsewhere`: the run's predictions on it); else from the
    test images of the protocol's other folds (`siblings`, run by run) if there are any, so that groups which their
    networks never saw decide; else from the validation images of the run's predictions.
    """
    tests = [role_of(one, table, "test", classes) for one, table in ((run, predictions), *(siblings or {}).items())]
    if asked.calibration_cohort and elsewhere is not None:
        left_out: Sample | None = role_of(run, elsewhere, "external", classes, asked.calibration_cohort)
    else:
        left_out = others(tests, 0)
    source = left_out or role_of(run, predictions, "validation", classes)
    if not len(source.y):
        name = f"labelled images of {asked.calibration_cohort}" if asked.calibration_cohort else "validation images"
        raise LeukoFlowError(f"{run.name}: no {name} among its predictions; predict again")
    fitted = fit(TEMPERATURE, source.logits, source.y, classes)
    shares = fitted.apply(source.logits)
    sample = Sample(source.target, source.role, source.y, source.groups, shares, source.logits)
    limit = set_limit(source, shares, asked.coverage, by_group=left_out is not None)
    least = least_confidence(sample, asked.accuracy)
    units = source.number_of_groups if left_out else len(source.y)
    facts = {
        "temperature": 1.0 if fitted.temperatures is None else float(fitted.temperatures[0]),
        "calibrated_on": len(source.y),
        "calibration_groups": source.number_of_groups if left_out else 0,
        "calibration_cohort": asked.calibration_cohort or "",
        "calibration_note": fitted.note,
        "conformal": Conformal(
            coverage=asked.coverage, threshold=_number(limit), images=units, needed=needed(asked.coverage)
        ),
        "confidence": Confidence(accuracy=asked.accuracy, threshold=_number(least)),
    }
    return Calibration(sample, facts)


def gate(limits: Mapping[str, Any], fold: int) -> dict[str, Range]:
    """Accepted values of each measure of quality, from the gate's JSON."""
    entry = next((entry for entry in limits["folds"] if entry["fold"] == fold), None)
    if entry is None:
        raise LeukoFlowError(f"gate of {limits['cohort']}: has no limits of fold {fold}; run step gate again")
    words = limits["measures"]
    return {
        name: Range(low=bounds["low"], high=bounds["high"], words=words[name])
        for name, bounds in entry["limits"].items()
    }


def novelty(thresholds: Mapping[str, Any], scored: pd.DataFrame | None = None, cohort: str = "") -> Novelty:
    """The limit of novelty: from the run's thresholds, or from the images of another cohort among those scored."""
    asked = thresholds["novelty"]
    if scored is None or not cohort:
        return Novelty(threshold=asked["scores"][NOVELTY], accepted=asked["accepted"])
    rows = scored[(scored["kind"] == cohort) & (scored["score"] == NOVELTY)]
    limit = quantile(rows["value"].to_numpy(float), asked["accepted"])
    return Novelty(threshold=_number(limit), accepted=asked["accepted"])


def results(run: Run, scores: pd.DataFrame, subset: str = EVERY) -> tuple[Result, ...]:
    """Figures of a run on its test images and on other cohorts, with intervals over groups if there are such."""
    rows = of_run(run, scores)
    rows = rows[rows["role"].isin(["test", "external"]) & (rows["subset"] == subset) & rows["class"].isna()]
    rows = rows[rows["metric"].isin(METRICS)]
    # Of several intervals of one figure that over groups counts; if nothing varies, no resampling says anything.
    varies = rows["low"] < rows["high"]
    worth = rows["resampling"].map({"wilson": 1, "groups": 2}).fillna(0).where(varies, -1)
    rows = rows.assign(low=rows["low"].where(varies), high=rows["high"].where(varies), worth=worth)
    rows = rows.sort_values("worth", ascending=False, kind="stable")
    rows = rows.drop_duplicates(["target", "role", "metric"]).sort_index()
    return tuple(
        Result(
            target=row["target"],
            role=row["role"],
            metric=row["metric"],
            value=row["value"],
            low=_number(row["low"]),
            high=_number(row["high"]),
            images=row["n"],
            groups=row["groups"],
        )
        for row in rows.to_dict("records")
        if math.isfinite(row["value"])
    )


def of_run(run: Run, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table that are a run's, by those of the run's columns that the table has."""
    mask = np.ones(len(table), bool)
    for name, value in run.columns().items():
        if name in table:
            mask &= (table[name] == value).to_numpy(bool)
    return table[mask]


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
