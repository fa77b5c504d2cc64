"""Agreement of rankings: worked examples, and data of which the answer is known."""

import numpy as np
import pytest

from leukoflow.config.features import Selection
from leukoflow.features.ranking import rank
from leukoflow.features.scaling import apply, fit
from leukoflow.features.stability import jaccard, kuncheva, parts, stability


def test_worked_examples() -> None:
    a, b = np.array([0, 1, 2, 3]), np.array([2, 3, 4, 5])
    assert jaccard(a, b) == pytest.approx(2 / 6)
    # Kuncheva: (r n - k^2) / (k (n - k)), here r = 2, k = 4, n = 10: (20 - 16) / 24.
    assert kuncheva(a, b, 10) == pytest.approx(1 / 6)
    assert kuncheva(a, a, 10) == jaccard(a, a) == 1
    assert kuncheva(np.arange(5), np.arange(5, 10), 10) == -1
    assert jaccard(np.arange(5), np.arange(5, 10)) == 0
    assert np.isnan(kuncheva(a, a, 4))


def test_kuncheva_is_0_by_chance() -> None:
    rng = np.random.default_rng(0)
    values = [kuncheva(rng.permutation(100)[:30], rng.permutation(100)[:30], 100) for _ in range(4000)]
    assert abs(np.mean(values)) < 0.01


def test_parts_hold_their_share_of_every_class() -> None:
    y = np.random.default_rng(1).permutation(np.repeat([0, 1, 5], [50, 23, 2]))
    part = parts(y, 5, 0)
    assert np.bincount(part).tolist() == [15] * 5
    for label, least in ((0, 10), (1, 4), (5, 0)):
        counts = np.bincount(part[y == label], minlength=5)
        assert counts.min() == least and counts.max() - counts.min() <= 1
    assert (parts(y, 5, 1) != part).any()
    np.testing.assert_array_equal(parts(y, 5, 0), part)


def sample(noise: float, width: int = 40) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    y = rng.integers(0, 4, 400)
    x = rng.normal(size=(400, width))
    x[:, :8] += np.arange(1, 9) / noise * rng.permuted(np.tile(np.arange(4), (8, 1)), axis=1).T[y]
    return x.astype(np.float32), y


@pytest.mark.parametrize("method", ["anova", "fcq", "mid"])
def test_clear_features_are_stable_and_noise_is_not(method: str) -> None:
    selection = Selection(method=method, features=30, stability=4)
    x, y = sample(2)
    table = stability(x, y, selection, 0, sizes=(8, 20, 30, 31))
    assert list(table.columns) == ["k", "pair", "jaccard", "kuncheva"]
    assert table["k"].unique().tolist() == [8, 20, 30]
    assert table["pair"].tolist()[:6] == ["0-1", "0-2", "0-3", "1-2", "1-3", "2-3"] and len(table) == 18
    if method == "anova":
        assert (table.loc[table["k"] == 8, "jaccard"] == 1).all()
    noise = stability(*sample(1e9), selection, 0, sizes=(8,))
    assert noise["kuncheva"].mean() < table.loc[table["k"] == 8, "kuncheva"].mean()


def test_each_ranking_is_made_without_its_part() -> None:
    x, y = sample(20)
    selection = Selection(method="chi2", scaling="robust", features=10, stability=2)
    part = parts(y, 2, 5)
    orders = []
    for out in range(2):
        kept = x[part != out]
        orders.append(rank(apply(fit(kept, "robust"), kept), y[part != out], selection, 5).order)
    table = stability(x, y, selection, 5, sizes=(3, 10))
    assert table["jaccard"].tolist() == [jaccard(orders[0][:k], orders[1][:k]) for k in (3, 10)]
    assert table["kuncheva"].tolist() == [kuncheva(orders[0][:k], orders[1][:k], 40) for k in (3, 10)]


def test_nothing_to_compare() -> None:
    x, y = sample(2)
    for selection in (Selection(stability=0), Selection(stability=1), Selection(method="pca")):
        table = stability(x, y, selection, 0)
        assert len(table) == 0 and list(table.columns) == ["k", "pair", "jaccard", "kuncheva"]
    assert stability(x, y, Selection(features=7), 0, sizes=()).empty


def test_features_at_random_agree_as_chance_does() -> None:
    x, y = sample(1.0, width=400)
    table = stability(x, y, Selection(method="random", stability=5), 3, sizes=(100,))
    assert len(table) == 10 and abs(table["kuncheva"].mean()) < 0.1
    assert stability(x, y, Selection(method="none"), 3).empty
