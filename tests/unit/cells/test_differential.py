"""Differential counts: correction by the confusion matrix, and intervals that hold the truth."""

import math

import numpy as np
import pytest
from scipy import stats

from leukoflow.cells.differential import binomial_limit, corrected, differential, poisson_interval

NAMES = ("basophil", "eosinophil", "lymphocyte", "monocyte", "neutrophil")
SMEAR = np.array([0.01, 0.04, 0.30, 0.10, 0.55])
CONFUSION = np.array([[50, 1, 2, 0, 1], [0, 48, 0, 1, 5], [1, 0, 90, 8, 1], [0, 1, 12, 40, 1], [0, 4, 1, 2, 93]], float)


def test_without_confusion_the_counts_are_the_answer():
    counted = differential(NAMES, [1, 4, 30, 10, 55], np.eye(5) * 1_000_000)
    assert [kind.share for kind in counted.types] == pytest.approx([0.01, 0.04, 0.30, 0.10, 0.55], abs=1e-3)
    assert counted.cells == 100 and counted.assumed == ()
    for kind in counted.types:
        assert kind.low < kind.share < kind.high


def test_what_is_expected_is_turned_back_into_the_truth():
    rows = CONFUSION / CONFUSION.sum(1, keepdims=True)
    assert corrected((SMEAR @ rows)[None], rows[None])[0] == pytest.approx(SMEAR, abs=1e-4)


def test_intervals_hold_the_truth_of_simulated_smears():
    generator = np.random.default_rng(1)
    rows = CONFUSION / CONFUSION.sum(1, keepdims=True)
    hits, raw_hits, cases = 0, 0, 200
    for _ in range(cases):
        # Another confusion matrix of as many cells, then a smear of 200 cells.
        seen = np.stack([generator.multinomial(int(n), row) for n, row in zip(CONFUSION.sum(1), rows, strict=True)])
        said = generator.multinomial(200, SMEAR @ rows)
        counted = differential(NAMES, said, seen)
        hits += sum(kind.low <= truth <= kind.high for kind, truth in zip(counted.types, SMEAR, strict=True))
        share = said / 200
        margin = 1.96 * np.sqrt(share * (1 - share) / 200)
        raw_hits += int((np.abs(share - SMEAR) <= margin).sum())
    assert 0.92 <= hits / (5 * cases) <= 0.995
    # What is planted matters: counts as named, with binomial intervals, do not hold it as often.
    assert raw_hits / (5 * cases) < hits / (5 * cases) - 0.02


def test_an_empty_field_has_no_shares_and_an_upper_limit():
    counted = differential(NAMES, [0] * 5, CONFUSION)
    assert (counted.cells, counted.low) == (0, 0.0) and counted.high == pytest.approx(-math.log(0.025), abs=1e-6)
    assert all(math.isnan(kind.share) and (kind.low, kind.high) == (0, 1) for kind in counted.types)


def test_a_type_that_was_not_met_has_an_upper_limit():
    counted = differential(NAMES, [0, 0, 10, 0, 10], CONFUSION)
    assert counted.types[0].share < 0.01 and 0.01 < counted.types[0].high < 0.3


def test_confusion_that_explains_a_count_does_not_rule_the_type_out():
    # Two cells named monocyte among a hundred lymphocytes: one lymphocyte in ten is named so.
    rows = np.array([[90, 10], [10, 90]], float)
    lymphocyte, monocyte = differential(("lymphocyte", "monocyte"), [98, 2], rows).types
    assert monocyte.share < 1e-3 and monocyte.low == pytest.approx(0, abs=1e-9)
    # Clopper and Pearson's upper limit of 2 of 100 is 0.0704; nine of ten are named.
    assert monocyte.high == pytest.approx(0.0704 / 0.9, abs=1e-3)
    assert lymphocyte.low == pytest.approx(1 - 0.0704 / 0.9, abs=1e-3)


def test_a_type_that_was_not_calibrated_on_is_named():
    lacking = CONFUSION.copy()
    lacking[0] = 0
    assert differential(NAMES, [1, 4, 30, 10, 55], lacking).assumed == ("basophil",)


def test_poisson_limits_are_those_of_the_tables():
    # Garwood's limits for 5 and for 20.
    assert poisson_interval(5) == pytest.approx((1.6235, 11.6683), abs=1e-3)
    assert poisson_interval(20) == pytest.approx((12.2165, 30.8884), abs=1e-3)


@pytest.mark.parametrize(
    ("counts", "matrix"), [([1, 2], CONFUSION), ([-1, 0, 0, 0, 0], CONFUSION), ([1] * 5, -CONFUSION)]
)
def test_what_cannot_be_counted_is_refused(counts, matrix):
    with pytest.raises(ValueError, match="types need|not negative"):
        differential(NAMES, counts, matrix)


@pytest.mark.parametrize("count", [0, 1, 3, 30, 400, 5000])
def test_exact_limits_are_scipys(count: int) -> None:
    low, high = poisson_interval(count)
    assert low == pytest.approx(stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0, rel=1e-6)
    assert high == pytest.approx(stats.chi2.ppf(0.975, 2 * count + 2) / 2, rel=1e-6)
    total = count + 17
    assert binomial_limit(count, total, 0.025) == pytest.approx(stats.beta.ppf(0.975, count + 1, 17), rel=1e-6)
    assert binomial_limit(total, total, 0.025) == 1
