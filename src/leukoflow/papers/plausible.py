"""Can a published number be true? Arithmetic that needs only what a publication itself says.

Shares are 0 to 1. A number printed with `digits` decimals stands for everything that rounds to it, so each test allows
half a unit in the last place.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy import stats


def half_unit(digits: int) -> float:
    """How far the true value may lie from one printed with so many decimals."""
    return 0.5 * 10.0**-digits


def agrees(computed: float, printed: float, digits: int) -> bool:
    """Whether a computed value may have been printed so."""
    return abs(computed - printed) <= half_unit(digits) + 1e-12


def possible_counts(share: float, images: int, digits: int) -> list[int]:
    """Numbers of right answers among `images` that print as this share (GRIM, doi 10.1177/1948550616673876).

    Empty if no whole number of images gives it.
    """
    first = math.ceil((share - half_unit(digits)) * images - 1e-9)
    last = math.floor((share + half_unit(digits)) * images + 1e-9)
    return list(range(max(first, 0), min(last, images) + 1))


def nearest_shares(share: float, images: int) -> tuple[float, float]:
    """The two shares of `images` on either side of one."""
    below = math.floor(share * images)
    return below / images, min(below + 1, images) / images


def accuracy_in_mix(counts: Sequence[int], per_class: int, errors: int) -> tuple[float, float]:
    """Least and greatest accuracy in the proportions of `counts`, of recalls measured on `per_class` images a class.

    `errors` of all test images are wrong, at most `per_class` of a class; which class they are of is not known.
    """
    shares = sorted((count / sum(counts) for count in counts), reverse=True)
    accuracies = []
    for order in (shares, shares[::-1]):
        left, lost = errors, 0.0
        for share in order:
            wrong = min(left, per_class)
            lost, left = lost + share * wrong / per_class, left - wrong
        accuracies.append(1 - lost)
    return accuracies[0], accuracies[1]


def mean_confidence(accuracy: float, right: float, wrong: float) -> float:
    """Mean confidence from those of the right and of the wrong answers."""
    return accuracy * right + (1 - accuracy) * wrong


def least_ece(accuracy: float, confidence: float) -> float:
    """The expected calibration error is at least |mean confidence - accuracy|: bins' gaps cannot cancel in it."""
    return abs(confidence - accuracy)


def most_confidence(ece: float, gap: float, low: float, high: float) -> tuple[float, float]:
    """Largest share of images in the bin [low, high] that is off by `gap`, and the mean confidence that it allows.

    The bin alone adds (share x gap) to the ECE, so its share is at most ECE / gap; every other image has a confidence
    below `low`, as for the topmost bin.
    """
    share = min(1.0, ece / gap)
    return share, share * high + (1 - share) * low


def brier_uncertainty(counts: Sequence[int]) -> tuple[float, float]:
    """The uncertainty term of the Brier score: summed over classes (1 - sum p^2), and their mean p (1 - p)."""
    shares = np.asarray(counts, float) / sum(counts)
    total = float(1 - (shares**2).sum())
    return total, total / len(shares)


MOST_BINARY_UNCERTAINTY = 0.25
"""p (1 - p) of one event, at p = 1/2."""


def kappa_range(accuracy: float, counts: Sequence[int]) -> tuple[float, float]:
    """Least and largest Cohen's kappa at an accuracy and true class counts, whichever classes the errors fall to.

    Chance agreement is sum p q over true shares p and predicted shares q. Errors, a share e = 1 - accuracy, move at
    most e of q, so chance agreement stays within e (max p - min p) of sum p^2.
    """
    shares = np.asarray(counts, float) / sum(counts)
    error = 1 - accuracy
    even, reach = float((shares**2).sum()), error * float(np.ptp(shares))
    return 1 - error / (1 - even - reach), 1 - error / (1 - even + reach)


def accuracy_of_mcc(mcc: float, counts: Sequence[int]) -> float:
    """Accuracy at which the multiclass MCC has this value where predicted class shares are the true ones."""
    chance = float(((np.asarray(counts, float) / sum(counts)) ** 2).sum())
    return mcc * (1 - chance) + chance


def one_vs_rest_accuracy(accuracy: float, classes: int) -> float:
    """Mean over classes of (TP + TN) / N; an error counts against two classes, so it is 1 - 2 (1 - accuracy) / K."""
    return 1 - 2 * (1 - accuracy) / classes


def least_auc(counts: Sequence[int], errors: int) -> float:
    """Least macro AUC with so many errors, if every right answer has more than half of the probability.

    Then right answers of a class score above 1/2 and those of others below. Each error can lie below all negatives of
    its own class and above all positives of the one predicted: it takes 1/P of one area and 1/N of another.
    """
    total = sum(counts)
    worst = max(1 / count + 1 / (total - other) for count, other in permutations(counts, 2))
    return 1 - errors * worst / len(counts)


def anova(means: Sequence[float], deviations: Sequence[float], runs: int) -> tuple[float, float]:
    """F and p of a one-way analysis of variance from means and standard deviations of groups of `runs` values."""
    groups = len(means)
    between = runs * float(np.var(means, ddof=1))
    within = float(np.mean(np.square(deviations)))
    f = between / within
    return f, float(stats.f.sf(f, groups - 1, groups * (runs - 1)))


def t_half_width(deviation: float, runs: int, confidence: float = 0.95) -> float:
    """Half the width of Student's interval of a mean of `runs` values."""
    return float(stats.t.ppf((1 + confidence) / 2, runs - 1) * deviation / math.sqrt(runs))


def exact_interval(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """Clopper and Pearson's interval (1934, doi 10.1093/biomet/26.4.404) of a proportion."""
    interval = stats.binomtest(right, total).proportion_ci(confidence, "exact")
    return float(interval.low), float(interval.high)


def bootstrap_interval(right: int, total: int, confidence: float = 0.95) -> tuple[float, float]:
    """What a percentile bootstrap over single images gives of a proportion: quantiles of the binomial distribution."""
    low, high = stats.binom.ppf([(1 - confidence) / 2, (1 + confidence) / 2], total, right / total)
    return float(low) / total, float(high) / total


@dataclass(frozen=True)
class Block:
    """A transformer block: attention with `heads` heads of `head` dimensions each, and a feed-forward part."""

    tokens: int
    """Dimensions of a token, d."""
    heads: int
    head: int
    hidden: int
    """Width of the feed-forward part."""

    @property
    def parameters(self) -> int:
        """Weights, biases and two layer normalisations."""
        inner = self.heads * self.head
        attention = 3 * (self.tokens * inner + inner) + inner * self.tokens + self.tokens
        feed_forward = self.tokens * self.hidden + self.hidden + self.hidden * self.tokens + self.tokens
        return attention + feed_forward + 4 * self.tokens
