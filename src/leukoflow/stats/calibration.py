"""Calibration errors, the Brier score and its parts, from weighted sums, for many weightings of the same images.

Confidence is the largest probability. Bins of equal width are open below and closed above, as in Guo et al. (2017,
arXiv 1706.04599). Within a bin, images with equal probabilities are never distinguished. The bins of equal numbers of
images are those of the images as they are, in every resample.
"""

from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.special import entr

from leukoflow.core.seeding import generator

WHOLE = (
    "observed", "predicted", "bias", "ece", "mce", "mce_filled", "adaptive_ece", "classwise_ece", "brier",
    "reliability", "resolution", "uncertainty", "within_variance", "within_covariance", "nll", "sharpness",
)  # fmt: skip
PER_CLASS = (
    "observed", "predicted", "bias", "ece", "mce", "mce_filled", "brier",
    "reliability", "resolution", "uncertainty", "within_variance", "within_covariance",
)  # fmt: skip
CHANCE_DRAWS = 1000
TINY = 1e-9


@dataclass(frozen=True)
class Bins:
    """What each image adds to the sums."""

    matrix: sparse.csr_matrix
    """[sums, n] float64: for confidence, the same in bins of equal numbers, and each class: images, probability and
    hits of each bin; then squares and hits of each class's probability; then weight, loss and sharpness."""
    classes: int
    bins: int
    fewest: int


def equal_width(p: np.ndarray, bins: int) -> np.ndarray:
    """Bin [n] int of each probability: number b holds those above b / bins, up to (b + 1) / bins."""
    return np.clip(np.ceil(p * bins - TINY).astype(int) - 1, 0, bins - 1)


def equal_mass(p: np.ndarray, bins: int) -> np.ndarray:
    """Bin [n] int by rank, so that each holds about as many images; equal probabilities share the lowest one."""
    ordered = np.sort(p)
    return np.searchsorted(ordered, p) * bins // max(len(p), 1)


def binned(y: np.ndarray, probabilities: np.ndarray, bins: int = 15, fewest: int = 10) -> Bins:
    """Sums for true classes y [n] and probabilities [n, K] float64."""
    count, classes = probabilities.shape
    confidence, right = probabilities.max(1), (probabilities.argmax(1) == y).astype(float)
    blocks = [_block(equal_width(confidence, bins), confidence, right, bins)]
    blocks.append(_block(equal_mass(confidence, bins), confidence, right, bins))
    for index in range(classes):
        p, hit = probabilities[:, index], (y == index).astype(float)
        blocks.append(_block(equal_width(p, bins), p, hit, bins))
    true = np.eye(classes)[y] if count else np.zeros((0, classes))
    loss = -np.log(np.clip(probabilities[np.arange(count), y], np.finfo(float).tiny, None))
    sharp = 1 - entr(probabilities).sum(1) / np.log(classes)
    rows = [*(probabilities**2).T, *(probabilities * true).T, np.ones(count), loss, sharp]
    blocks.append(sparse.csr_matrix(np.stack(rows)))
    return Bins(sparse.vstack(blocks).tocsr(), classes, bins, fewest)


def _block(numbers: np.ndarray, p: np.ndarray, hit: np.ndarray, bins: int) -> sparse.csr_matrix:
    """Images, probability and hits of each bin, [3 bins, n]."""
    image = np.arange(len(p))
    values, rows = np.concatenate([np.ones(len(p)), p, hit]), np.concatenate([numbers + k * bins for k in range(3)])
    return sparse.csr_matrix((values, (rows, np.tile(image, 3))), shape=(3 * bins, len(p)))


def measures(sets: Bins, sums: np.ndarray) -> np.ndarray:
    """`WHOLE`, then `PER_CLASS` of each class, from sums [sums, R]: [16 + 12 K, R].

    *observed*: accuracy, or a class's share; *predicted*: mean confidence, or mean probability; *bias*: the latter less
    the former, never more than the *ece* either way. *mce_filled* counts bins of at least `fewest` images. The Brier
    score is the sum over classes (0 to 2), = reliability - resolution + uncertainty + within_variance -
    within_covariance (Murphy 1973; the terms within bins: Stephenson et al. 2008, doi 10.1175/2007WAF2006116.1).
    *nll* in nats; *sharpness*: 1 - entropy / log K, 0 if all classes are equally likely.
    """
    width, classes = 3 * sets.bins, sets.classes
    blocks = sums[: (classes + 2) * width].reshape(classes + 2, 3, sets.bins, -1)
    squares, hits = sums[(classes + 2) * width :][: 2 * classes].reshape(2, classes, -1)
    total, loss, sharp = sums[-3:]
    observed, predicted, ece, mce, filled = _errors(blocks[0], total, sets.fewest)
    adaptive = _errors(blocks[1], total, sets.fewest)[2]
    parts = []
    for block, square, hit in zip(blocks[2:], squares, hits, strict=True):
        share, mean, error, worst, worst_filled = _errors(block, total, sets.fewest)
        murphy = _murphy(block, square, hit, total)
        parts.append(np.stack([share, mean, mean - share, error, worst, worst_filled, *murphy]))
    every = np.stack(parts)
    whole = [observed, predicted, predicted - observed, ece, mce, filled, adaptive, every[:, 3].mean(0)]
    whole += [*every[:, 6:].sum(0), loss / total, sharp / total]
    if (np.abs(whole[2]) > np.minimum(ece, adaptive) + TINY).any():
        raise AssertionError("mean confidence differs from accuracy by more than the calibration error")
    return np.concatenate([np.stack(whole), *every])


def _errors(block: np.ndarray, total: np.ndarray, fewest: int) -> tuple[np.ndarray, ...]:
    """Observed, predicted, expected and maximum calibration error, and the latter over filled bins, each [R]."""
    count, p, hit = block
    gap = np.abs(p - hit)
    mean = np.divide(gap, count, out=np.zeros_like(gap), where=count > 0)
    filled = np.where(count >= fewest, mean, -1).max(0)
    filled = np.where(filled < 0, np.nan, filled)
    return hit.sum(0) / total, p.sum(0) / total, gap.sum(0) / total, mean.max(0), filled


def _murphy(block: np.ndarray, square: np.ndarray, hits: np.ndarray, total: np.ndarray) -> list[np.ndarray]:
    """Brier score of one class against the rest and its five parts, each [R]."""
    count, p, hit = block
    size = np.where(count > 0, count, 1)
    share = hit.sum(0) / total
    reliability = ((p - hit) ** 2 / size).sum(0) / total
    resolution = ((hit - count * share) ** 2 / size).sum(0) / total
    variance = (square - (p**2 / size).sum(0)) / total
    covariance = 2 * (hits - (p * hit / size).sum(0)) / total
    return [
        (square - 2 * hits + hit.sum(0)) / total, reliability, resolution, share * (1 - share), variance, covariance,
    ]  # fmt: skip


def worst_bin(p: np.ndarray, hit: np.ndarray, bins: int) -> str:
    """Limits of the bin with the maximum calibration error, such as `0.60-0.67`; empty without images."""
    table = reliability(p, hit, bins)
    if not len(table[0]):
        return ""
    numbers, _, predicted, observed = table
    worst = numbers[np.abs(predicted - observed).argmax()]
    return f"{worst / bins:.2f}-{(worst + 1) / bins:.2f}"


def reliability(p: np.ndarray, hit: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Bins of equal width that hold images: number, images, mean probability and share of hits, each [filled]."""
    numbers = equal_width(p, bins)
    count = np.bincount(numbers, minlength=bins)
    filled = np.flatnonzero(count)
    mean, share = (np.bincount(numbers, weights, bins)[filled] / count[filled] for weights in (p, hit))
    return filled, count[filled], mean, share


def chance(p: np.ndarray, bins: int, confidence: float, *stream: str | int) -> tuple[float, float]:
    """ECE that as many images show by chance if every probability is true: mean, and limit rarely passed.

    Hits of each bin are drawn from the binomial distribution of its mean probability, images being independent
    (Broecker and Smith 2007, doi 10.1175/WAF993.1). The limit is passed with a chance of 1 - confidence.
    """
    if not len(p):
        return np.nan, np.nan
    _, count, mean, _ = reliability(p, p, bins)
    hits = generator(*stream, "calibrated").binomial(count, np.clip(mean, 0, 1), (CHANCE_DRAWS, len(count)))
    errors = np.abs(hits - count * mean).sum(1) / len(p)
    return float(errors.mean()), float(np.quantile(errors, confidence))


def integrated(p: np.ndarray, hit: np.ndarray) -> dict[str, float]:
    """Integrated calibration index, median, 90th percentile and maximum of |smoothed frequency - probability|.

    Austin and Steyerberg (2019, doi 10.1002/sim.8281), frequency by `loess` of span 0.75.
    """
    names = ("ici", "e50", "e90", "emax")
    if not len(p):
        return dict.fromkeys(names, np.nan)
    error = np.abs(smoothed(p, hit) - p)
    values = (error.mean(), np.median(error), np.quantile(error, 0.9), error.max())
    return {name: float(value) for name, value in zip(names, values, strict=True)}


PLACES = 200
"""Distinct places beyond which neighbouring points are joined before smoothing."""


def loess(
    x: np.ndarray, y: np.ndarray, at: np.ndarray, span: float = 0.75, weight: np.ndarray | None = None
) -> np.ndarray:
    """Local quadratic regression of y [n] on x [n] at places [m], by tricube weights over the nearest `span` of points.

    As loess of Cleveland and Devlin (1988, doi 10.1080/01621459.1988.10478639) and R's `loess(y ~ x)` with direct
    computation and no robustness steps. `weight` [n] counts each point that often (default once). If the nearest
    share of points lies at a single place, the value is their mean.
    """
    weight = np.ones(len(x)) if weight is None else weight
    distance = np.abs(x[None, :] - at[:, None])
    order = np.argsort(distance, axis=1, kind="stable")
    reached = np.cumsum(weight[order], axis=1) >= np.floor(span * weight.sum() + 1e-5)
    last = order[np.arange(len(at)), np.argmax(reached, axis=1)]
    width = distance[np.arange(len(at)), last][:, None]
    scaled = np.divide(distance, width, out=np.full_like(distance, 2.0), where=width > 0)
    # A width of nothing leaves the points at this very place.
    kernel = np.where(width > 0, np.clip(1 - scaled**3, 0, None) ** 3, distance == 0) * weight
    offset = np.divide(x[None, :] - at[:, None], width, out=np.zeros_like(distance), where=width > 0)
    powers = np.stack([np.ones_like(offset), offset, offset**2])
    weighted = powers * kernel
    left = np.einsum("imn,jmn->mij", weighted, powers)
    right = np.einsum("imn,n->mi", weighted, y)
    return np.einsum("mj,mj->m", np.linalg.pinv(left, rcond=1e-10, hermitian=True)[:, 0], right)


def smoothed(p: np.ndarray, right: np.ndarray, span: float = 0.75) -> np.ndarray:
    """Smoothed frequency [n] of `right` [n] 0/1 at each predicted probability p [n], held within 0 and 1.

    Equal probabilities are one point; beyond `PLACES` distinct ones, neighbours are joined into that many points of
    equal number of images, and values between them are interpolated.
    """
    places, member = np.unique(p, return_inverse=True)
    if len(places) > PLACES:
        rank = np.argsort(np.argsort(p, kind="stable"), kind="stable")
        member = rank * PLACES // len(p)
    count = np.bincount(member).astype(float)
    x, y = np.bincount(member, p) / count, np.bincount(member, right) / count
    return np.interp(p, x, np.clip(loess(x, y, x, span, count), 0, 1))
