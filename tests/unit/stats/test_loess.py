"""Local regression against R's."""

import numpy as np
import pytest

from leukoflow.stats.calibration import PLACES, loess, smoothed

# Speeds (mph) and stopping distances (ft) of cars, Ezekiel 1930, as R's data set `cars`.
SPEED = np.repeat([4, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 22, 23, 24, 25],
                  [2, 2, 1, 1, 3, 2, 4, 4, 4, 3, 2, 3, 4, 3, 5, 1, 1, 4, 1]).astype(float)  # fmt: skip
DISTANCE = np.array(
    [2, 10, 4, 22, 16, 10, 18, 26, 34, 17, 28, 14, 20, 24, 28, 26, 34, 34, 46, 26, 36, 60, 80, 20, 26, 54, 32, 40, 32,
     40, 50, 42, 56, 76, 84, 36, 46, 68, 32, 48, 52, 56, 64, 66, 54, 70, 92, 93, 120, 85.0]
)  # fmt: skip
# Printed by the example of R's help page of predict.loess, surface = "direct", at speeds 5 to 30.
PRINTED = [
    7.741006, 9.926596, 12.442424, 15.281082, 18.425712, 21.865315, 25.713413, 29.350386, 33.230660, 37.167935,
    41.205226, 45.781544, 48.355889, 50.067148, 51.986702, 56.445263, 62.025404, 68.569313, 76.193111, 85.053364,
    95.300523, 106.974661, 120.092581, 134.665851, 150.698545, 168.190283,
]  # fmt: skip


def test_it_gives_what_r_prints() -> None:
    np.testing.assert_allclose(loess(SPEED, DISTANCE, np.arange(5, 31.0)), PRINTED, atol=6e-7)


def test_points_counted_twice_are_two_points() -> None:
    places, member = np.unique(SPEED, return_inverse=True)
    count = np.bincount(member).astype(float)
    means = np.bincount(member, DISTANCE) / count
    np.testing.assert_allclose(loess(places, means, places, weight=count), loess(SPEED, DISTANCE, places), atol=1e-8)


def test_a_parabola_is_left_as_it_is() -> None:
    x = np.linspace(-1, 2, 40)
    np.testing.assert_allclose(loess(x, 1 - 2 * x + 3 * x**2, x), 1 - 2 * x + 3 * x**2, atol=1e-9)


def test_where_most_points_share_a_place_it_is_their_mean() -> None:
    p, right = np.r_[np.ones(8), 0.4, 0.5], np.r_[np.ones(6), 0, 0, 1, 0]
    assert smoothed(p, right)[:8] == pytest.approx(0.75)
    assert smoothed(np.full(5, 0.7), np.array([1, 1, 0, 0, 0])) == pytest.approx(0.4)


def test_joining_neighbours_hardly_moves_it() -> None:
    random = np.random.default_rng(0)
    p = random.uniform(0.3, 1, 5 * PLACES)
    right = (random.random(len(p)) < p**2).astype(float)
    np.testing.assert_allclose(smoothed(p, right), loess(p, right, p).clip(0, 1), atol=5e-3)
