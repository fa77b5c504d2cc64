"""Rankings by other methods, and what all rankings promise."""

import numpy as np
import pytest
from sklearn.decomposition import PCA
from sklearn.feature_selection import SelectKBest, chi2, f_classif

from leukoflow.config.features import Selection
from leukoflow.core.errors import LeukoFlowError
from leukoflow.features.ranking import rank, rank_discrete

METHODS = ["mid", "miq", "fcq", "anova", "chi2", "lasso", "pca"]


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
        found = rank(x, y, Selection(method=method, features=features), 3)
        assert found.order.dtype == np.int64 and found.scores.dtype == np.float64
        assert len(found.order) == len(found.scores) == expected
        assert len(set(found.order.tolist())) == expected and 0 <= found.order.min() <= found.order.max() < 25
        again = rank(x, y, Selection(method=method, features=features), 3)
        np.testing.assert_array_equal(found.order, again.order)
        np.testing.assert_array_equal(found.scores, again.scores)
        assert found.take(x).shape == (200, expected)


@pytest.mark.parametrize("method", [each for each in METHODS if each != "pca"])
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
    found = rank(x, y, Selection(method=method, features=8), 0)
    assert set(found.order.tolist()) == set(fitted.get_support(indices=True).tolist())
    np.testing.assert_allclose(found.scores, np.sort(fitted.scores_)[::-1][:8], rtol=1e-4)


def test_lasso_finds_what_makes_the_label_and_does_not_care_how_rows_lie() -> None:
    rng = np.random.default_rng(4)
    x = rng.normal(size=(300, 20)).astype(np.float32)
    y = np.digitize(2 * x[:, 13] - x[:, 4], [-1, 1])
    for rows in (np.arange(300), np.argsort(y, kind="stable")):
        found = rank(x[rows], y[rows], Selection(method="lasso"), 0)
        assert found.order[:2].tolist() == [13, 4]
        zeros = found.order[found.scores == 0]
        assert (np.diff(found.scores) <= 0).all() and (np.diff(zeros) > 0).all()


def test_principal_components() -> None:
    x, y = sample(5)
    found = rank(x, y, Selection(method="pca", features=6), 0)
    expected = PCA(6, svd_solver="full").fit(x.astype(np.float64))
    assert found.order.tolist() == list(range(6))
    assert found.projection is not None and found.projection.dtype == np.float32
    np.testing.assert_allclose(np.abs((found.projection * expected.components_.T).sum(axis=0)), 1, atol=1e-4)
    np.testing.assert_allclose(found.scores, expected.explained_variance_ratio_, rtol=1e-4)
    np.testing.assert_allclose(found.take(x, 2), x @ found.projection[:, :2], rtol=1e-5)
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
    for method in ("fcq", "anova", "chi2", "lasso", "pca"):
        with pytest.raises(LeukoFlowError, match="mid or miq"):
            rank_discrete((x > 0).astype(int), y, Selection(method=method))
