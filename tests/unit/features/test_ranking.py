"""Rankings by other methods, and what all rankings promise."""

from itertools import combinations
from math import factorial
from typing import get_args

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, chi2, f_classif
from sklearn.linear_model import LogisticRegression

from leukoflow.config.features import Method, Selection
from leukoflow.core.errors import LeukoFlowError
from leukoflow.features.ranking import rank, rank_discrete, softmax_importance

METHODS = list(get_args(Method))


def sample(seed: int = 0, n: int = 200, width: int = 25) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.integers(0, 3, n)
    x = rng.normal(size=(n, width)) * rng.uniform(0.2, 2, width)
    x[:, :6] += y[:, None] * rng.uniform(0.1, 1, 6)
    return x.astype(np.float32), y


@pytest.mark.parametrize("method", METHODS)
def test_lengths_types_and_repetition(method: str) -> None:
    x, y = sample()
    for features, expected in ((1, 1), (10, 10), (25, 25), (2000, 25)):
        ranking = rank(x, y, Selection(method=method, features=features), 3)
        assert ranking.order.dtype == np.int64 and ranking.scores.dtype == np.float64
        assert len(ranking.order) == len(ranking.scores) == expected
        assert len(set(ranking.order.tolist())) == expected and 0 <= ranking.order.min() <= ranking.order.max() < 25
        again = rank(x, y, Selection(method=method, features=features), 3)
        np.testing.assert_array_equal(ranking.order, again.order)
        np.testing.assert_array_equal(ranking.scores, again.scores)
        assert ranking.take(x).shape == (200, expected)


@pytest.mark.parametrize("method", [name for name in METHODS if name != "pca"])
def test_fewer_features_are_the_first_of_more_and_constants_are_last(method: str) -> None:
    x, y = sample(1)
    x[:, [3, 11]] = 7.25, 0
    whole = rank(x, y, Selection(method=method), 0)
    assert whole.order[-2:].tolist() == [3, 11]
    assert np.isnan(whole.scores).tolist() == [False] * 23 + [True] * 2
    part = rank(x, y, Selection(method=method, features=9), 0)
    np.testing.assert_array_equal(part.order, whole.order[:9])
    np.testing.assert_array_equal(part.take(x, 4), x[:, whole.order[:4]])
    nothing = rank(np.ones_like(x), y, Selection(method=method, features=4), 0)
    assert nothing.order.tolist() == [0, 1, 2, 3] and np.isnan(nothing.scores).all()


@pytest.mark.parametrize(("method", "score"), [("anova", f_classif), ("chi2", chi2)])
def test_single_scores_as_scikit_learn_ranks_them(method: str, score) -> None:  # type: ignore[no-untyped-def]
    x, y = sample(2)
    shifted = (x - x.min(axis=0)).astype(np.float64) if method == "chi2" else x.astype(np.float64)
    fitted = SelectKBest(score, k=8).fit(shifted, y)
    ranking = rank(x, y, Selection(method=method, features=8), 0)
    assert set(ranking.order.tolist()) == set(fitted.get_support(indices=True).tolist())
    np.testing.assert_allclose(ranking.scores, np.sort(fitted.scores_)[::-1][:8], rtol=1e-4)


def test_lasso_finds_what_makes_the_label_and_does_not_care_how_rows_lie() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 20)).astype(np.float32)
    y = np.digitize(2 * x[:, 13] - x[:, 4], [-1, 1])
    for rows in (np.arange(300), np.argsort(y, kind="stable")):
        ranking = rank(x[rows], y[rows], Selection(method="lasso"), 0)
        assert ranking.order[:2].tolist() == [13, 4]
        zeros = ranking.order[ranking.scores == 0]
        assert (np.diff(ranking.scores) <= 0).all() and (np.diff(zeros) > 0).all()


def shapley(logits, row: np.ndarray, others: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    """Shapley values [D, K] of a row by definition: over all coalitions, absent features taken from the others."""
    width = len(row)

    def value(present: tuple[int, ...]) -> np.ndarray:
        mixed = others.copy()
        mixed[:, list(present)] = row[list(present)]
        return logits(mixed).mean(axis=0)

    totals = []
    for feature in range(width):
        rest = [other for other in range(width) if other != feature]
        total: np.ndarray | float = 0.0
        for size in range(width):
            weight = factorial(size) * factorial(width - size - 1) / factorial(width)
            for present in combinations(rest, size):
                total = total + weight * (value((*present, feature)) - value(present))
        totals.append(total)
    return np.array(totals)


def test_importance_is_the_mean_absolute_shapley_value_of_a_linear_softmax() -> None:
    x, y = sample(8, n=60, width=6)
    x = x[:, [0, 1, 2, 5]]
    x[:, 0] += 5  # the place of a feature must not matter
    values = x.astype(np.float64)
    fitted = LogisticRegression(max_iter=1000).fit(values, y)
    expected = np.mean([np.abs(shapley(fitted.decision_function, row, values)) for row in values], axis=(0, 2))
    np.testing.assert_allclose(softmax_importance(x, y), expected, rtol=1e-6)
    ranking = rank(x, y, Selection(method="importance"), 0)
    assert ranking.order.tolist() == np.argsort(-expected).tolist()


def test_features_at_random_depend_on_the_seed_alone_and_every_one_is_as_likely() -> None:
    x, y = sample(9, width=12)
    drawn = [rank(x, y, Selection(method="random", features=3), seed).order for seed in range(600)]
    np.testing.assert_array_equal(drawn[7], rank(x[::-1], y[::-1], Selection(method="random", features=3), 7).order)
    counts = np.bincount(np.concatenate(drawn), minlength=12)  # 150 each; sd 10.6
    assert counts.min() > 110 and counts.max() < 190


def test_without_a_ranking_features_keep_their_order() -> None:
    x, y = sample(10)
    assert rank(x, y, Selection(method="none"), 0).order.tolist() == list(range(25))


def test_principal_components() -> None:
    x, y = sample(5)
    ranking = rank(x, y, Selection(method="pca", features=6), 0)
    expected = PCA(6, svd_solver="full").fit(x.astype(np.float64))
    assert ranking.order.tolist() == list(range(6))
    assert ranking.projection is not None and ranking.projection.dtype == np.float32
    np.testing.assert_allclose(np.abs((ranking.projection * expected.components_.T).sum(axis=0)), 1, atol=1e-4)
    np.testing.assert_allclose(ranking.scores, expected.explained_variance_ratio_, rtol=1e-4)
    np.testing.assert_allclose(ranking.take(x, 2), x @ ranking.projection[:, :2], rtol=1e-5)
    few = rank(x[:5], np.array([0, 1, 2, 0, 1]), Selection(method="pca"), 0)
    assert len(few.order) == 5  # no more components than rows


@pytest.mark.parametrize("method", METHODS)
def test_what_cannot_be_ranked_is_refused(method: str) -> None:
    x, y = sample(6)
    selection = Selection(method=method)
    for value in (np.nan, np.inf):
        damaged = x.copy()
        damaged[17, 8] = value
        with pytest.raises(LeukoFlowError, match="feature 8 has missing or infinite values"):
            rank(damaged, y, selection, 0)
    with pytest.raises(LeukoFlowError, match="200 rows of 1 classes"):
        rank(x, np.zeros(200, int), selection, 0)
    with pytest.raises(LeukoFlowError, match="3 rows of 3 classes"):
        rank(x[:3], np.array([0, 1, 2]), selection, 0)
    with pytest.raises(LeukoFlowError, match="do not fit 199 labels"):
        rank(x, y[1:], selection, 0)


def test_only_information_ranks_states() -> None:
    x, y = sample(7)
    for method in set(METHODS) - {"mid", "miq"}:
        with pytest.raises(LeukoFlowError, match="mid or miq"):
            rank_discrete((x > 0).astype(int), y, Selection(method=method))
