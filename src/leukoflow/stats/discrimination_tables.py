"""Tables of discrimination: areas, errors, operating points, and the same answers in other mixes of classes."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import pandas as pd
from scipy import sparse

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import RUN_COLUMNS, Run
from leukoflow.stats import confusions
from leukoflow.stats.bootstrap import interval, replicate_sums, wilson_interval
from leukoflow.stats.curves import AREAS, MACRO, MICRO, Drawn
from leukoflow.stats.metrics import agreement
from leukoflow.stats.samples import Sample

FACTS = ["target", "role", "n", "groups", "resampling"]


def _with_limits(*names: str) -> list[str]:
    return [f"{name}{end}" for name in names for end in ("", "_low", "_high")]


DISCRIMINATION = [*RUN_COLUMNS, *FACTS, "class", "positives", *_with_limits(*AREAS), "separation"]
ERRORS = [
    *RUN_COLUMNS, *FACTS, "errors", *_with_limits("accuracy", "kappa", "mcc", "nmi"), "error_entropy",
    "error_entropy_most", "top3", "top3_even", "pairs", *_with_limits("confidence_right", "confidence_wrong"),
]  # fmt: skip
OPERATING = [
    *RUN_COLUMNS, *FACTS, "class", "rule", "threshold", "positives", *_with_limits("sensitivity", "specificity"),
]  # fmt: skip
PREVALENCE = [*RUN_COLUMNS, *FACTS, "class", "prevalence", "share", *_with_limits("accuracy", "ppv", "npv")]


@dataclass(frozen=True)
class Tables:
    """One run's rows on one sample."""

    discrimination: pd.DataFrame
    errors: pd.DataFrame
    operating_points: pd.DataFrame
    prevalence: pd.DataFrame


def area_rows(run: Run, sample: Sample, drawn: Drawn, classes: Sequence[str], settings: Evaluation) -> pd.DataFrame:
    """`DISCRIMINATION`: a row for each class against the rest, for their macro and for the micro average.

    *separation* is the Jensen-Shannon divergence of scores, of the macro average their mean. If no resample differs,
    as where classes are wholly apart, there is no interval.
    """
    shares, rows = sample.probabilities, []
    apart = [confusions.separation(sample.y == k, shares[:, k]) for k in range(len(classes))]
    every: list[tuple] = [*zip(classes, drawn.columns[:-1], apart, strict=True)]
    every.append((MACRO, _mean(drawn.columns[:-1]), np.mean([value for value in apart if value == value] or [np.nan])))
    every.append((MICRO, drawn.columns[-1], np.nan))
    for name, columns, between in every:
        positives = int((sample.y == list(classes).index(name)).sum()) if name in classes else len(sample.y)
        row = {**run.columns(), **sample.facts(), "class": name, "positives": positives, "separation": between}
        rows.append({**row, **_limited(AREAS, columns, settings)})
    return pd.DataFrame(rows, columns=DISCRIMINATION)


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the defined classes, [K, 3, columns] to [3, columns]."""
    defined = np.isfinite(values)
    return np.divide(
        np.where(defined, values, 0).sum(0), defined.sum(0), out=np.full(values.shape[1:], np.nan), where=defined.any(0)
    )


def _limited(names: Sequence[str], columns: np.ndarray, settings: Evaluation) -> dict[str, float]:
    """Values with limits, without those if no resample differs."""
    row: dict[str, float] = {}
    for name, value, low, high in zip(names, columns[:, 0], *interval(settings, columns), strict=True):
        row |= {name: value, f"{name}_low": np.nan, f"{name}_high": np.nan}
        if high - low > 1e-9 and np.isfinite(value):
            row |= {f"{name}_low": low, f"{name}_high": high}
    return row


def answer_rows(
    run: Run, sample: Sample, validation: Sample, classes: Sequence[str], settings: Evaluation
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """`ERRORS`, `OPERATING` and `PREVALENCE` of one run on one sample.

    Thresholds of the operating points come from `validation`. Where sensitivity or specificity has nothing to vary it
    gets Wilson's interval. In another mix of classes, each class' images are answered as here and weigh differently.
    """
    known, count = settings.assessment, len(classes)
    shares = sample.probabilities
    points = [
        (k, rule, level)
        for k in range(count)
        for rule, level in confusions.thresholds(
            validation.y == k, validation.probabilities[:, k], known.specificities
        ).items()
    ]
    matrix = _answers(sample.y, shares, [(k, level) for k, _, level in points])
    mixes = list(product(range(count), known.prevalences))

    def finish(sums: np.ndarray) -> np.ndarray:
        cells = sums[: count**2].reshape(count, count, -1)
        parts = [_whole(cells, sums[count**2 : count**2 + 2])]
        parts += [_rates(cells, k, *sums[start : start + 2]) for start, (k, _, _) in _places(points, count)]
        return np.concatenate([*parts, *(confusions.in_mix(cells, k, share) for k, share in mixes)])

    sums = matrix @ np.ones((len(sample.y), 1))
    columns = replicate_sums(matrix, sample.units, finish, settings)
    facts = {**run.columns(), **sample.facts()}
    errors = facts | _errors_row(sums, classes)
    errors |= _limited(("accuracy", "kappa", "mcc", "nmi", *WEIGHED), columns[:6], settings)
    operating, prevalence = [], []
    true = np.bincount(sample.y, minlength=count)
    for index, (k, rule, level) in enumerate(points):
        at = slice(6 + 2 * index, 8 + 2 * index)
        row = _limited(("sensitivity", "specificity"), columns[at], settings)
        for name, images in (("sensitivity", true[k]), ("specificity", len(sample.y) - true[k])):
            if np.isnan(row[f"{name}_low"]) and np.isfinite(row[name]):
                limits = wilson_interval(row[name] * images, images, settings.confidence)
                row[f"{name}_low"], row[f"{name}_high"] = limits
        operating.append({**facts, "class": classes[k], "rule": rule, "threshold": level, "positives": true[k], **row})
    for index, (k, share) in enumerate(mixes):
        at = slice(6 + 2 * len(points) + 3 * index, 9 + 2 * len(points) + 3 * index)
        row = _limited(("accuracy", "ppv", "npv"), columns[at], settings)
        class_share = true[k] / max(len(sample.y), 1)
        prevalence.append({**facts, "class": classes[k], "prevalence": share, "share": class_share, **row})
    named = ((ERRORS, [errors]), (OPERATING, operating), (PREVALENCE, prevalence))
    first, second, third = (pd.DataFrame(rows, columns=columns) for columns, rows in named)
    return first, second, third


WEIGHED = ("confidence_right", "confidence_wrong")


def _places(points: list, classes: int) -> list[tuple[int, tuple]]:
    """Where the sums of each operating point start."""
    return [(classes**2 + 2 + 2 * index, point) for index, point in enumerate(points)]


def _answers(y: np.ndarray, shares: np.ndarray, levels: list[tuple[int, float]]) -> sparse.csr_matrix:
    """Sums: K * K cells, confidence of right and of wrong answers, and of each level (class, threshold) the images of
    the class, and the others, that are called; [K * K + 2 + 2 levels, n]."""
    images, classes = shares.shape
    predicted, image = shares.argmax(1), np.arange(images)
    cells = sparse.csr_matrix((np.ones(images), (y * classes + predicted, image)), shape=(classes**2, images))
    confidence, right = shares.max(1), predicted == y
    rows = [confidence * right, confidence * ~right]
    for k, level in levels:
        called = shares[:, k] >= level
        rows += [called & (y == k), called & (y != k)]
    return sparse.vstack([cells, sparse.csr_matrix(np.stack(rows).astype(float))]).tocsr()


def _whole(cells: np.ndarray, confidence: np.ndarray) -> np.ndarray:
    """accuracy, kappa, MCC, NMI, confidence of right and of wrong, [6, R]."""
    right, true, predicted = np.einsum("kkr->r", cells), cells.sum(1), cells.sum(0)
    total = true.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        mcc, kappa = agreement(right, true, predicted)
        means = confidence / np.stack([right, total - right])
        return np.stack([right / total, kappa, mcc, confusions.information(cells), *means])


def _rates(cells: np.ndarray, index: int, hits: np.ndarray, false: np.ndarray) -> np.ndarray:
    """Sensitivity and specificity, [2, R]."""
    positives = cells[index].sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([hits / positives, 1 - false / (cells.sum((0, 1)) - positives)])


def _errors_row(sums: np.ndarray, classes: Sequence[str]) -> dict[str, float | str]:
    count = len(classes)
    cells = sums[: count**2, 0].reshape(count, count)
    share, pairs = confusions.top_pairs(cells, classes)
    most, even = np.log2(count * (count - 1)), min(1.0, 3 / (count * (count - 1) / 2))
    row: dict[str, float | str] = {"errors": float(cells.sum() - np.trace(cells)), "top3": share, "top3_even": even}
    row |= {"error_entropy": float(confusions.error_entropy(cells[..., None])[0]), "error_entropy_most": most}
    return row | {"pairs": pairs}
