"""Which classes are taken for which: agreement, where errors gather, operating points and other mixes of classes."""

from collections.abc import Sequence

import numpy as np
from scipy.special import entr

JS_BINS = 20
TINY = 1e-9


def information(cells: np.ndarray) -> np.ndarray:
    """Normalised mutual information [R] of true and predicted classes, cells [K, K, R]: 2 I / (H_true + H_predicted).

    1 if both are always the same single class, as in scikit-learn.
    """
    joint = cells / cells.sum((0, 1))
    true, predicted = entr(joint.sum(1)).sum(0), entr(joint.sum(0)).sum(0)
    shared = true + predicted - entr(joint).sum((0, 1))
    mean = (true + predicted) / 2
    return np.divide(shared, mean, out=np.ones_like(mean), where=mean > TINY).clip(0, 1)


def error_entropy(cells: np.ndarray) -> np.ndarray:
    """Entropy [R] in bits of errors over the cells off the diagonal of cells [K, K, R]; NaN without an error.

    0 if all errors are of one kind, log2(K (K - 1)) if all kinds are equally frequent.
    """
    errors = np.where(np.eye(len(cells), dtype=bool)[..., None], 0, cells)
    total = errors.sum((0, 1))
    shares = np.divide(errors, total, out=np.zeros_like(errors), where=total > 0)
    return np.where(total > 0, entr(shares).sum((0, 1)) / np.log(2), np.nan)


def top_pairs(cells: np.ndarray, classes: Sequence[str], pairs: int = 3) -> tuple[float, str]:
    """Share of errors within the pairs of classes most often confused, either way, of cells [K, K]; and which."""
    places = [(i, j) for i in range(len(cells)) for j in range(i)]
    counts = np.array([cells[i, j] + cells[j, i] for i, j in places])
    if not counts.sum():
        return np.nan, ""
    first = np.argsort(-counts, kind="stable")[:pairs]
    shown = [f"{classes[places[k][1]]}/{classes[places[k][0]]} {counts[k]:.0f}" for k in first if counts[k]]
    return float(counts[first].sum() / counts.sum()), ", ".join(shown)


def separation(positive: np.ndarray, score: np.ndarray) -> float:
    """Jensen-Shannon divergence (bits, 0 to 1) between the scores of a class's images and those of the others.

    Both in 20 bins of equal width over 0 to 1. NaN if either is empty. In small samples it is too large.
    """
    if not positive.any() or positive.all():
        return np.nan
    numbers = np.clip((score * JS_BINS).astype(int), 0, JS_BINS - 1)
    members, other = (np.bincount(numbers[which], minlength=JS_BINS) / which.sum() for which in (positive, ~positive))
    return float((entr((members + other) / 2) - (entr(members) + entr(other)) / 2).sum() / np.log(2))


def thresholds(positive: np.ndarray, score: np.ndarray, specificities: Sequence[float]) -> dict[str, float]:
    """Least score to call positive, by rule: the lowest that keeps each specificity, and Youden's (1950).

    `positive` [n] bool, `score` [n], of validation images; infinite if no score does, NaN if either kind lacks.
    """
    rules = [*(f"specificity {share:g}" for share in specificities), "Youden"]
    if not positive.any() or positive.all():
        return dict.fromkeys(rules, np.nan)
    levels = np.append(np.unique(score), np.inf)
    negatives, positives = np.sort(score[~positive]), np.sort(score[positive])
    specificity = np.searchsorted(negatives, levels) / len(negatives)
    sensitivity = 1 - np.searchsorted(positives, levels) / len(positives)
    chosen = [float(levels[np.argmax(specificity >= share - TINY)]) for share in specificities]
    gain = (sensitivity + specificity).round(12)
    # Of several best ones the highest.
    chosen.append(float(levels[len(levels) - 1 - np.argmax(gain[::-1])]))
    return dict(zip(rules, chosen, strict=True))


def in_mix(cells: np.ndarray, index: int, prevalence: float) -> np.ndarray:
    """Accuracy, positive and negative predictive value [3, R] where a class makes up that share of the images.

    From cells [K, K, R] (true, predicted): images of a class are taken for the others as here, and the other classes
    keep their proportions, so that only the weights of the rows change.
    """
    counts = cells.sum(1)
    with np.errstate(divide="ignore", invalid="ignore"):
        weights = np.where(counts > 0, (1 - prevalence) / (counts.sum(0) - counts[index]), 0.0)
        weights[index] = prevalence / counts[index]
        mixed = np.where((counts > 0)[:, None], cells * weights[:, None], 0)
        by_true = np.delete(mixed, index, axis=1).sum(1)
        passed = np.delete(by_true, index, axis=0).sum(0)
        right, called = mixed[index, index], mixed[:, index].sum(0)
        values = np.stack([np.einsum("kkr->r", mixed), right / called, passed / (passed + by_true[index])])
    return np.where((counts[index] > 0) & (counts.sum(0) > counts[index]), values, np.nan)
