"""mRMR against references written as loops over pairs, and against the packages where they are installed."""

import math

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import mutual_info_score

from leukoflow.config.features import Selection
from leukoflow.core.errors import LeukoFlowError
from leukoflow.features import mrmr, pymrmr_backend
from leukoflow.features.discretise import compact, three_states
from leukoflow.features.ranking import rank, rank_discrete
from leukoflow.features.relevance import f_statistic, mutual_information, standardise


def sample(seed: int, n: int = 240, width: int = 30, classes: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Features float32 [n, width] that share factors, some of which go with the label."""
    rng = np.random.default_rng(seed)
    y = rng.integers(0, classes, n)
    factors = rng.normal(size=(n, 6))
    factors[:, :3] += rng.normal(size=(classes, 3))[y]
    x = factors @ rng.normal(size=(6, width)) + rng.normal(size=(n, width)) * rng.uniform(0.5, 3, width)
    return x.astype(np.float32), y


def codes_of(seed: int, states: tuple[int, ...] = (2, 3, 5), **sizes: int) -> tuple[np.ndarray, np.ndarray]:
    """Codes int64 [n, D] with several numbers of states, some negative and with gaps."""
    x, y = sample(seed, **sizes)
    codes = np.empty(x.shape, np.int64)
    for column in range(x.shape[1]):
        cuts = np.quantile(x[:, column], np.linspace(0, 1, states[column % len(states)] + 1)[1:-1])
        codes[:, column] = np.searchsorted(cuts, x[:, column]) * (1 + column % 2) - 2
    return codes, y


def bits(a: np.ndarray, b: np.ndarray) -> float:
    return mutual_info_score(a, b) / math.log(2)


def reference_by_information(codes: np.ndarray, y: np.ndarray, k: int, method: str) -> tuple[list[int], list[float]]:
    width = codes.shape[1]
    relevance = [bits(codes[:, column], y) for column in range(width)]
    pairs = [[bits(codes[:, column], codes[:, other]) for other in range(width)] for column in range(width)]
    order, scores = [int(np.argmax(relevance))], [max(relevance)]
    while len(order) < k:
        best, best_score = -1, -math.inf
        for column in range(width):
            if column in order:
                continue
            redundancy = sum(pairs[column][other] for other in order) / len(order)
            score = relevance[column] - redundancy if method == "mid" else relevance[column] / (redundancy + 0.0001)
            if score > best_score:
                best, best_score = column, score
        order.append(best)
        scores.append(best_score)
    return order, scores


def reference_fcq(x: np.ndarray, y: np.ndarray, k: int) -> tuple[list[int], list[float]]:
    x = x.astype(np.float64)
    n, width = x.shape
    groups = np.unique(y)
    relevance = []
    for column in x.T:
        between = sum((y == g).sum() * (column[y == g].mean() - column.mean()) ** 2 for g in groups)
        within = sum(((column[y == g] - column[y == g].mean()) ** 2).sum() for g in groups)
        relevance.append(between / (len(groups) - 1) / (within / (n - len(groups))))
    order, scores = [int(np.argmax(relevance))], [max(relevance)]
    while len(order) < k:
        scored = {}
        for candidate in set(range(width)) - set(order):
            parts = [max(abs(np.corrcoef(x[:, candidate], x[:, other])[0, 1]), 0.001) for other in order]
            scored[candidate] = relevance[candidate] / np.mean(parts)
        order.append(max(scored, key=scored.__getitem__))
        scores.append(scored[order[-1]])
    return order, scores


@pytest.mark.parametrize("method", ["mid", "miq"])
@pytest.mark.parametrize("seed", [0, 1])
def test_states_are_ranked_as_by_loops(method: str, seed: int) -> None:
    codes, y = codes_of(seed, width=18)
    order, scores = reference_by_information(codes, y, 18, method)
    ranking = rank_discrete(codes, y, Selection(method=method))
    assert ranking.order.tolist() == order
    np.testing.assert_allclose(ranking.scores, scores, rtol=1e-9, atol=1e-12)
    np.testing.assert_array_equal(rank(codes, y, Selection(method=method), 0).order, order)  # integers as given


@pytest.mark.parametrize("method", ["mid", "miq"])
def test_floats_are_cut_at_half_a_standard_deviation(method: str) -> None:
    x, y = sample(3, width=15)
    wide = x.astype(np.float64)
    low, high = wide.mean(axis=0) - 0.5 * wide.std(axis=0), wide.mean(axis=0) + 0.5 * wide.std(axis=0)
    states = np.where(wide < low, -1, np.where(wide > high, 1, 0))
    np.testing.assert_array_equal(three_states(x), states)
    order, scores = reference_by_information(states, y, 15, method)
    ranking = rank(x, y, Selection(method=method), 0)
    assert ranking.order.tolist() == order
    np.testing.assert_allclose(ranking.scores, scores, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_fcq_is_ranked_as_by_loops(seed: int) -> None:
    x, y = sample(seed)
    order, scores = reference_fcq(x, y, 30)
    ranking = rank(x, y, Selection(method="fcq"), 0)
    assert ranking.order.tolist() == order
    np.testing.assert_allclose(ranking.scores, scores, rtol=1e-9)


def test_what_is_computed_ahead_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    x, y = sample(5, width=90)
    expected = {method: rank(x, y, Selection(method=method), 0) for method in ("mid", "miq", "fcq")}
    asked = []

    def one_at_a_time(relevance, redundancy, k, score, most=1):  # type: ignore[no-untyped-def]
        total, order = np.zeros(len(relevance)), [int(np.argmax(relevance))]
        while len(order) < k:
            total += redundancy(np.array(order[-1:]))[0]
            current = score(relevance, total / len(order))
            current[order] = -np.inf
            order.append(int(np.argmax(current)))
            asked.append(order[-1])
        return np.array(order), np.zeros(k)

    monkeypatch.setattr(mrmr, "greedy", one_at_a_time)
    for method, ranking in expected.items():
        np.testing.assert_array_equal(rank(x, y, Selection(method=method), 0).order, ranking.order)
    assert len(asked) == 3 * 89


@pytest.mark.parametrize("method", ["mid", "miq", "fcq", "anova"])
def test_columns_may_stand_in_any_order(method: str) -> None:
    rng = np.random.default_rng(7)
    x, y = sample(7, width=60)
    order = rank(x, y, Selection(method=method), 0).order
    moved = rng.permutation(60)
    np.testing.assert_array_equal(moved[rank(x[:, moved], y, Selection(method=method), 0).order], order)


@pytest.mark.parametrize("method", ["mid", "miq", "fcq"])
def test_rows_and_names_of_classes_do_not_matter(method: str) -> None:
    rng = np.random.default_rng(8)
    x, y = sample(8, width=40)
    order = rank(x, y, Selection(method=method), 0).order
    rows = rng.permutation(len(x))
    np.testing.assert_array_equal(rank(x[rows], y[rows], Selection(method=method), 0).order, order)
    renamed = np.array([30, -1, 7, 2])[y]
    np.testing.assert_array_equal(rank(x, renamed, Selection(method=method), 0).order, order)


@pytest.mark.parametrize("method", ["mid", "fcq"])
def test_a_copy_is_not_taken_second(method: str) -> None:
    for seed in range(5):
        x, y = sample(seed, width=12)
        first = int(rank(x, y, Selection(method=method), 0).order[0])
        for copy in (x[:, first], -3 * x[:, first] + 1):
            order = rank(np.column_stack([x, copy]), y, Selection(method=method), 0).order
            assert order[0] in (first, 12) and order[1] not in (first, 12)


@pytest.mark.parametrize("method", ["mid", "miq", "fcq", "anova", "chi2"])
def test_of_equal_features_the_lower_column_comes_first(method: str) -> None:
    x, y = sample(9, width=20)
    doubled = np.repeat(np.abs(x), 2, axis=1)
    order = rank(doubled, y, Selection(method=method), 0).order.tolist()
    assert all(order.index(2 * column) < order.index(2 * column + 1) for column in range(20))


def test_a_feature_that_tells_the_classes_apart_comes_first() -> None:
    x, y = sample(10, width=8)
    x[:, 5], x[:, 7] = 3 * y + 2, -y
    ranking = rank(x, y, Selection(method="fcq"), 0)
    assert ranking.order[0] == 5 and ranking.scores[0] == np.inf
    assert sorted(ranking.order.tolist()) == list(range(8)) and not np.isnan(ranking.scores).any()


@pytest.mark.parametrize("states", [(2, 3), (4, 7), (1, 2)])
def test_mutual_information_of_all_pairs(states: tuple[int, int]) -> None:
    rng = np.random.default_rng(11)
    a = rng.integers(0, states[0], (5, 700)).astype(np.uint8)
    b = rng.integers(0, states[1], (6, 700)).astype(np.uint8)
    b[3] = a[2] % states[1]
    expected = [[bits(left, right) for right in b] for left in a]
    np.testing.assert_allclose(mutual_information(a, b, states), expected, atol=1e-13)


def test_f_is_that_of_scikit_learn() -> None:
    from sklearn.feature_selection import f_classif

    x, y = sample(12, width=40)
    x = x * 50 + 1000
    np.testing.assert_allclose(f_statistic(standardise(x), y), f_classif(x.astype(np.float64), y)[0], rtol=1e-8)


def test_states_are_numbered_from_0() -> None:
    codes = np.array([[5, -1, 1000], [5, 0, -1000], [7, 1, 0], [5, 0, 1000]])
    numbered, most = compact(codes)
    assert most == 3
    for row, column in zip(numbered, codes.T, strict=True):
        assert len(set(zip(row.tolist(), column.tolist(), strict=True))) == len(set(column.tolist()))
    with pytest.raises(LeukoFlowError, match="feature 1 has 70 states, more than 64"):
        compact(np.column_stack([np.zeros(70, int), np.arange(70)]))


@pytest.mark.parametrize("method", ["mid", "miq"])
@pytest.mark.parametrize("seed", [0, 1])
def test_pymrmr_gives_the_same_order(method: str, seed: int) -> None:
    pytest.importorskip("pymrmr")
    codes, y = codes_of(seed, width=40)
    codes = np.column_stack([codes[:, :10], np.full(len(y), 4), codes[:, 10:]])
    ours = rank_discrete(codes, y, Selection(method=method))
    theirs = rank_discrete(codes, y, Selection(method=method, backend="pymrmr"))
    np.testing.assert_array_equal(ours.order, theirs.order)
    np.testing.assert_allclose(ours.scores, theirs.scores, atol=1e-12)
    x, y = sample(seed + 20, width=25)
    for features in (7, 100):
        selection = Selection(method=method, features=features, backend="pymrmr")
        theirs = rank(x, y, selection, 0)
        assert len(theirs.order) == min(features, 25)
        np.testing.assert_array_equal(theirs.order, rank(x, y, Selection(method=method, features=features), 0).order)


def test_pymrmr_is_never_believed_blindly(monkeypatch: pytest.MonkeyPatch) -> None:
    codes, y = codes_of(0, width=6)
    selection = Selection(method="mid", backend="pymrmr")
    monkeypatch.setitem(__import__("sys").modules, "pymrmr", None)
    with pytest.raises(LeukoFlowError, match=r"not installed.*--no-build-isolation -e .*for-profit"):
        rank_discrete(codes, y, selection)

    class Fake:
        asked: pd.DataFrame

        def mRMR(self, data: pd.DataFrame, method: str, count: int) -> list[str]:
            Fake.asked = data
            return list(data.columns[:count])

    monkeypatch.setattr(pymrmr_backend.importlib, "import_module", lambda name: Fake())
    with pytest.raises(LeukoFlowError, match="no ranking of 6 features"):
        rank_discrete(codes, y, selection)
    assert set(Fake.asked.dtypes) == {np.dtype(np.int64)} and Fake.asked.shape == (240, 7)
    assert Fake.asked.columns.is_unique
    with pytest.raises(LeukoFlowError, match="5000 features at most, and there are 5001"):
        rank_discrete(np.tile(codes[:, :1], 5001), y, selection)


def test_mrmr_selection_gives_the_same_order() -> None:
    package = pytest.importorskip("mrmr")
    x, y = sample(13, width=50)
    x[:, 20] = 2.5
    frame = pd.DataFrame(x.astype(np.float64))
    theirs = package.mrmr_classif(frame, pd.Series(y), 50, n_jobs=1, show_progress=False)
    assert len(theirs) == 49  # a constant feature is left out there, and comes last here
    assert rank(x, y, Selection(method="fcq"), 0).order.tolist() == [*theirs, 20]
