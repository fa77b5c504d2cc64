"""Agreement, errors, operating points and other mixes against scikit-learn, scipy and counting."""

import numpy as np
import pytest
from scipy.spatial.distance import jensenshannon
from sklearn import metrics as reference

from leukoflow.stats import confusions


def cells_of(y: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    return np.stack([np.bincount(y * classes + predicted, minlength=classes**2).reshape(classes, classes)], axis=2)


def answers(n: int = 300) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(0)
    y = random.choice(4, n, p=[0.4, 0.3, 0.2, 0.1])
    return y, np.where(random.random(n) < 0.7, y, random.integers(0, 4, n))


def test_mutual_information_agrees_with_scikit_learn() -> None:
    y, predicted = answers()
    expected = reference.normalized_mutual_info_score(y, predicted)
    assert confusions.information(cells_of(y, predicted, 4).astype(float))[0] == pytest.approx(expected)
    assert confusions.information(cells_of(y, y, 4).astype(float))[0] == pytest.approx(1)


def test_errors_of_one_kind_have_no_entropy_and_even_ones_the_most() -> None:
    even, one = np.ones((4, 4, 1)), np.eye(4)[..., None] * 5
    assert confusions.error_entropy(even)[0] == pytest.approx(np.log2(12))
    assert np.isnan(confusions.error_entropy(one)[0])
    one[1, 2] = 3
    assert confusions.error_entropy(one)[0] == 0
    share, pairs = confusions.top_pairs(even[..., 0], "abcd")
    assert share == 0.5 and pairs == "a/b 2, a/c 2, b/c 2"
    assert confusions.top_pairs(one[..., 0], "abcd") == (1.0, "b/c 3")


def test_separation_is_the_squared_distance_of_scipy() -> None:
    random = np.random.default_rng(1)
    positive, score = random.random(200) < 0.3, random.random(200)
    score = np.where(positive, np.sqrt(score), score)
    inside, other = (np.histogram(score[which], 20, (0, 1))[0] for which in (positive, ~positive))
    assert confusions.separation(positive, score) == pytest.approx(jensenshannon(inside, other, base=2) ** 2)
    assert confusions.separation(positive, positive.astype(float)) == pytest.approx(1)


def test_thresholds_are_the_best_of_all_that_could_be_chosen() -> None:
    random = np.random.default_rng(2)
    positive, score = random.random(120) < 0.4, random.random(120).round(2)
    score = np.where(positive, np.sqrt(score), score).round(2)
    thresholds = confusions.thresholds(positive, score, (0.9, 0.95, 0.99))
    tried = {
        level: ((score[~positive] < level).mean(), (score[positive] >= level).mean()) for level in [*score, np.inf]
    }
    for wanted in (0.9, 0.95, 0.99):
        level = thresholds[f"specificity {wanted:g}"]
        assert tried[level][0] >= wanted
        assert tried[level][1] == max(sens for spec, sens in tried.values() if spec >= wanted)
    false, true, _ = reference.roc_curve(positive, score)
    assert sum(tried[thresholds["Youden"]]) - 1 == pytest.approx((true - false).max())
    assert np.isnan(list(confusions.thresholds(np.ones(3, bool), score[:3], (0.9,)).values())).all()
    assert confusions.thresholds(np.array([True, False]), np.array([0.1, 0.9]), (0.99,))["specificity 0.99"] == np.inf


@pytest.mark.parametrize("prevalence", [0.01, 0.3, 0.9])
def test_another_mix_is_what_weighing_the_images_gives(prevalence: float) -> None:
    y, predicted = answers()
    weights = np.where(y == 1, prevalence / (y == 1).mean(), (1 - prevalence) / (y != 1).mean())
    shares = confusions.in_mix(cells_of(y, predicted, 4).astype(float), 1, prevalence)[:, 0]
    accuracy = np.average(y == predicted, weights=weights)
    called = predicted == 1
    values = [np.average((y == 1)[called], weights=weights[called])]
    values.append(np.average((y != 1)[~called], weights=weights[~called]))
    assert shares == pytest.approx([accuracy, *values])


def test_the_mix_at_hand_changes_nothing_and_a_lacking_class_has_none() -> None:
    y, predicted = answers()
    cells = cells_of(y, predicted, 4).astype(float)
    assert confusions.in_mix(cells, 2, (y == 2).mean())[0, 0] == pytest.approx((y == predicted).mean())
    cells[2] = 0
    assert np.isnan(confusions.in_mix(cells, 2, 0.1)).all() and np.isfinite(confusions.in_mix(cells, 1, 0.1)).all()
