"""Calibration errors against other implementations, and what must hold of them."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from leukoflow.stats import calibration
from leukoflow.stats.calibration import PER_CLASS, WHOLE, binned, chance, measures

COUNTS = (3329, 3117, 1218, 2895, 1214, 1420, 1551, 2348)
"""Images of each class of the PBC data set, whose published counts S3 uses."""


def sample(n: int = 400, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True classes drawn from the probabilities themselves, and these."""
    random = np.random.default_rng(seed)
    shares = random.dirichlet(np.full(classes, 0.4), n)
    return (random.random(n)[:, None] > shares.cumsum(1)).sum(1).clip(max=classes - 1), shares


def measured(y: np.ndarray, shares: np.ndarray, bins: int = 15, weights: np.ndarray | None = None) -> dict:
    sets = binned(y, shares, bins)
    weights = np.ones((len(y), 1)) if weights is None else weights
    values = measures(sets, sets.matrix @ weights)[:, 0]
    result = dict(zip(WHOLE, values, strict=False))
    rest = values[len(WHOLE) :].reshape(shares.shape[1], len(PER_CLASS))
    return result | {"classes": [dict(zip(PER_CLASS, row, strict=True)) for row in rest]}


@pytest.mark.parametrize("seed", range(3))
def test_errors_agree_with_scikit_learns_bins(seed: int) -> None:
    y, shares = sample(seed=seed)
    confidence, right = shares.max(1), shares.argmax(1) == y
    count = np.histogram(confidence, np.linspace(0, 1, 16))[0]
    observed, predicted = calibration_curve(right, confidence, n_bins=15)
    gaps = np.abs(observed - predicted)
    result = measured(y, shares)
    assert result["ece"] == pytest.approx((gaps * count[count > 0]).sum() / len(y))
    assert result["mce"] == pytest.approx(gaps.max())
    assert result["mce_filled"] == pytest.approx(gaps[count[count > 0] >= 10].max())
    errors = []
    for k in range(4):
        observed, predicted = calibration_curve(y == k, shares[:, k], n_bins=15)
        count = np.histogram(shares[:, k], np.linspace(0, 1, 16))[0]
        errors.append((np.abs(observed - predicted) * count[count > 0]).sum() / len(y))
    assert [row["ece"] for row in result["classes"]] == pytest.approx(errors)
    assert result["classwise_ece"] == pytest.approx(np.mean(errors))


def test_adaptive_bins_agree_with_scikit_learns_quantiles() -> None:
    y, shares = sample(450)
    confidence, right = shares.max(1), shares.argmax(1) == y
    observed, predicted = calibration_curve(right, confidence, n_bins=15, strategy="quantile")
    # Equal numbers in each bin: the mean distance.
    assert measured(y, shares)["adaptive_ece"] == pytest.approx(np.abs(observed - predicted).mean(), abs=2e-3)


def test_brier_and_loss_agree_with_scikit_learn() -> None:
    y, shares = sample()
    result = measured(y, shares)
    assert result["nll"] == pytest.approx(log_loss(y, shares))
    assert result["brier"] == pytest.approx(brier_score_loss(y, shares, scale_by_half=False))
    for k in range(4):
        assert result["classes"][k]["brier"] == pytest.approx(brier_score_loss(y == k, shares[:, k]))


@pytest.mark.parametrize("bins", [1, 2, 15, 60])
def test_the_decomposition_closes_whatever_the_bins_and_weights(bins: int) -> None:
    y, shares = sample(seed=bins)
    weights = np.random.default_rng(1).integers(0, 4, (len(y), 1)).astype(float)
    result = measured(y, shares, bins, weights)
    for row in (result, *result["classes"]):
        parts = row["reliability"] - row["resolution"] + row["uncertainty"]
        assert parts + row["within_variance"] - row["within_covariance"] == pytest.approx(row["brier"], abs=1e-12)
        assert min(row["reliability"], row["resolution"], row["within_variance"]) >= 0
    assert result["brier"] == pytest.approx(sum(row["brier"] for row in result["classes"]))


def test_weights_count_images_that_often() -> None:
    y, shares = sample(60)
    times = np.random.default_rng(2).integers(0, 4, 60)
    again = measured(np.repeat(y, times), np.repeat(shares, times, axis=0))
    once = measured(y, shares, weights=times[:, None].astype(float))
    for name in set(WHOLE) - {"adaptive_ece"}:
        assert once[name] == pytest.approx(again[name]), name


@pytest.mark.parametrize("seed", range(20))
def test_no_error_is_below_the_distance_of_confidence_and_accuracy(seed: int) -> None:
    y, shares = sample(50, seed=seed)
    result = measured(np.random.default_rng(seed).permutation(y), shares)
    assert abs(result["bias"]) <= min(result["ece"], result["adaptive_ece"]) + 1e-12
    assert result["bias"] == pytest.approx(result["predicted"] - result["observed"])


def test_a_true_sampler_stays_within_its_chance_and_an_over_confident_one_does_not() -> None:
    passed = 0
    for seed in range(40):
        y, shares = sample(300, seed=seed)
        mean, limit = chance(shares.max(1), 15, 0.95, 42, seed)
        assert 0.01 < mean < limit < 0.15
        passed += measured(y, shares)["ece"] > limit
        sharper = shares**3 / (shares**3).sum(1, keepdims=True)
        assert measured(y, sharper)["ece"] > chance(sharper.max(1), 15, 0.95, 42, seed)[1]
    assert passed <= 6  # 5 % of 40 are 2; 7 or more have a chance of 0.3 %


def test_edges_belong_to_the_lower_bin_and_the_worst_one_is_named() -> None:
    assert calibration.equal_width(np.array([0, 0.2, 0.2000001, 0.4, 1]), 5).tolist() == [0, 0, 1, 1, 4]
    assert calibration.equal_mass(np.array([0.3, 0.1, 0.2, 0.2]), 2).tolist() == [1, 0, 0, 0]
    assert calibration.worst_bin(np.array([0.5, 0.9, 0.9]), np.array([0.0, 1, 1]), 10) == "0.40-0.50"


def test_sharpness_runs_from_even_to_certain() -> None:
    assert measured(np.array([0, 1]), np.full((2, 4), 0.25))["sharpness"] == pytest.approx(0)
    assert measured(np.array([0, 1]), np.eye(4)[:2])["sharpness"] == pytest.approx(1)


def test_the_smoothed_index_finds_a_constant_bias() -> None:
    random = np.random.default_rng(3)
    p = random.uniform(0.3, 0.7, 20_000)
    result = calibration.integrated(p, (random.random(len(p)) < p - 0.1).astype(float))
    assert result["ici"] == pytest.approx(0.1, abs=0.012) and result["e50"] == pytest.approx(0.1, abs=0.015)
    assert result["e50"] <= result["e90"] <= result["emax"]
