import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import roc_auc_score

from leukoflow.stats.delong import covariance, difference, freedom, group_covariance, influences


def drawn(seed: int, models: int = 3, images: int = 120, steps: int = 25) -> tuple[np.ndarray, np.ndarray]:
    """Scores with ties, and which images are positive."""
    random = np.random.default_rng(seed)
    positive = random.random(images) < 0.3
    return np.round(steps * (random.normal(size=(models, images)) + positive)) / steps, positive


def direct(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Areas and covariance by every pair of a positive and a negative, as DeLong and others wrote it down."""
    above = scores[:, positive][:, :, None] > scores[:, ~positive][:, None, :]
    equal = scores[:, positive][:, :, None] == scores[:, ~positive][:, None, :]
    wins = above + equal / 2
    ten, one = wins.mean(2), wins.mean(1)
    return wins.mean((1, 2)), np.cov(ten) / positive.sum() + np.cov(one) / (~positive).sum()


@pytest.mark.parametrize("seed", range(5))
def test_the_fast_form_is_the_direct_one(seed):
    scores, positive = drawn(seed)
    areas, influence = influences(scores, positive)
    expected, spread = direct(scores, positive)
    assert areas == pytest.approx(expected) and covariance(influence, positive) == pytest.approx(spread)
    assert areas == pytest.approx([roc_auc_score(positive, score) for score in scores])
    assert influence.sum(1) == pytest.approx(0, abs=1e-12)
    z, p = difference(areas, spread, 0, 2)
    assert z == pytest.approx((expected[0] - expected[2]) / np.sqrt(spread[0, 0] + spread[2, 2] - 2 * spread[0, 2]))
    assert p == pytest.approx(2 * stats.norm.sf(abs(z)))


def test_under_equal_models_p_is_uniform():
    values = []
    for seed in range(400):
        scores, positive = drawn(seed, models=2, images=80, steps=10_000)
        areas, influence = influences(scores, positive)
        values.append(difference(areas, covariance(influence, positive), 0, 1)[1])
    assert stats.kstest(values, "uniform").pvalue > 0.01


def test_groups_of_one_change_nothing_and_copies_are_no_new_images():
    scores, positive = drawn(7)
    images = scores.shape[1]
    areas, influence = influences(scores, positive)
    plain = group_covariance(influence, np.arange(images)) * (images - 1) / images
    sides = [influence[:, side] @ influence[:, side].T for side in (positive, ~positive)]
    assert plain == pytest.approx(sides[0] + sides[1])
    twice, groups = np.tile(scores, 2), np.tile(np.arange(images), 2)
    areas_twice, influence_twice = influences(twice, np.tile(positive, 2))
    assert areas_twice == pytest.approx(areas)
    assert group_covariance(influence_twice, groups) == pytest.approx(group_covariance(influence, np.arange(images)))
    # Taken for independent, the copies would halve the variance.
    assert covariance(influence_twice, np.tile(positive, 2)) == pytest.approx(
        covariance(influence, positive) / 2, rel=0.1
    )


def test_where_the_method_says_nothing_there_is_no_number():
    positive = np.array([True, True, False, False])
    perfect, other = np.array([4.0, 3, 2, 1]), np.array([4.0, 1, 2, 3])
    areas, influence = influences(np.stack([perfect, other, other]), positive)
    assert areas == pytest.approx([1, 0.5, 0.5])
    spread = covariance(influence, positive)
    assert np.isnan(difference(areas, spread, 0, 1)).all() and np.isnan(difference(areas, spread, 1, 2)).all()
    assert np.isnan(influences(perfect[None], np.ones(4, bool))[0]).all()
    assert np.isnan(group_covariance(influence, np.zeros(4, int))).all()


def test_a_class_in_few_groups_has_few_degrees_of_freedom():
    scores, positive = drawn(8)
    areas, influence = influences(scores, positive)
    groups = np.where(positive, 0, 1 + np.arange(len(positive)) % 9)
    assert freedom(positive, groups) == 0
    assert np.isnan(difference(areas, group_covariance(influence, groups), 0, 1, freedom(positive, groups))).all()
    z, p = difference(areas, covariance(influence, positive), 0, 1, 3)
    assert p == pytest.approx(2 * stats.t.sf(abs(z), 3)) and freedom(positive, np.arange(120) % 4) == 3
