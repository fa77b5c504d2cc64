"""The thresholds of a run, all derived from its validation role: what a program that serves the model needs."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.audits.conformal import calibrate, needed, quantile
from leukoflow.audits.selective import least_confidence
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.stats.samples import Sample, sample_of


def validation_of(run: Run, predictions: pd.DataFrame, classes: Sequence[str]) -> Sample:
    """The validation role of a run's predictions on its own cohort."""
    rows = predictions[predictions["role"] == "validation"]
    if rows.empty:
        raise LeukoFlowError(f"{run.name}: no validation images among its predictions; predict again")
    return sample_of(run, rows, classes, run.cohort, "validation")


def novelty_thresholds(scored: pd.DataFrame, accepted: float) -> dict[str, float]:
    """Largest score of each kind that is accepted, from the validation rows of novelty.parquet; infinite if there
    are too few of them."""
    validation = scored[scored["role"] == "validation"]
    return {
        str(name): quantile(part["value"].to_numpy(float), accepted)
        for name, part in validation.groupby("score", sort=False)
    }


def thresholds_of(
    run: Run, predictions: pd.DataFrame, scored: pd.DataFrame, classes: Sequence[str], settings: Evaluation
) -> dict[str, Any]:
    """For thresholds.json. A threshold that cannot be had is null: an accuracy not reached on validation, a level or
    share for which there are too few validation images (then nothing is refused, and the class is in every set).

    `confidence`: answer where the largest probability is at least this, for the accuracy. `conformal`: a class is in
    the set where 1 - its probability is at most this, for the level; over all classes, and for each. `novelty`: refuse
    where the score is above this. Probabilities are the softmax of the logits, without temperature.
    """
    sample, asked = validation_of(run, predictions, classes), settings.abstention
    limits = novelty_thresholds(scored, settings.novelty.accepted)
    single = {level: calibrate("split", sample.y, sample.probabilities, level) for level in asked.levels}
    within = {level: calibrate("class-conditional", sample.y, sample.probabilities, level) for level in asked.levels}
    counts = np.bincount(sample.y, minlength=len(classes))
    return {
        "run": run.name,
        "classes": list(classes),
        "calibration": {
            "role": "validation",
            "images": len(sample.y),
            "groups": sample.number_of_groups,
            "images_of_class": {name: int(count) for name, count in zip(classes, counts, strict=True)},
        },
        "confidence": {str(accuracy): _number(least_confidence(sample, accuracy)) for accuracy in asked.accuracies},
        "conformal": {
            "score": "1 - probability of the class",
            "images_needed": {str(level): needed(level) for level in asked.levels},
            "split": {str(level): _number(values[0]) for level, values in single.items()},
            "class_conditional": {
                str(level): {name: _number(value) for name, value in zip(classes, values, strict=True)}
                for level, values in within.items()
            },
        },
        "novelty": {
            "accepted": settings.novelty.accepted,
            "neighbours": settings.novelty.neighbours,
            "scores": {name: _number(limit) for name, limit in limits.items()},
        },
    }


def _number(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None
