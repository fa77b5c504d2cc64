"""What a precision-recall curve says of each class against the rest, and which pairs of classes are confused.

All of it is of the curve's operating points: at each distinct score, from the highest, recall is the share of the
class's images that score at least so, and precision the share of the class among the images that do.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import pandas as pd
from scipy.special import rel_entr
from sklearn.isotonic import IsotonicRegression

from leukoflow.config.evaluation import FALSE_RATES, Evaluation
from leukoflow.core.runs import RUN_COLUMNS, Run
from leukoflow.stats.curves import GRID, MACRO
from leukoflow.stats.samples import Sample

FACTS = ["target", "role", "n"]
PRECISION_RECALL = [*RUN_COLUMNS, *FACTS, "class", "positives", "measure", "level", "value"]
PAIRS = [
    *RUN_COLUMNS, *FACTS, "class", "other", "images", "taken", "taken_back", "errors", "share_of_pair",
    "share_of_errors",
]  # fmt: skip
RECALL, HIGH_F1 = 0.9, 0.9
"""Recall at which precision is given, and the F1 of the range of thresholds."""
PREVALENCES = (0.5, 0.2, 0.1, 0.05)
"""Shares of a class at which average precision is given."""
THRESHOLDS = tuple(round(0.05 * step, 2) for step in range(1, 20))
"""Thresholds at which F1 is given."""
TINY = 1e-12


@dataclass(frozen=True)
class Points:
    """Operating points of one class against the rest, by falling threshold."""

    threshold: np.ndarray
    """[S] distinct scores, falling."""
    hits: np.ndarray
    """[S] images of the class that score at least so."""
    false: np.ndarray
    """[S] other images that do."""
    positives: int
    negatives: int

    @property
    def recall(self) -> np.ndarray:
        """[S], 0 to 1."""
        return self.hits / self.positives

    @property
    def precision(self) -> np.ndarray:
        """[S], 0 to 1."""
        return self.hits / (self.hits + self.false)

    @property
    def f1(self) -> np.ndarray:
        """[S], 0 to 1."""
        return 2 * self.hits / (self.hits + self.false + self.positives)

    def at(self, threshold: float) -> int:
        """Place of the point at which every image that scores at least the threshold is called; -1 for none."""
        return int(np.searchsorted(-self.threshold, -threshold, side="right")) - 1


def points_of(positive: np.ndarray, score: np.ndarray) -> Points | None:
    """Operating points of scores [n] of images that are of the class or not, [n] bool; None if either kind lacks."""
    if not positive.any() or positive.all():
        return None
    threshold, inverse = np.unique(-score, return_inverse=True)
    hits, every = np.cumsum(np.bincount(inverse, positive)), np.cumsum(np.bincount(inverse))
    return Points(-threshold, hits, every - hits, int(positive.sum()), int((~positive).sum()))


def interpolation_error(points: Points) -> float:
    """Mean distance between precision by straight lines between the points and by isotonic regression.

    The regression is the falling function of recall that is nearest to the points' precision. Both are compared at the
    recalls of `curves.GRID`; before the first point both have its precision. Of points of one recall the highest
    precision stands, as the others only add mistakes.
    """
    recall, first = np.unique(points.recall, return_index=True)
    precision = points.precision[first]
    smooth = IsotonicRegression(increasing=False).fit_transform(recall, precision)
    return float(np.abs(np.interp(GRID, recall, precision) - np.interp(GRID, recall, smooth)).mean())


def average_precision(points: Points, prevalence: float | None = None) -> float:
    """Steps of recall times precision; at another share of the class its images and the others weigh accordingly."""
    weight = 1.0
    if prevalence is not None:
        weight = (1 - prevalence) / prevalence * points.positives / points.negatives
    precision = points.hits / (points.hits + weight * points.false)
    return float((np.diff(points.recall, prepend=0) * precision).sum())


def precision_at(points: Points, recall: float) -> float:
    """Precision at the highest threshold with at least this recall."""
    return float(points.precision[np.argmax(points.recall >= recall - TINY)])


def rate_at(points: Points, false_rate: float) -> float:
    """True positive rate on the ROC curve at a false positive rate, straight between its points (trapezia)."""
    x = np.r_[0, points.false / points.negatives]
    y = np.r_[0, points.recall]
    after = int(np.searchsorted(x, false_rate + TINY, side="right"))
    if after == len(x):
        return float(y[-1])
    part = (false_rate - x[after - 1]) / (x[after] - x[after - 1])
    return float(y[after - 1] + max(part, 0.0) * (y[after] - y[after - 1]))


def break_even(points: Points) -> tuple[float, float]:
    """Mean of precision and recall where they differ least, and the threshold there."""
    at = int(np.argmin(np.abs(points.precision - points.recall)))
    return float(points.precision[at] + points.recall[at]) / 2, float(points.threshold[at])


def range_of_f1(points: Points, least: float) -> tuple[float, float]:
    """Lowest and highest threshold of the range around the best one in which F1 is at least `least`; NaN for none.

    A threshold below the lowest of the range's scores calls the same images down to the next score, so that score (or
    0) is the lower end.
    """
    enough = points.f1 >= least - TINY
    best = int(np.argmax(points.f1))
    if not enough[best]:
        return np.nan, np.nan
    first = best - int(np.argmin(enough[best::-1])) + 1 if not enough[: best + 1].all() else 0
    last = best + int(np.argmin(enough[best:])) - 1 if not enough[best:].all() else len(enough) - 1
    low = float(points.threshold[last + 1]) if last + 1 < len(enough) else 0.0
    return low, float(points.threshold[first])


def divergence(positive: np.ndarray, score: np.ndarray, bins: int) -> float:
    """Kullback-Leibler divergence in nats of the predicted from the observed share of a class, mean over images.

    In each of `bins` bins of equal width these are the share of the class and the mean score: 0 if each bin's score
    came true, as often as it says.
    """
    numbers = np.clip((score * bins).astype(int), 0, bins - 1)
    counts = np.bincount(numbers, minlength=bins)
    kept = counts > 0
    observed, predicted = (
        np.bincount(numbers, weights, bins)[kept] / counts[kept] for weights in (positive.astype(float), score)
    )
    predicted = predicted.clip(TINY, 1 - TINY)
    each_bin = rel_entr(observed, predicted) + rel_entr(1 - observed, 1 - predicted)
    return float((each_bin * counts[kept]).sum() / counts.sum())


def precision_recall_rows(
    run: Run, sample: Sample, validation: Sample, classes: Sequence[str], settings: Evaluation
) -> pd.DataFrame:
    """`PRECISION_RECALL` of one run on one sample: each class with images, then the mean over classes.

    Measures with a threshold that was chosen: `f1` at the best threshold of the validation images (`f1_threshold`), and
    `f1_most` at the best of these images themselves, which is an upper bound.
    """
    rows = []
    for k, name in enumerate(classes):
        positive, score = sample.y == k, sample.probabilities[:, k]
        points = points_of(positive, score)
        if points is None:
            continue
        chosen = points_of(validation.y == k, validation.probabilities[:, k])
        values = _values(points, chosen)
        values.append(("divergence", np.nan, divergence(positive, score, settings.assessment.bins)))
        rows += [(name, points.positives, *row) for row in values]
    table = pd.DataFrame(rows, columns=["class", "positives", "measure", "level", "value"])
    if len(table):
        by_measure = table.groupby(["measure", "level"], dropna=False, sort=False)
        mean = by_measure.agg(value=("value", "mean"), positives=("positives", "sum")).reset_index()
        table = pd.concat([table, mean.assign(**{"class": MACRO})], ignore_index=True)
    facts = {name: value for name, value in sample.facts().items() if name in FACTS}
    return table.assign(**run.columns(), **facts).reindex(columns=PRECISION_RECALL)


def _values(points: Points, chosen: Points | None) -> list[tuple[str, float, float]]:
    """Measure, level and value of one class."""
    even, even_threshold = break_even(points)
    low, high = range_of_f1(points, HIGH_F1)
    values = [
        ("ap", np.nan, average_precision(points)),
        *(("ap_at_prevalence", share, average_precision(points, share)) for share in PREVALENCES),
        ("precision_at_recall", RECALL, precision_at(points, RECALL)),
        *(("sensitivity_at_false_rate", rate, rate_at(points, rate)) for rate in FALSE_RATES),
        ("interpolation_error", np.nan, interpolation_error(points)),
        ("break_even", np.nan, even),
        ("break_even_threshold", np.nan, even_threshold),
        ("f1_most", np.nan, float(points.f1.max())),
        ("f1_range_low", HIGH_F1, low),
        ("f1_range_high", HIGH_F1, high),
        *(("f1_at_threshold", threshold, _f1_at(points, threshold)) for threshold in THRESHOLDS),
    ]
    if chosen is not None:
        best = float(chosen.threshold[np.argmax(chosen.f1)])
        values += [("f1_threshold", np.nan, best), ("f1", np.nan, _f1_at(points, best))]
    return values


def _f1_at(points: Points, threshold: float) -> float:
    at = points.at(threshold)
    return float(points.f1[at]) if at >= 0 else 0.0


def pair_rows(run: Run, sample: Sample, classes: Sequence[str]) -> pd.DataFrame:
    """`PAIRS` of one run on one sample: every pair of classes that both have images, the most often confused first.

    taken: images of `class` answered as `other`; taken_back the other way.
    """
    count = len(classes)
    predicted = sample.probabilities.argmax(1)
    cells = np.bincount(sample.y * count + predicted, minlength=count**2).reshape(count, count)
    images, wrong = cells.sum(1), cells.sum() - np.trace(cells)
    rows = []
    for i, j in combinations(range(count), 2):
        if not (images[i] and images[j]):
            continue
        errors, of_both = int(cells[i, j] + cells[j, i]), int(images[i] + images[j])
        share = errors / wrong if wrong else np.nan
        rows.append(
            (classes[i], classes[j], of_both, int(cells[i, j]), int(cells[j, i]), errors, errors / of_both, share)
        )
    columns = PAIRS[len(RUN_COLUMNS) + len(FACTS) :]
    table = pd.DataFrame(rows, columns=columns).sort_values("errors", ascending=False, kind="stable")
    facts = {name: value for name, value in sample.facts().items() if name in FACTS}
    return table.assign(**run.columns(), **facts)[PAIRS]
