"""Mutual information and norms of a network's modules."""

import numpy as np
import pytest
from sklearn.metrics import mutual_info_score

from leukoflow.audits.modules import MEASURES, compared, estimates, mutual_information, rows_of


def pairs(correlation: float, count: int = 200_000) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    first, noise = random.normal(size=(2, count))
    return first, correlation * first + np.sqrt(1 - correlation**2) * noise


@pytest.mark.parametrize("correlation", [0.3, 0.6, 0.9])
def test_information_of_normal_pairs_is_that_of_theory(correlation: float) -> None:
    expected = -0.5 * np.log(1 - correlation**2)
    assert mutual_information(*pairs(correlation)) == pytest.approx(expected, abs=0.02)


def test_information_of_bins_is_that_of_scikit_learn() -> None:
    first, second = np.random.default_rng(1).integers(0, 8, (2, 50_000))
    second = np.where(np.arange(50_000) % 3 == 0, first, second)
    assert mutual_information(first, second, bins=8) == pytest.approx(mutual_info_score(first, second), abs=0.002)


@pytest.mark.parametrize("count", [500, 5000])
def test_unrelated_maps_share_nothing_however_few_their_values(count: int) -> None:
    first, second = np.random.default_rng(2).normal(size=(2, count))
    assert mutual_information(first, second) < 0.05 < mutual_information(first, first)
    assert mutual_information(first, np.ones(count)) == 0


def test_measures_of_images() -> None:
    random = np.random.default_rng(3)
    maps, other = random.normal(size=(2, 4, 8, 30, 30))
    attention = np.ones((4, 9))
    same = compared(maps, maps, attention, attention)
    assert same[:, 1] == pytest.approx(1) and (same[:, 3] == 0).all() and same[:, 2] == pytest.approx(3)
    changed = compared(maps, other, attention, attention + 2)
    assert changed[:, 1].max() < 0.01 and changed[:, 3] == pytest.approx(6) and changed[:, 4] == pytest.approx(2)
    rows = rows_of("Gate", "jpeg", 50.0, np.arange(18.0).reshape(3, 6))
    assert [row["measure"] for row in rows] == list(MEASURES) and rows[1]["value"] == 7 and rows[1]["low"] == 4


def test_the_plain_estimate_is_scikit_learns_and_too_large_for_unrelated_values() -> None:
    first, second = np.random.default_rng(4).integers(0, 64, (2, 3000))
    plain, corrected = estimates(first, second)
    assert plain == pytest.approx(mutual_info_score(first, second)) and plain > 0.5 > 0.05 > corrected
