"""Prediction sets: coverage as promised on exchangeable data, and what too few calibration images give."""

import math

import numpy as np
import pytest
from scipy import stats

from leukoflow.audits.conformal import calibrate, conformal, needed, quantile, sets_of
from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.scores import Sample

CLASSES = ("a", "b", "c")


def drawn(random: np.random.Generator, count: int, skill: float = 2.0) -> tuple[np.ndarray, np.ndarray]:
    y = random.choice(3, count, p=[0.6, 0.3, 0.1])
    logits = random.normal(size=(count, 3))
    logits[np.arange(count), y] += skill
    # One class is hard, so that a limit for all classes together is not right for it.
    logits[y == 2, 2] -= 1.5
    return y, np.exp(logits) / np.exp(logits).sum(1, keepdims=True)


def sample(y: np.ndarray, probabilities: np.ndarray, groups: np.ndarray | None = None) -> Sample:
    return Sample("home", "test", y, np.arange(len(y)) if groups is None else groups, probabilities)


@pytest.mark.parametrize("level", [0.8, 0.9, 0.95])
def test_coverage_is_within_its_distribution_over_many_calibrations(level: float) -> None:
    """With n calibration images the coverage is Beta(k, n + 1 - k) distributed, k = ceil((n + 1) level)."""
    random = np.random.default_rng(0)
    n, trials, tests = 99, 400, 50
    hits = 0
    for _ in range(trials):
        y, p = drawn(random, n + tests)
        limits = calibrate("split", y[:n], p[:n], level)
        hits += int(sets_of(p[n:], limits)[np.arange(tests), y[n:]].sum())
    k = math.ceil((n + 1) * level)
    expected = stats.betabinom(tests, k, n + 1 - k)
    spread = expected.std() / tests / math.sqrt(trials)
    assert abs(hits / trials / tests - k / (n + 1)) < 4 * spread


def test_class_conditional_sets_cover_the_hard_class_and_common_ones_do_not() -> None:
    random = np.random.default_rng(1)
    y, p = drawn(random, 40_000)
    half = len(y) // 2
    table = conformal(sample(y[half:], p[half:]), sample(y[:half], p[:half]), CLASSES, Evaluation(resamples=100))
    table = table[table["level"] == 0.9].set_index(["method", "class"])
    for name in ("", *CLASSES):
        count = table.loc[("class-conditional", name), "images"]
        assert abs(table.loc[("class-conditional", name), "coverage"] - 0.9) < 4 * math.sqrt(0.09 / count * 2)
    assert table.loc[("split", "c"), "coverage"] < 0.8 < 0.89 < table.loc[("split", ""), "coverage"]
    assert table.loc[("split", ""), "size"] < table.loc[("class-conditional", ""), "size"]
    assert (table["low"] <= table["coverage"]).all() and (table["coverage"] <= table["high"]).all()
    sizes = table.loc[("split", "")]
    assert sizes["size_low"] < sizes["size"] < sizes["size_high"]


def test_too_few_calibration_images_put_the_class_into_every_set() -> None:
    assert (needed(0.9), needed(0.95), needed(0.8), needed(0.99)) == (9, 19, 4, 99)
    for level in (0.8, 0.9, 0.95):
        few, enough = needed(level) - 1, needed(level)
        assert quantile(np.arange(few) / few, level) == np.inf
        assert quantile(np.arange(enough) / enough, level) == pytest.approx((enough - 1) / enough)
    random = np.random.default_rng(2)
    y, p = drawn(random, 500)
    keep = np.concatenate([np.flatnonzero(y != 2), np.flatnonzero(y == 2)[:5]])
    table = conformal(sample(y, p), sample(y[keep], p[keep]), CLASSES, Evaluation(resamples=100))
    row = table[(table["method"] == "class-conditional") & (table["class"] == "c") & (table["level"] == 0.9)].iloc[0]
    assert row["calibration"] == 5 < row["needed"] == 9 and row["coverage"] == 1 and 0.9 < row["low"] < 1


def test_the_quantile_is_a_worked_example() -> None:
    """Ten scores at 80 %: ceil(11 * 0.8) = 9, the ninth smallest."""
    assert quantile(np.array([10, 9, 8, 7, 6, 5, 4, 3, 2, 1.0]), 0.8) == 9
    assert calibrate("split", np.array([0]), np.array([[0.9, 0.1]]), 0.5).tolist() == pytest.approx([0.1, 0.1])


def test_shares_of_single_empty_and_whole_sets_and_intervals_over_groups() -> None:
    p = np.array([[0.9, 0.1, 0.0], [0.4, 0.3, 0.3], [0.34, 0.33, 0.33], [0.95, 0.03, 0.02]] * 25)
    y = np.zeros(100, np.int64)
    calibration = sample(np.zeros(99, np.int64), np.tile([[0.7, 0.2, 0.1]], (99, 1)))
    groups = np.arange(100) // 20
    table = conformal(sample(y, p, groups), calibration, CLASSES, Evaluation(resamples=100))
    row = table[(table["method"] == "split") & (table["class"] == "") & (table["level"] == 0.9)].iloc[0]
    assert (row["single"], row["empty"], row["whole"], row["size"], row["coverage"]) == (0.5, 0.5, 0, 0.5, 0.5)
    assert row["low"] == row["high"] == 0.5  # every group holds the same images
