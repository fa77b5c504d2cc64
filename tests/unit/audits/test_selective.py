"""Risk against coverage, against a direct loop over the order of the images."""

from itertools import permutations

import numpy as np
import pytest
from scipy.stats import bootstrap

from leukoflow.audits.selective import least_confidence, measures, ranked, selective
from leukoflow.config.evaluation import Evaluation
from leukoflow.stats.scores import Sample


def area(wrong: np.ndarray) -> float:
    """AURC of images in this order, as it is defined."""
    return float(np.mean([wrong[: k + 1].mean() for k in range(len(wrong))]))


def whole(confidence, wrong, coverages=(), accuracies=(), counts=None):
    units = np.arange(len(wrong))
    blocks = ranked(np.asarray(confidence, float), np.asarray(wrong, bool), units)
    counts = np.ones((len(wrong), 1)) if counts is None else counts
    return measures(blocks.weight @ counts, blocks.wrong @ counts, coverages, accuracies)


def sample(confidence: np.ndarray, right: np.ndarray, groups: np.ndarray | None = None) -> Sample:
    """Two classes; class 0 is predicted and true where the answer is right."""
    probabilities = np.stack([confidence, 1 - confidence], axis=1)
    groups = np.arange(len(right)) if groups is None else groups
    return Sample("home", "test", (~right).astype(np.int64), groups, probabilities)


def test_area_is_that_of_a_direct_loop_and_excess_is_over_the_perfect_order() -> None:
    random = np.random.default_rng(0)
    confidence, wrong = random.permutation(60) / 60, random.random(60) < 0.3
    measured = whole(confidence, wrong)[:, 0]
    assert measured[0] == pytest.approx(area(wrong[np.argsort(-confidence)]), abs=1e-12)
    assert measured[1] == pytest.approx(measured[0] - area(np.sort(wrong)), abs=1e-12)
    assert whole(-wrong.astype(float), wrong)[1, 0] == pytest.approx(0, abs=1e-12)


def test_equal_confidences_give_the_mean_over_their_orders() -> None:
    confidence = np.array([0.9, 0.7, 0.7, 0.7, 0.7, 0.2])
    wrong = np.array([0, 1, 0, 0, 1, 1], bool)
    orders = [area(np.concatenate([wrong[:1], wrong[1:5][list(order)], wrong[5:]])) for order in permutations(range(4))]
    assert whole(confidence, wrong)[0, 0] == pytest.approx(np.mean(orders), abs=1e-12)


def test_a_weight_of_two_is_an_image_twice() -> None:
    random = np.random.default_rng(1)
    confidence, wrong = random.random(30), random.random(30) < 0.4
    counts = random.integers(0, 4, (30, 5)).astype(float)
    measured = whole(confidence, wrong, (0.5, 0.9), (0.7,), counts)
    for column in range(5):
        repeated = np.repeat(np.arange(30), counts[:, column].astype(int))
        alone = whole(confidence[repeated], wrong[repeated], (0.5, 0.9), (0.7,))
        assert measured[:, column] == pytest.approx(alone[:, 0], abs=1e-12)


def test_accuracy_at_a_coverage_and_coverage_at_an_accuracy() -> None:
    confidence = np.arange(10, 0, -1) / 10
    wrong = np.array([0, 0, 0, 0, 1, 0, 0, 1, 1, 1], bool)
    measured = whole(confidence, wrong, (1.0, 0.5, 0.25), (0.85, 1.0, 0.61))[2:, 0]
    # Of the first seven six are right, of the first four all, of the first nine six.
    assert measured == pytest.approx([0.6, 0.8, 1.0, 0.7, 0.4, 0.9])
    assert whole([0.5], [True], (), (0.9,))[2, 0] == 0
    assert np.isnan(whole([0.5, 0.4], [True, False], (0.9,), (0.9,), np.zeros((2, 1)))).all()


def test_the_least_confidence_keeps_the_accuracy_on_what_it_was_chosen_on() -> None:
    random = np.random.default_rng(2)
    confidence = 0.5 + random.random(400) / 2
    right = random.random(400) < confidence
    for accuracy in (0.8, 0.9):
        least = least_confidence(sample(confidence, right), accuracy)
        kept = confidence >= least
        assert right[kept].mean() >= accuracy and kept.any()
        lower = confidence >= np.sort(confidence)[np.searchsorted(np.sort(confidence), least) - 1]
        assert right[lower].mean() < accuracy
    assert least_confidence(sample(confidence, np.zeros(400, bool)), 0.9) == np.inf


def test_rows_have_values_and_limits_of_groups() -> None:
    random = np.random.default_rng(3)
    confidence = 0.5 + random.random(300) / 2
    right = random.random(300) < confidence
    asked = Evaluation(resamples=200)
    curve, rows = selective(sample(confidence, right), {0.9: 0.8}, asked)
    _, wide = selective(sample(confidence, right, np.arange(300) // 30), {0.9: 0.8}, asked)
    table = {(row[0], row[1]): row[2:] for row in rows}
    grouped = {(row[0], row[1]): row[2:] for row in wide}
    assert curve.shape == (100,) and curve[-1] == pytest.approx(right.mean())
    value, low, high, how = table["accuracy at coverage", 1.0]
    assert value == pytest.approx(right.mean()) and low < value < high and how == "groups"
    assert table["kept", 0.9][0] == pytest.approx((confidence >= 0.8).mean())
    assert table["accuracy of kept", 0.9][0] == pytest.approx(right[confidence >= 0.8].mean())
    assert table["least confidence", 0.9][0] == 0.8
    assert grouped["accuracy at coverage", 1.0][0] == value
    perfect = selective(sample(confidence, np.ones(300, bool)), {0.9: 0.5}, asked)[1]
    row = next(row for row in perfect if row[:2] == ("accuracy at coverage", 1.0))
    assert row[5] == "wilson" and 0.98 < row[3] < 1 and row[4] == 1


def test_bca_limits_of_accuracy_and_of_the_area_are_scipys() -> None:
    random = np.random.default_rng(11)
    confidence, right = 0.5 + random.random(250) / 2, random.random(250) < 0.85
    asked = Evaluation(resamples=5000, interval="bca")
    rows = selective(sample(confidence, right), {0.9: 0.8}, asked)[1]
    limits_by_name = {(name, level): limits for name, level, _, *limits, _ in rows if name != "aurc"}
    limits_by_name["aurc", 0.0] = next(limits for name, _, _, *limits, _ in rows if name == "aurc")

    def aurc(confidence: np.ndarray, wrong: np.ndarray) -> float:
        # Equal confidences are the same image drawn again, and are right or wrong together.
        return area(wrong[np.argsort(-confidence, kind="stable")])

    for key, samples, statistic in (
        (("accuracy at coverage", 1.0), (right * 1.0,), np.mean),
        (("aurc", 0.0), (confidence, ~right * 1.0), aurc),
    ):
        expected = bootstrap(
            samples, statistic, n_resamples=5000, method="BCa", paired=len(samples) > 1, rng=random,
            vectorized=statistic is np.mean,
        ).confidence_interval  # fmt: skip
        low, high = limits_by_name[key]
        assert (low, high) == pytest.approx(tuple(expected), abs=0.07 * (high - low))
