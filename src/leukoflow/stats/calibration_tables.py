"""Tables of calibration: each run before and after each calibrator, and the bins of reliability diagrams."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import RUN_COLUMNS, Run
from leukoflow.stats import calibration
from leukoflow.stats.bootstrap import interval, replicate_sums, wilson_interval
from leukoflow.stats.calibrators import CLASS_TEMPERATURE, Calibrator
from leukoflow.stats.samples import Sample, together

FACTS = ["target", "role", "n", "groups", "resampling"]
CALIBRATION = [
    *RUN_COLUMNS, *FACTS, "calibrator", "class", "temperature", "note", "observed", "predicted",
    "bias", "bias_low", "bias_high", "gap", "ece", "ece_low", "ece_high", "ece_chance", "ece_chance_high",
    "mce", "mce_bin", "mce_filled", "adaptive_ece", "classwise_ece", "ici", "e50", "e90", "emax",
    "brier", "brier_low", "brier_high", "reliability", "resolution", "uncertainty", "within_variance",
    "within_covariance", "nll", "nll_low", "nll_high", "sharpness",
]  # fmt: skip
RELIABILITY = [
    "cohort", "task", "view", "protocol", "model", "target", "role", "calibrator", "class", "bin_low", "bin_high",
    "count", "predicted", "observed", "low", "high",
]  # fmt: skip
SPREAD = ("bias", "ece", "brier", "nll")
"""Measures with an interval."""


def calibration_rows(
    run: Run, sample: Sample, calibrator: Calibrator, classes: Sequence[str], settings: Evaluation
) -> pd.DataFrame:
    """`CALIBRATION` of one run, sample and calibrator: a row for the whole (class ""), and one for each class.

    Of the whole, *observed* is accuracy and *predicted* mean confidence; of a class, its share and mean probability.
    Intervals are of resamples, the calibrator being held fixed. Resampling adds noise once more to errors
    that are sums of absolute differences, so those of the *ece* are moved back by their mean excess. *ece_chance* is
    the ECE to expect of true probabilities in as many images. A calibrator that was not fitted has its note alone.
    """
    facts = {**run.columns(), **sample.facts(), "calibrator": calibrator.name, "note": calibrator.note}
    rows = [{**facts, "class": name, "temperature": _temperature(calibrator, name, classes)} for name in ("", *classes)]
    if calibrator.fitted and len(sample.y):
        measured = _measured(sample, calibrator, classes, settings, calibrator.name)
        rows = [row | values for row, values in zip(rows, measured, strict=True)]
    return pd.DataFrame(rows).reindex(columns=CALIBRATION)


def _temperature(calibrator: Calibrator, name: str, classes: Sequence[str]) -> float:
    if calibrator.temperatures is None:
        return np.nan
    if name:
        return float(calibrator.temperatures[list(classes).index(name)])
    return np.nan if calibrator.name == CLASS_TEMPERATURE else float(calibrator.temperatures[0])


def _measured(
    sample: Sample, calibrator: Calibrator, classes: Sequence[str], settings: Evaluation, name: str
) -> list[dict[str, float | str]]:
    """Measures of the whole, then of each class."""
    bins, y, shares = settings.assessment.bins, sample.y, calibrator.apply(sample.logits)
    sets = calibration.binned(y, shares, bins, settings.assessment.fewest)
    values = calibration.measures(sets, sets.matrix @ np.ones((len(y), 1)))[:, 0]
    kept = _spread_rows(len(classes))

    def finish(sums: np.ndarray) -> np.ndarray:
        return calibration.measures(sets, sums)[list(kept)]

    columns = replicate_sums(sets.matrix, sample.units, finish, settings)
    for index, (line, measure) in enumerate(kept.items()):
        if measure == "ece":
            drawn = columns[index, 1 : 1 + settings.resamples]
            drawn[:] = np.maximum(drawn - (np.nanmean(drawn) - values[line]), 0)
    limits = dict(zip(kept, zip(*interval(settings, columns), strict=True), strict=True))
    confidence, right = shares.max(1), (shares.argmax(1) == y).astype(float)
    binary = [(confidence, right), *((shares[:, k], (y == k).astype(float)) for k in range(len(classes)))]
    rows, start = [], 0
    for index, (p, hit) in enumerate(binary):
        names = calibration.PER_CLASS if index else calibration.WHOLE
        row: dict[str, float | str] = dict(zip(names, values[start : start + len(names)], strict=True))
        for offset, measure in enumerate(names):
            if measure in SPREAD:
                row[f"{measure}_low"], row[f"{measure}_high"] = limits[start + offset]
        expected, limit = calibration.chance(p, bins, settings.confidence, settings.seed, name, index)
        row |= {"gap": abs(float(row["bias"])), "ece_chance": expected, "ece_chance_high": limit}
        row |= {"mce_bin": calibration.worst_bin(p, hit, bins), **calibration.integrated(p, hit)}
        rows.append(row)
        start += len(names)
    return rows


def _spread_rows(classes: int) -> dict[int, str]:
    """Rows of `calibration.measures` that get an interval, and their measure."""
    names = [*calibration.WHOLE, *calibration.PER_CLASS * classes]
    return {row: name for row, name in enumerate(names) if name in SPREAD}


def reliability_rows(
    model: Mapping[str, str | int],
    samples: Sequence[tuple[Sample, Calibrator]],
    classes: Sequence[str],
    settings: Evaluation,
) -> pd.DataFrame:
    """`RELIABILITY` of one model and calibrator, its folds and seeds pooled: bins that hold images, with Wilson's
    interval of the share observed, which takes images for independent. Class "" is confidence and accuracy.
    """
    pooled = together([sample for sample, _ in samples])
    shares = np.concatenate([calibrator.apply(sample.logits) for sample, calibrator in samples])
    bins, rows = settings.assessment.bins, []
    facts = {**model, "target": pooled.target, "role": pooled.role, "calibrator": samples[0][1].name}
    pairs = [(shares.max(1), shares.argmax(1) == pooled.y)] if len(shares) else []
    pairs += [(shares[:, k], pooled.y == k) for k in range(len(classes))] if len(shares) else []
    for name, (p, hit) in zip(("", *classes), pairs, strict=False):
        for number, count, predicted, observed in zip(*calibration.reliability(p, hit, bins), strict=True):
            low, high = wilson_interval(observed * count, count, settings.confidence)
            limits = {"bin_low": number / bins, "bin_high": (number + 1) / bins, "low": low, "high": high}
            rows.append(
                {**facts, "class": name, "count": count, "predicted": predicted, "observed": observed, **limits}
            )
    return pd.DataFrame(rows, columns=RELIABILITY)
