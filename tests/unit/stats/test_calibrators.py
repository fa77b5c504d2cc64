"""Calibrators: planted temperatures found, predictions kept, and what cannot be fitted said."""

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import log_softmax, softmax
from sklearn.isotonic import IsotonicRegression

from leukoflow.stats.calibrators import (
    CALIBRATORS,
    CLASS_TEMPERATURE,
    ISOTONIC,
    NONE,
    TEMPERATURE,
    fit,
    temperature,
)

CLASSES = ("a", "b", "c")


def sample(n: int = 4000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Logits, and classes drawn from their softmax."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, (n, 3))
    return logits, (random.random(n)[:, None] > softmax(logits, axis=1).cumsum(1)).sum(1).clip(max=2)


@pytest.mark.parametrize("planted", [0.4, 1.0, 1.86, 5.0])
def test_a_planted_temperature_is_found(planted: float) -> None:
    logits, y = sample()
    fitted = fit(TEMPERATURE, planted * logits, y, CLASSES)
    assert fitted.temperatures == pytest.approx(planted, rel=0.08)
    np.testing.assert_array_equal(fitted.apply(planted * logits).argmax(1), logits.argmax(1))


def test_the_temperature_is_the_one_that_lbfgs_finds() -> None:
    logits, y = sample(200, seed=1)

    def loss(log_t: np.ndarray) -> float:
        return -log_softmax(logits / np.exp(log_t[0]), axis=1)[np.arange(200), y].mean()

    assert temperature(logits, y) == pytest.approx(np.exp(minimize(loss, [0.0], method="L-BFGS-B").x[0]), rel=1e-3)


def test_each_predicted_class_gets_its_own_temperature() -> None:
    logits, y = sample(9000)
    planted = np.array([0.5, 1.0, 3.0])
    stretched = logits * planted[logits.argmax(1)][:, None]
    fitted = fit(CLASS_TEMPERATURE, stretched, y, CLASSES)
    assert fitted.temperatures == pytest.approx(planted, rel=0.12) and fitted.note == ""
    np.testing.assert_array_equal(fitted.apply(stretched).argmax(1), logits.argmax(1))
    few = np.flatnonzero(logits.argmax(1) == 2)[5:]
    kept = np.setdiff1d(np.arange(9000), few)
    fitted = fit(CLASS_TEMPERATURE, stretched[kept], y[kept], CLASSES)
    assert fitted.note == "common temperature for c"
    assert fitted.temperatures[2] == temperature(stretched[kept], y[kept])


def test_isotonic_is_scikit_learns_renormalised() -> None:
    logits, y = sample(500, seed=2)
    new, shares = sample(100, seed=3)[0], softmax(logits, axis=1)
    expected = np.stack([
        IsotonicRegression(out_of_bounds="clip").fit(shares[:, k], y == k).predict(softmax(new, axis=1)[:, k])
        for k in range(3)
    ], axis=1).clip(0.001, 0.999)  # fmt: skip
    expected /= expected.sum(1, keepdims=True)
    np.testing.assert_allclose(fit(ISOTONIC, logits, y, CLASSES).apply(new), expected, atol=1e-9)


def test_a_class_that_validation_lacks_is_left_alone_and_named() -> None:
    logits, y = sample(100)
    fitted = fit(ISOTONIC, logits[y < 2], y[y < 2], CLASSES)
    assert fitted.note == "no validation image of c, left as it was" and fitted.steps[2] is None


@pytest.mark.parametrize("name", CALIBRATORS)
def test_probabilities_stay_probabilities(name: str) -> None:
    logits, y = sample(60)
    shares = fit(name, logits, y, CLASSES).apply(10 * logits)
    assert shares.min() >= 0 and shares.sum(1) == pytest.approx(1) and np.isfinite(np.log(shares[:, 0])).all()
    if name == NONE:
        np.testing.assert_allclose(shares, softmax(10 * logits, axis=1))


def test_without_a_mistake_no_temperature_is_the_best() -> None:
    logits, _ = sample(50)
    for name in (TEMPERATURE, CLASS_TEMPERATURE):
        fitted = fit(name, logits, logits.argmax(1), CLASSES)
        assert not fitted.fitted and "every validation image is right" in fitted.note
    assert "end of its range" in fit(TEMPERATURE, logits, logits.argmin(1), CLASSES).note
