"""Classification metrics from weighted counts, for many weightings of the same images at once.

Every metric here is a function of sums of image weights over fixed sets of images: the cells of the confusion matrix,
and, for the area under the ROC curve, the runs of positives and negatives along the sorted scores. One sparse 0/1
matrix holds all those sets, so a bootstrap is one matrix product and a little arithmetic on the sums.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse

PER_CLASS = ("precision", "recall", "f1", "auc", "specificity", "ovr_accuracy")
"""Measures of each class against the rest, whose means over classes (macro averages) have the same names."""
WHOLE = (
    *("accuracy", "balanced_accuracy", "precision", "recall", "f1", "auc", "mcc", "kappa"),
    *("specificity", "ovr_accuracy", "weighted_precision", "weighted_f1"),
)
"""Measures of all classes together. The weighted averages weigh classes by their images; the weighted recall is the
accuracy."""


@dataclass(frozen=True)
class Design:
    """The sets of images whose weights are summed."""

    matrix: sparse.csr_matrix
    """Indicator of the sets, [sets, n] float64: first the K * K confusion cells, then each class's runs."""
    classes: int
    """K."""
    runs: tuple[int, ...]
    """Number of runs of each class; a run has two sets, its positives and its negatives."""


def design(y: np.ndarray, probabilities: np.ndarray) -> Design:
    """Sets for true classes y [n] int (0 to K-1) and probabilities [n, K]; the first largest one is the prediction."""
    count, classes = probabilities.shape
    columns = np.arange(count)
    rows = [y * classes + probabilities.argmax(1)] if count else [np.zeros(0, int)]
    offset, runs = classes * classes, []
    for index in range(classes):
        run = _runs(y == index, probabilities[:, index])
        runs.append(int(run.max()) + 1 if count else 0)
        rows.append(offset + 2 * run + (y != index))
        offset += 2 * runs[-1]
    flat = np.concatenate(rows)
    ones = np.ones(len(flat))
    matrix = sparse.csr_matrix((ones, (flat, np.tile(columns, classes + 1))), shape=(offset, count))
    return Design(matrix, classes, tuple(runs))


def _runs(positive: np.ndarray, score: np.ndarray) -> np.ndarray:
    """Run of each image [n]: equal scores share one, and neighbours of one kind (all positive, all negative) merge."""
    if not len(score):
        return np.zeros(0, int)
    _, tie = np.unique(score, return_inverse=True)
    ties = int(tie.max()) + 1
    positives = np.bincount(tie, positive, ties) > 0
    negatives = np.bincount(tie, ~positive, ties) > 0
    mixed = positives & negatives
    starts = np.ones(ties, bool)
    starts[1:] = mixed[1:] | mixed[:-1] | (positives[1:] != positives[:-1])
    return (np.cumsum(starts) - 1)[tie]


def evaluate(sets: Design, weights: np.ndarray) -> np.ndarray:
    """All metrics under each weighting: weights [n, R] of at least 0, result [12 + 6 K, R] in the order of `names`.

    A class without weight among the true classes has NaN for its own metrics and is left out of the macro averages;
    a class that is present but never predicted has precision 0. MCC and kappa are NaN if only one class is present.
    """
    return from_sums(sets, sets.matrix @ weights)


def from_sums(sets: Design, sums: np.ndarray) -> np.ndarray:
    """All metrics from the summed weights [sets, R]."""
    classes = sets.classes
    cells = sums[: classes * classes].reshape(classes, classes, -1)
    right = np.einsum("kkr->kr", cells)
    true, predicted = cells.sum(1), cells.sum(0)
    present = true > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        recall = right / true
        precision = np.where(
            present, np.divide(right, predicted, out=np.zeros_like(right), where=predicted > 0), np.nan
        )
        f1 = np.where(present, 2 * right / (true + predicted), np.nan)
        accuracy = right.sum(0) / true.sum(0)
        auc = _auc(sets, sums)
        total = true.sum(0)
        rejected = total - true - predicted + right  # images of other classes that are not taken for this one
        specificity = np.where(present, rejected / (total - true), np.nan)
        ovr_accuracy = np.where(present, (right + rejected) / total, np.nan)
        macro = [_mean(measure) for measure in (recall, precision, recall, f1, auc)]
        mcc, kappa = agreement(right.sum(0), true, predicted)
        others = [_mean(specificity), _mean(ovr_accuracy), *(_weighted(measure, true) for measure in (precision, f1))]
    whole = np.stack([accuracy, *macro, mcc, kappa, *others])
    return np.concatenate([whole, precision, recall, f1, auc, specificity, ovr_accuracy])


def names(classes: tuple[str, ...]) -> list[tuple[str, str]]:
    """(metric, class) of each row of `evaluate`; class is "" for a metric of the whole or a macro average."""
    return [(metric, "") for metric in WHOLE] + [(metric, name) for metric in PER_CLASS for name in classes]


def _mean(values: np.ndarray) -> np.ndarray:
    """Mean over the defined classes, [K, R] to [R]; NaN if none is."""
    defined = ~np.isnan(values)
    return np.where(defined, values, 0).sum(0) / defined.sum(0)


def _weighted(values: np.ndarray, true: np.ndarray) -> np.ndarray:
    """Mean over the classes, [K, R] to [R], weighted by the images of each."""
    return np.nansum(values * true, axis=0) / true.sum(0)


def _auc(sets: Design, sums: np.ndarray) -> np.ndarray:
    """One-vs-rest areas [K, R]: P(score of a positive > of a negative) + P(equal) / 2, by weight."""
    areas, offset = [], sets.classes**2
    for runs in sets.runs:
        positives, negatives = sums[offset : offset + 2 * runs : 2], sums[offset + 1 : offset + 2 * runs : 2]
        below = np.cumsum(negatives, axis=0) - negatives / 2
        areas.append((positives * below).sum(0) / (positives.sum(0) * negatives.sum(0)))
        offset += 2 * runs
    return np.stack(areas)


def agreement(right: np.ndarray, true: np.ndarray, predicted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Multiclass Matthews correlation (Gorodkin 2004, doi 10.1016/j.compbiolchem.2004.09.006) and Cohen's kappa."""
    total = true.sum(0)
    chance = (true * predicted).sum(0)
    spread_true = total**2 - (true**2).sum(0)
    spread_predicted = total**2 - (predicted**2).sum(0)
    covariance = right * total - chance
    product = np.sqrt(spread_true * spread_predicted)
    several = spread_true > 0
    mcc = np.where(several, np.divide(covariance, product, out=np.zeros_like(product), where=product > 0), np.nan)
    kappa = np.where(several, covariance / (total**2 - chance), np.nan)
    return mcc, kappa
