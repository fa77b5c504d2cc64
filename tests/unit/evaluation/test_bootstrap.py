import numpy as np
import pytest
from scipy.stats import binomtest

from leukoflow.core.seeding import generator
from leukoflow.evaluation.bootstrap import percentile_interval, resample, wilson_interval
from leukoflow.evaluation.metrics import design, evaluate


@pytest.fixture
def sets_and_sample():
    random = np.random.default_rng(0)
    y = random.integers(0, 3, 60)
    shares = random.dirichlet(np.ones(3), 60)
    shares[np.arange(60), y] += 0.4
    return design(y, shares), y, shares


@pytest.mark.parametrize("grouped", [False, True])
def test_each_resample_is_what_scoring_the_drawn_images_gives(sets_and_sample, grouped):
    sets, y, shares = sets_and_sample
    units = np.arange(60) // 7 if grouped else np.arange(60)
    number = units.max() + 1
    found = resample(sets, units, 25, seed=9)
    draws = generator(9, "bootstrap", number).integers(0, number, (25, number))
    for column, drawn in enumerate(draws):
        images = np.concatenate([np.flatnonzero(units == unit) for unit in drawn])
        expected = evaluate(design(y[images], shares[images]), np.ones((len(images), 1)))[:, 0]
        np.testing.assert_allclose(found[:, column], expected, atol=1e-12)


def test_chunks_do_not_change_the_draws(sets_and_sample):
    sets = sets_and_sample[0]
    whole = resample(sets, np.arange(60), 50, seed=1)
    np.testing.assert_allclose(resample(sets, np.arange(60), 50, seed=1, chunk=7), whole, atol=1e-12)


def test_intervals_of_accuracy_are_those_of_the_binomial_draw(sets_and_sample):
    sets, y, shares = sets_and_sample
    right = np.mean(shares.argmax(1) == y)
    accuracy = resample(sets, np.arange(60), 20_000, seed=2)[0]
    assert accuracy.mean() == pytest.approx(right, abs=0.002)
    assert accuracy.std() == pytest.approx(np.sqrt(right * (1 - right) / 60), rel=0.02)


def test_groups_of_like_images_widen_the_interval():
    right = np.repeat(np.random.default_rng(3).random(30) < 0.8, 20)
    y = np.zeros(600, int)
    sets = design(y, np.stack([right, ~right], 1).astype(float))
    spread = [
        np.ptp(percentile_interval(resample(sets, units, 2000, 4)[:1], 0.95))
        for units in (np.arange(600), np.arange(600) // 20)
    ]
    assert spread[1] > 3 * spread[0]


def test_a_single_group_gives_no_interval(sets_and_sample):
    assert np.isnan(resample(sets_and_sample[0], np.zeros(60, int), 10, 0)).all()


def test_undefined_resamples_are_left_out_until_they_are_most():
    values = np.array([[0.1, 0.2, 0.3, np.nan], [0.1, np.nan, np.nan, np.nan]])
    low, high = percentile_interval(values, 0.9)
    assert (low[0], high[0]) == pytest.approx((0.11, 0.29))
    assert np.isnan([low[1], high[1]]).all()


@pytest.mark.parametrize(("right", "count"), [(0, 5), (3, 8), (96, 96), (397, 400)])
def test_wilson_agrees_with_scipy(right, count):
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    assert wilson_interval(right, count, 0.95) == pytest.approx((expected.low, expected.high))


def test_wilson_of_nothing_is_undefined():
    assert np.isnan(wilson_interval(0, 0, 0.95)).all()
