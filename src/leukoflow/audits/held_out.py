"""Calibration measured on groups left out: on validation images as usual, and on groups that no network saw.

Validation images choose the best epoch, so a network is more often right on them than on new groups. If a protocol has
several folds, each group is a test group once. The test images of the other folds then calibrate a fold: temperature
and thresholds come from answers about groups that the answering networks were not trained on. Temperature scaling:
Guo et al. 2017, arXiv 1706.04599. Sets over groups: hierarchical conformal prediction (Lee, Barber and Willett 2023,
arXiv 2306.06342), in which a group counts once, however many images it has.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from leukoflow.audits.conformal import quantile, sets_of
from leukoflow.audits.selective import least_confidence
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.stats.bootstrap import interval, replicate_sums
from leukoflow.stats.calibration_tables import calibration_rows
from leukoflow.stats.calibrators import NONE, TEMPERATURE, Calibrator, fit
from leukoflow.stats.samples import Sample, sample_of, together

AS_TRAINED, VALIDATION, GROUPS = "as trained", "validation images", "groups left out"
"""What probabilities and thresholds come from."""
COLUMNS = [
    "cohort", "task", "view", "protocol", "model", "seed", "calibrated_on", "level", "n", "groups", "calibration",
    "calibration_groups", "temperature", "accuracy", "accuracy_low", "accuracy_high", "ece", "ece_low", "ece_high",
    "nll", "coverage", "coverage_low", "coverage_high", "size", "confident", "confident_low", "confident_high",
    "confident_accuracy", "confident_accuracy_low", "confident_accuracy_high",
]  # fmt: skip


def group_quantile(scores: np.ndarray, groups: np.ndarray, level: float) -> float:
    """The least score at or below which lies a share `level` of the groups, each of which weighs 1 / (G + 1).

    scores: float [n]; groups: int [n], 0 to G-1. Within a group its images share the weight; the weight left over is
    of a group yet to come and infinite, so that the answer is infinite for G < level / (1 - level). The score of an
    image of a further group, exchangeable with these, is at most this large with a probability of at least `level`.
    """
    order = np.argsort(scores, kind="stable")
    sizes = np.bincount(groups)
    reached = np.cumsum(1 / sizes[groups[order]]) / (np.count_nonzero(sizes) + 1)
    rank = int(np.searchsorted(reached, level - 1e-9))
    return float(scores[order][rank]) if rank < len(scores) else np.inf


def others(samples: Sequence[Sample], index: int) -> Sample | None:
    """Test images of the other folds, without the groups that the fold tests itself; None if there are none."""
    own = set(samples[index].groups)
    rest = [sample for number, sample in enumerate(samples) if number != index and len(sample.y)]
    if not rest:
        return None
    pooled = together(rest)
    kept = np.array([group not in own for group in pooled.groups], bool)
    if not kept.any():
        return None
    return Sample(
        pooled.target, pooled.role, pooled.y[kept], pooled.groups[kept], pooled.probabilities[kept], pooled.logits[kept]
    )


def role_of(run: Run, predictions: pd.DataFrame, role: str, classes: Sequence[str], cohort: str = "") -> Sample:
    """Labelled, unperturbed images of a role, with logits: of the run's own cohort, or of another."""
    cohort = cohort or run.cohort
    rows = predictions[(predictions["cohort"] == cohort) & (predictions["role"] == role)]
    rows = rows[rows["perturbation"] == "none"]
    return sample_of(run, rows, classes, cohort, role, logits=True)


def set_limit(calibration: Sample, probabilities: np.ndarray, level: float, by_group: bool) -> float:
    """Largest 1 - probability of a class in a set; infinite if there are too few groups (else images)."""
    scores = 1 - probabilities[np.arange(len(calibration.y)), calibration.y]
    return group_quantile(scores, calibration.group_numbers, level) if by_group else quantile(scores, level)


def held_out(folds: Sequence[tuple[Run, Sample, Sample]], classes: Sequence[str], settings: Evaluation) -> pd.DataFrame:
    """`COLUMNS` of one model and seed: rows by what was calibrated on and by level, all folds' test images together.

    `folds` holds each run with its validation and its test images. Empty if fewer than two folds have test images, or
    if every group is tested in every fold.
    """
    run = folds[0][0]
    tests = [test for _, _, test in folds]
    left_out = [others(tests, index) for index in range(len(tests))]
    if any(part is None for part, test in zip(left_out, tests, strict=True) if len(test.y)):
        return pd.DataFrame(columns=COLUMNS)
    rows = []
    for name in (AS_TRAINED, VALIDATION, GROUPS):
        from_groups = name == GROUPS
        parts = []
        for (_, validation, test), rest in zip(folds, left_out, strict=True):
            if rest is not None and len(test.y):
                source = rest if from_groups else validation
                fitted = Calibrator(NONE) if name == AS_TRAINED else fit(TEMPERATURE, source.logits, source.y, classes)
                parts.append((test, source, fitted))
        rows += _rows(run, name, parts, classes, settings)
    return pd.DataFrame(rows, columns=COLUMNS)


def _rows(
    run: Run,
    name: str,
    parts: Sequence[tuple[Sample, Sample, Calibrator]],
    classes: Sequence[str],
    settings: Evaluation,
) -> list[dict]:
    """Rows of each level; parts: test images, images calibrated on, and the calibrator of each fold."""
    pooled = together([test for test, _, _ in parts])
    shares = np.concatenate([fitted.apply(test.logits) for test, _, fitted in parts])
    with np.errstate(divide="ignore"):
        logits = np.maximum(np.log(shares), -1e3)
    answered = Sample(pooled.target, pooled.role, pooled.y, pooled.groups, shares, logits)
    whole = calibration_rows(run, answered, Calibrator(NONE), classes, settings).iloc[0]
    temperatures = [1.0 if fitted.temperatures is None else float(fitted.temperatures[0]) for _, _, fitted in parts]
    facts = {
        **{key: run.columns()[key] for key in COLUMNS[:6]},
        "calibrated_on": name,
        "n": len(answered.y),
        "groups": answered.number_of_groups,
        "calibration": round(float(np.mean([len(source.y) for _, source, _ in parts]))),
        "calibration_groups": round(float(np.mean([source.number_of_groups for _, source, _ in parts]))),
        "temperature": float(np.mean(temperatures)),
        **{key: whole[key] for key in ("ece", "ece_low", "ece_high", "nll")},
    }
    rows = []
    for level in settings.abstention.levels:
        included, sure = [], []
        for test, source, fitted in parts:
            calibrated = fitted.apply(source.logits)
            limit = set_limit(source, calibrated, level, name == GROUPS)
            included.append(sets_of(fitted.apply(test.logits), np.full(len(classes), limit)))
            seen = Sample(source.target, source.role, source.y, source.groups, calibrated)
            sure.append(fitted.apply(test.logits).max(1) >= least_confidence(seen, level))
        rows.append(
            facts | {"level": level} | _shares(answered, np.concatenate(included), np.concatenate(sure), settings)
        )
    return rows


def _shares(sample: Sample, included: np.ndarray, sure: np.ndarray, settings: Evaluation) -> dict[str, float]:
    """Accuracy over all folds, coverage and size of sets, the share answered with enough confidence and what of it is
    right; intervals over groups."""
    hit = included[np.arange(len(sample.y)), sample.y]
    right = sample.probabilities.argmax(1) == sample.y
    matrix = np.stack([hit, sure, sure & right, right, np.ones(len(hit))]).astype(float)

    def finish(sums: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.stack([sums[0] / sums[4], sums[1] / sums[4], sums[2] / sums[1], sums[3] / sums[4]])

    columns = replicate_sums(matrix, sample.units, finish, settings)
    low, high = interval(settings, columns)
    values: dict[str, float] = {"size": float(included.sum(1).mean())}
    for index, name in enumerate(("coverage", "confident", "confident_accuracy", "accuracy")):
        values |= {name: columns[index, 0], f"{name}_low": low[index], f"{name}_high": high[index]}
    return values
