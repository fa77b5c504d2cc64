"""Risk against coverage: how accuracy rises when the least confident answers are held back.

The area under the curve (AURC) and its excess over that of a perfect order are those of Geifman, Uziel and El-Yaniv
(2019, arXiv 1805.08206). Where confidences are equal, every order of these images is as good as any other, and the
expected value over the orders is given. A bootstrap resample is a weighting of the images by whole numbers.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.bootstrap import interval, replicates, sums_by_unit, wilson_interval
from leukoflow.stats.samples import Sample

COLUMNS = ["measure", "level", "value", "low", "high", "resampling"]
ROUNDING = 1e-9


@dataclass(frozen=True)
class Ranked:
    """Images by falling confidence; those with the same confidence share a block."""

    confidence: np.ndarray
    """Of each block, falling: float64 [B]."""
    weight: sparse.csr_matrix
    """Images of each block by unit: [B, U]."""
    wrong: sparse.csr_matrix
    """Wrong ones among them: [B, U]."""


def ranked(confidence: np.ndarray, wrong: np.ndarray, units: np.ndarray) -> Ranked:
    """Blocks of images: confidence float [n], wrong bool [n], units int [n] (0 to U-1; what is resampled together)."""
    values, block = np.unique(-confidence, return_inverse=True)
    shape = (len(values), int(units.max(initial=-1)) + 1)
    counts = [
        sparse.csr_matrix((weights, (block, units)), shape=shape) for weights in (np.ones(len(units)), wrong * 1.0)
    ]
    return Ranked(-values, *counts)


def measures(
    weight: np.ndarray, wrong: np.ndarray, coverages: Sequence[float], accuracies: Sequence[float]
) -> np.ndarray:
    """AURC, its excess, accuracy at each coverage, largest coverage at each accuracy: [2 + C + A, R].

    weight, wrong: whole numbers [B, R], images of each block and wrong ones. A coverage that ends inside a block takes
    its share of it. If no part has the accuracy, the coverage is 0. A column without images is NaN.
    """
    total, errors = weight.sum(0), wrong.sum(0)
    seen, missed = np.cumsum(weight, axis=0), np.cumsum(wrong, axis=0)
    before, missed_before = seen - weight, missed - wrong
    harmonic = np.concatenate([[0.0], np.cumsum(1 / np.arange(1, int(total.max(initial=0)) + 1))])

    def between(first: np.ndarray, last: np.ndarray) -> np.ndarray:
        """Sum of 1 / i over first < i <= last."""
        return harmonic[last.astype(np.int64)] - harmonic[first.astype(np.int64)]

    with np.errstate(divide="ignore", invalid="ignore"):
        # Within a block the expected errors grow evenly: the sum of (m + k r) / (b + k) over its images k.
        rate = np.where(weight > 0, wrong / weight, 0)
        area = (rate * weight + (missed_before - rate * before) * between(before, seen)).sum(0) / total
        perfect = (errors - (total - errors) * between(total - errors, total)) / total
        rows = [area, area - perfect]
        for coverage in coverages:
            wanted = coverage * total
            block = np.minimum((seen < wanted - ROUNDING).sum(0), max(len(seen) - 1, 0))[None]
            part = [np.take_along_axis(values, block, axis=0)[0] for values in (missed_before, rate, before)]
            rows.append(1 - (part[0] + part[1] * (wanted - part[2])) / wanted)
        for accuracy in accuracies:
            enough = seen - missed >= accuracy * seen - ROUNDING
            rows.append((seen * enough).max(0, initial=0) / total)
    return np.where(total > 0, np.stack(rows), np.nan)


def least_confidence(sample: Sample, accuracy: float) -> float:
    """The smallest confidence at and above which the sample's answers have this accuracy; infinite if none has."""
    confidence, wrong = answers(sample)
    blocks = ranked(confidence, wrong, np.zeros(len(wrong), np.int64))
    seen, missed = (np.cumsum(matrix.toarray().sum(1)) for matrix in (blocks.weight, blocks.wrong))
    enough = np.flatnonzero(seen - missed >= accuracy * seen - ROUNDING)
    return float(blocks.confidence[enough[-1]]) if len(enough) else np.inf


def answers(sample: Sample) -> tuple[np.ndarray, np.ndarray]:
    """Largest probability of each image, float64 [n], and whether its class is wrong, bool [n]."""
    if not len(sample.y):
        return np.zeros(0), np.zeros(0, bool)
    return sample.probabilities.max(1), sample.probabilities.argmax(1) != sample.y


def selective(sample: Sample, thresholds: dict[float, float], settings: Evaluation) -> tuple[np.ndarray, list[tuple]]:
    """Accuracy at coverages of 1 to 100 %, float64 [100], and rows of `COLUMNS` with intervals over groups.

    thresholds: least confidence for each wanted accuracy, from the validation role. Rows `kept` and `accuracy of kept`
    say what these thresholds do here. A share that no resample could change has Wilson's interval.
    """
    asked = settings.abstention
    confidence, wrong = answers(sample)
    blocks = ranked(confidence, wrong, sample.group_numbers)
    grid = np.arange(1, 101) / 100
    coverages = (1.0, *sorted(asked.coverages, reverse=True))
    whole = np.ones((blocks.weight.shape[1], 1))
    weight, missed = blocks.weight @ whole, blocks.wrong @ whole
    curve = measures(weight, missed, grid.tolist(), ())[2:, 0]
    kept = confidence[:, None] >= np.array(list(thresholds.values()))[None]
    parts = [np.ones(len(wrong)), *kept.T * 1.0, *(kept & ~wrong[:, None]).T * 1.0]
    by_unit = sums_by_unit(np.stack(parts), sample.group_numbers)

    def statistic(counts: np.ndarray) -> np.ndarray:
        made = measures(blocks.weight @ counts, blocks.wrong @ counts, coverages, asked.accuracies)
        return np.concatenate([made, _of_thresholds(by_unit @ counts)])

    columns = replicates(statistic, blocks.weight.shape[1], settings, rows=len(blocks.confidence))
    known, (low, high) = columns[:, 0], interval(settings, columns)
    names = [("aurc", np.nan), ("excess aurc", np.nan)]
    names += [("accuracy at coverage", coverage) for coverage in coverages]
    names += [("coverage at accuracy", accuracy) for accuracy in asked.accuracies]
    names += [(name, threshold) for threshold in thresholds for name in ("kept", "accuracy of kept")]
    rows: list[tuple] = []
    for (name, level), value, *limits in zip(names, known, low, high, strict=True):
        resampling = "groups"
        share = {"accuracy at coverage": level, "kept": 1.0, "accuracy of kept": rows[-1][2] if rows else 0.0}.get(name)
        if share is not None and value in (0.0, 1.0):
            groups = round(share * blocks.weight.shape[1])
            limits, resampling = [*wilson_interval(value * groups, groups, settings.confidence)], "wilson"
        rows.append((name, level, value, *limits, resampling))
    rows += [("least confidence", accuracy, value, np.nan, np.nan, "") for accuracy, value in thresholds.items()]
    return curve, rows


def _of_thresholds(sums: np.ndarray) -> np.ndarray:
    """Share kept by each threshold and accuracy of what is kept, in turn: [2 T, R].

    sums [1 + 2 T, R]: images, those kept by each threshold, and the right ones among these.
    """
    kept, right = np.split(sums[1:], 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.stack([kept / sums[0], right / kept], axis=1).reshape(2 * len(kept), -1)
