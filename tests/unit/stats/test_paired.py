"""Paired differences of accuracy and macro F1, against scikit-learn and a bootstrap written out."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.stats.paired import paired
from leukoflow.stats.samples import Sample


def answered(y: np.ndarray, right: float, seed: int, groups: np.ndarray | None = None) -> Sample:
    rng = np.random.default_rng(seed)
    p = rng.dirichlet([1, 1, 1], len(y))
    hit = rng.random(len(y)) < right
    p[hit, y[hit]] += 1
    names = np.array([f"g{number}" for number in (np.arange(len(y)) if groups is None else groups)], object)
    return Sample("c", "test", y, names, p / p.sum(1, keepdims=True))


def macro_f1(y: np.ndarray, p: np.ndarray) -> float:
    return float(np.mean([2 * ((y == k) & (p == k)).sum() / ((y == k).sum() + (p == k).sum()) for k in np.unique(y)]))


def labels(seed: int, n: int = 150) -> np.ndarray:
    return np.random.default_rng(seed).choice(3, n, p=[0.5, 0.3, 0.2])


def test_values_and_difference_as_scikit_learn_has_them() -> None:
    runs = [(0, 1), (0, 2), (1, 1), (1, 2)]
    first = {key: answered(labels(key[0]), 0.8, 10 + number) for number, key in enumerate(runs)}
    second = {key: answered(labels(key[0]), 0.6, 20 + number) for number, key in enumerate(runs)}
    differences, kind = paired(first, second, Evaluation(resamples=200))
    for name, metric in (("accuracy", accuracy_score), ("f1", lambda y, p: f1_score(y, p, average="macro"))):
        mine, theirs = (
            np.mean([metric(sample.y, sample.probabilities.argmax(1)) for sample in side.values()])
            for side in (first, second)
        )
        assert (differences[name].first, differences[name].second) == pytest.approx((mine, theirs))
        assert differences[name].difference == pytest.approx(mine - theirs)
        assert differences[name].low < mine - theirs < differences[name].high
    assert kind == "groups"


@pytest.mark.parametrize("interval", ["percentile", "bca"])
def test_the_interval_is_that_of_groups_drawn_for_both_at_once(interval: str) -> None:
    groups = np.arange(150) // 5
    y = labels(3)
    first, second = answered(y, 0.8, 1, groups), answered(y, 0.7, 2, groups)
    settings = Evaluation(resamples=4000, interval=interval)
    differences, kind = paired({(0, 1): first}, {(0, 1): second}, settings)
    rng = np.random.default_rng(9)
    drawn = []
    for _ in range(4000):
        rows = np.concatenate([np.flatnonzero(groups == group) for group in rng.integers(0, 30, 30)])
        scores = [macro_f1(y[rows], sample.probabilities.argmax(1)[rows]) for sample in (first, second)]
        drawn.append(scores[0] - scores[1])
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert kind == "groups"
    assert differences["f1"].low == pytest.approx(low, abs=0.012) and differences["f1"].high == pytest.approx(
        high, abs=0.012
    )


def test_the_same_answers_differ_by_nothing_and_have_no_interval() -> None:
    runs = {(0, 1): answered(labels(0), 0.8, 1)}
    differences, _ = paired(runs, runs, Evaluation(resamples=100))
    assert differences["accuracy"].difference == 0 and np.isnan(differences["accuracy"].low)


def test_other_images_are_refused() -> None:
    with pytest.raises(LeukoFlowError, match="other images"):
        paired({(0, 1): answered(labels(0), 0.8, 1)}, {(0, 1): answered(labels(1), 0.8, 1)}, Evaluation(resamples=100))
    with pytest.raises(LeukoFlowError, match="same folds and seeds"):
        paired({(0, 1): answered(labels(0), 0.8, 1)}, {(0, 2): answered(labels(0), 0.8, 1)}, Evaluation(resamples=100))
