import numpy as np
import pytest

from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.bootstrap import resample
from leukoflow.stats.intervals import limits, mean_of, named, resampled_means, units, weights_of


def test_resampled_means_are_those_of_whole_groups_drawn_one_by_one():
    random = np.random.default_rng(0)
    values, weights, groups = random.random((30, 2)), random.random(30), random.integers(0, 7, 30)
    means = resampled_means(values, weights, groups, Evaluation(resamples=100, seed=5))
    for column, drawn in enumerate(resample(lambda counts: counts, 7, 100, 5, chunk=11).T):
        rows = np.repeat(np.arange(30), drawn[groups].astype(int))
        expected = np.average(values[rows], axis=0, weights=weights[rows])
        assert means[:, 1 + column] == pytest.approx(expected)


def test_one_group_has_nothing_to_draw_and_images_stand_in():
    (columns,) = resampled_means(np.ones((4, 1)), np.ones(4), np.zeros(4, int), Evaluation())
    assert columns[0] == 1 and np.isnan(columns[1:]).all()
    assert units(np.array(["a", "a", "a"], object)).tolist() == [0, 1, 2]
    assert units(np.array(["b", "a", "b"], object)).tolist() == [1, 0, 1]


def test_runs_weigh_alike_whatever_their_size():
    weights = weights_of(["a", "a", "a", "b"])
    assert weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_limits_are_percentiles_under_their_names():
    columns = np.r_[0.5, np.linspace(0, 1, 101)]
    value, low, high = limits(columns, Evaluation(resamples=101, confidence=0.9))
    assert (value, low, high) == pytest.approx((0.5, 0.05, 0.95))
    assert named("share", (0.5, 0.1, 0.9)) == {"share": 0.5, "share_low": 0.1, "share_high": 0.9}


def test_interval_of_a_mean() -> None:
    values = np.random.default_rng(0).normal(0.8, 0.1, 400)
    mean, low, high = mean_of(values, Evaluation())
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert mean == pytest.approx(values.mean())
    assert low == pytest.approx(mean - half, abs=0.15 * half) and high == pytest.approx(mean + half, abs=0.15 * half)
    assert mean_of(values, Evaluation()) == (mean, low, high) != mean_of(values, Evaluation(seed=1))
    gaps = np.r_[values, np.nan]
    assert mean_of(gaps, Evaluation()) == (mean, low, high)


def test_interval_of_few_values() -> None:
    for values in ([], [np.nan]):
        assert np.isnan(mean_of(np.array(values, float), Evaluation())).all()
    mean, low, high = mean_of(np.array([0.5]), Evaluation())
    assert mean == 0.5 and np.isnan(low) and np.isnan(high)
    assert mean_of(np.full(5, 0.25), Evaluation()) == (0.25, 0.25, 0.25)
