import warnings

import numpy as np
import pytest
from sklearn import metrics as reference

from leukoflow.stats.metrics import PER_CLASS, design, evaluate, names

CLASSES = tuple("abcd")


def sample(count: int, classes: int, skill: float, seed: int, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    y = random.integers(0, classes, count)
    logits = random.normal(size=(count, classes))
    logits[np.arange(count), y] += skill
    shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    if ties:
        shares = np.round(shares, 1) + 1e-9
        shares /= shares.sum(1, keepdims=True)
        shares = np.round(shares, 2)
    return y, shares


def named(y: np.ndarray, shares: np.ndarray, weights: np.ndarray | None = None) -> dict[tuple[str, str], float]:
    labels = names(CLASSES[: shares.shape[1]])
    weights = np.ones(len(y)) if weights is None else weights
    return dict(zip(labels, evaluate(design(y, shares), weights[:, None])[:, 0], strict=True))


def by_scikit_learn(y: np.ndarray, shares: np.ndarray, weights: np.ndarray) -> dict[tuple[str, str], float]:
    guess, options = shares.argmax(1), {"sample_weight": weights}
    values_by_label = {
        ("accuracy", ""): reference.accuracy_score(y, guess, **options),
        ("balanced_accuracy", ""): reference.balanced_accuracy_score(y, guess, **options),
        ("mcc", ""): reference.matthews_corrcoef(y, guess, **options),
        ("kappa", ""): reference.cohen_kappa_score(y, guess, **options),
    }
    by_class = reference.precision_recall_fscore_support(y, guess, zero_division=0, **options)
    areas = [reference.roc_auc_score(y == k, shares[:, k], **options) for k in range(shares.shape[1])]
    tables = reference.multilabel_confusion_matrix(y, guess, labels=range(shares.shape[1]), **options)
    specificity = [table[0, 0] / table[0].sum() for table in tables]
    ovr_accuracy = [np.trace(table) / table.sum() for table in tables]
    weighted = reference.precision_recall_fscore_support(y, guess, zero_division=0, average="weighted", **options)
    values_by_label |= {("weighted_precision", ""): weighted[0], ("weighted_f1", ""): weighted[2]}
    assert weighted[1] == pytest.approx(values_by_label["accuracy", ""])
    for name, values in zip(PER_CLASS, (*by_class[:3], areas, specificity, ovr_accuracy), strict=True):
        values_by_label[name, ""] = float(np.mean(values))
        values_by_label |= {(name, CLASSES[k]): value for k, value in enumerate(values)}
    return values_by_label


@pytest.mark.parametrize("classes", [2, 4])
@pytest.mark.parametrize("skill", [0.0, 1.5, 4.0])
@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
def test_every_metric_agrees_with_scikit_learn(classes, skill, ties, weighted):
    y, shares = sample(211, classes, skill, seed=classes, ties=ties)
    weights = np.random.default_rng(1).integers(0, 4, len(y)).astype(float) if weighted else np.ones(len(y))
    expected = by_scikit_learn(y, shares, weights)
    ours = named(y, shares, weights)
    assert ours.keys() == expected.keys()
    for label, value in expected.items():
        assert ours[label] == pytest.approx(value, abs=1e-12), label


def test_many_weightings_at_once_are_each_as_alone():
    y, shares = sample(80, 4, 1.0, seed=3)
    weights = np.random.default_rng(2).integers(0, 3, (80, 7)).astype(float)
    together = evaluate(design(y, shares), weights)
    alone = np.stack([evaluate(design(y, shares), weights[:, [column]])[:, 0] for column in range(7)], axis=1)
    np.testing.assert_array_equal(together, alone)


def test_a_weight_of_two_is_the_image_twice():
    y, shares = sample(50, 4, 1.0, seed=4, ties=True)
    twice = np.repeat(np.arange(50), np.where(np.arange(50) < 20, 2, 1))
    assert named(y, shares, np.where(np.arange(50) < 20, 2.0, 1.0)) == pytest.approx(named(y[twice], shares[twice]))


def test_a_class_without_images_is_undefined_and_left_out_of_the_averages():
    y, shares = sample(90, 4, 1.0, seed=5)
    y = np.where(y == 2, 0, y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        values = named(y, shares)
    for name in PER_CLASS:
        assert np.isnan(values[name, "c"])
        assert values[name, ""] == pytest.approx(np.mean([values[name, letter] for letter in "abd"]))
    assert np.isfinite(values["mcc", ""])


def test_perfect_predictions_are_exactly_one():
    y = np.arange(40) % 4
    assert set(named(y, np.eye(4)[y]).values()) == {1.0}


def test_one_class_alone_leaves_agreement_undefined():
    _, shares = sample(10, 4, 1.0, seed=6)
    values = named(np.zeros(10, int), shares)
    assert np.isnan(values["mcc", ""]) and np.isnan(values["kappa", ""]) and np.isnan(values["auc", ""])
    assert values["accuracy", ""] == np.mean(shares.argmax(1) == 0)


def test_constant_predictions_have_no_correlation_and_even_odds():
    y = np.arange(12) % 4
    values = named(y, np.tile([0.4, 0.2, 0.2, 0.2], (12, 1)))
    assert values["mcc", ""] == 0 and values["kappa", ""] == 0
    assert values["auc", ""] == 0.5
    assert values["precision", "b"] == 0


def test_no_images_at_all_is_all_undefined():
    assert np.isnan(evaluate(design(np.zeros(0, int), np.zeros((0, 4))), np.ones((0, 1)))).all()
