import numpy as np
import pytest

from leukoflow.stats.bootstrap import draws
from leukoflow.stats.intervals import limits, named, resampled_means, units, weights_of


def test_resampled_means_are_those_of_whole_groups_drawn_one_by_one():
    random = np.random.default_rng(0)
    values, weights, groups = random.random((30, 2)), random.random(30), random.integers(0, 7, 30)
    found = resampled_means(values, weights, groups, 40, 5)
    for start, counts in draws(7, 40, 11, 5):
        for column, drawn in enumerate(counts.T):
            rows = np.repeat(np.arange(30), drawn[groups].astype(int))
            expected = np.average(values[rows], axis=0, weights=weights[rows])
            assert found[:, start + column] == pytest.approx(expected)


def test_one_group_has_nothing_to_draw_and_images_stand_in():
    assert np.isnan(resampled_means(np.ones((4, 1)), np.ones(4), np.zeros(4, int), 10, 0)).all()
    assert units(np.array(["a", "a", "a"], object)).tolist() == [0, 1, 2]
    assert units(np.array(["b", "a", "b"], object)).tolist() == [1, 0, 1]


def test_runs_weigh_alike_whatever_their_size():
    weights = weights_of(["a", "a", "a", "b"])
    assert weights == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2])


def test_limits_are_percentiles_under_their_names():
    value, low, high = limits(0.5, np.linspace(0, 1, 101), 0.9)
    assert (value, low, high) == pytest.approx((0.5, 0.05, 0.95))
    assert named("share", (0.5, 0.1, 0.9)) == {"share": 0.5, "share_low": 0.1, "share_high": 0.9}
