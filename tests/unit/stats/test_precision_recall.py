"""Measures of precision and recall against scikit-learn, brute force and hand-made curves."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import average_precision_score, f1_score, precision_recall_curve, roc_curve

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.stats import precision_recall as pr
from leukoflow.stats.curves import MACRO
from leukoflow.stats.samples import Sample

RUN = Run("home", "kind", "plain", "image", "net", 0, 1)
# Scores by hand: +, -, +, +, -, + of falling score.
POSITIVE = np.array([True, False, True, True, False, True])
SCORE = np.array([0.9, 0.8, 0.7, 0.6, 0.5, 0.4])


def drawn(seed: int, n: int = 400, ties: bool = False) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    positive = random.random(n) < 0.3
    score = np.clip(0.4 * positive + random.normal(0.3, 0.2, n), 0, 1)
    return positive, score.round(1) if ties else score


def sample_of(y: np.ndarray, probabilities: np.ndarray, role: str = "test") -> Sample:
    return Sample("home", role, y, np.arange(len(y)).astype(str).astype(object), probabilities)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_points_are_scikit_learns(seed: int, ties: bool) -> None:
    positive, score = drawn(seed, ties=ties)
    points = pr.points_of(positive, score)
    precision, recall, threshold = precision_recall_curve(positive, score)
    assert points.threshold[::-1] == pytest.approx(threshold)
    assert points.precision[::-1] == pytest.approx(precision[:-1]) and points.recall[::-1] == pytest.approx(recall[:-1])
    assert pr.average_precision(points) == pytest.approx(average_precision_score(positive, score))
    for number in range(0, len(points.threshold), 7):
        assert points.f1[number] == pytest.approx(f1_score(positive, score >= points.threshold[number]))
    false, true, _ = roc_curve(positive, score, drop_intermediate=False)
    for rate in pr.FALSE_RATES:
        # The upper end of an upright piece counts.
        right = np.flatnonzero(false <= rate + 1e-12)[-1]
        low, high = false[right], false[right + 1]
        wanted = true[right] + (rate - low) / (high - low) * (true[right + 1] - true[right])
        assert pr.rate_at(points, rate) == pytest.approx(wanted)


def test_measures_by_hand() -> None:
    points = pr.points_of(POSITIVE, SCORE)
    assert points.precision == pytest.approx([1, 1 / 2, 2 / 3, 3 / 4, 3 / 5, 4 / 6])
    assert points.recall == pytest.approx([1 / 4, 1 / 4, 1 / 2, 3 / 4, 3 / 4, 1])
    assert pr.precision_at(points, 0.75) == pytest.approx(3 / 4) and pr.precision_at(points, 0.9) == pytest.approx(
        4 / 6
    )
    assert pr.break_even(points) == pytest.approx((0.75, 0.6))
    # F1: 0.4, 1/3, 4/7, 3/4, 2/3, 4/5.
    assert points.f1 == pytest.approx([0.4, 1 / 3, 4 / 7, 3 / 4, 2 / 3, 4 / 5])
    assert pr.range_of_f1(points, 0.8) == pytest.approx((0, 0.4))
    assert pr.range_of_f1(points, 0.6) == pytest.approx((0, 0.6))
    assert np.isnan(pr.range_of_f1(points, 0.81)).all()
    # At recall 1/4, 1/2, 3/4, 1: precision 1, 2/3, 3/4, 2/3; the falling fit pools 2/3 and 3/4 to 17/24.
    grid = np.linspace(0, 1, 101)
    knots = [0.25, 0.5, 0.75, 1]
    straight, falling = (
        np.interp(grid, knots, [1, 2 / 3, 3 / 4, 2 / 3]),
        np.interp(grid, knots, [1, 17 / 24, 17 / 24, 2 / 3]),
    )
    assert pr.interpolation_error(points) == pytest.approx(np.abs(straight - falling).mean())


def test_a_range_ends_where_f1_falls_below_on_either_side() -> None:
    """F1 for each threshold by brute force."""
    for seed in range(5):
        positive, score = drawn(seed)
        points = pr.points_of(positive, score)
        least = float(points.f1.max()) - 0.05
        low, high = pr.range_of_f1(points, least)
        inside = np.linspace(low, high, 50)[1:]
        assert all(f1_score(positive, score >= threshold) >= least - 1e-9 for threshold in inside)
        assert f1_score(positive, score >= low) < least and f1_score(positive, score > high) < least


def test_a_falling_curve_is_its_own_regression() -> None:
    # All of the class first: precision is 1 up to full recall.
    assert pr.interpolation_error(pr.points_of(np.array([True] * 5 + [False] * 5), np.linspace(1, 0, 10))) == 0


@pytest.mark.parametrize("share", [0.5, 0.05])
def test_average_precision_in_another_mix_is_that_of_repeated_images(share: float) -> None:
    positive, score = drawn(3, 200)
    points = pr.points_of(positive, score)
    times = round(1000 * (1 - share) / share * points.positives / points.negatives)
    weights = np.where(positive, 1000, times)
    wanted = average_precision_score(positive, score, sample_weight=weights)
    assert pr.average_precision(points, share) == pytest.approx(wanted, abs=1e-3)
    observed = points.positives / (points.positives + points.negatives)
    assert pr.average_precision(points, observed) == pytest.approx(pr.average_precision(points))


def test_divergence_by_hand_and_nothing_where_scores_come_true() -> None:
    score = np.array([0.25] * 8 + [0.75] * 8)
    right = np.array([True] * 2 + [False] * 6 + [True] * 6 + [False] * 2)
    assert pr.divergence(right, score, 2) == pytest.approx(0, abs=1e-12)
    half = np.array([True, False] * 8)
    # Both bins: one half against a quarter, and against three quarters.
    wanted = 0.5 * np.log(0.5 / 0.25) + 0.5 * np.log(0.5 / 0.75)
    assert pr.divergence(half, score, 2) == pytest.approx(wanted)
    assert np.isfinite(pr.divergence(np.array([True, False]), np.array([0.0, 1.0]), 10))


def test_rows_of_a_run_and_the_mean_over_classes() -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 60)
    p = random.random(60) * 0.6 + 0.4 * (y == 1)
    probabilities = np.stack([1 - p, p, np.zeros(60)], axis=1)
    test, validation = (sample_of(y[part], probabilities[part]) for part in (slice(30), slice(30, 60)))
    table = pr.precision_recall_rows(RUN, test, validation, ["a", "b", "c"], Evaluation())
    assert list(table.columns) == pr.PRECISION_RECALL and set(table["class"]) == {"a", "b", MACRO}
    values = table.set_index(["class", "measure", "level"])["value"].sort_index()
    best = pr.points_of(validation.y == 1, validation.probabilities[:, 1])
    threshold = best.threshold[np.argmax(best.f1)]
    assert values["b", "f1_threshold"].item() == pytest.approx(threshold)
    wanted = f1_score(test.y == 1, test.probabilities[:, 1] >= threshold)
    assert values["b", "f1"].item() == pytest.approx(wanted) and wanted <= values["b", "f1_most"].item() + 1e-12
    assert values["b", "f1_at_threshold", 0.5] == pytest.approx(f1_score(test.y == 1, test.probabilities[:, 1] >= 0.5))
    for measure, level in (("ap_at_prevalence", 0.05), ("precision_at_recall", 0.9)):
        both = [values[name, measure, level] for name in "ab"]
        assert values[MACRO, measure, level] == pytest.approx(np.mean(both))
    assert (table.loc[table["class"] == MACRO, "positives"] == 30).all()


def test_pairs_by_hand() -> None:
    y = np.array([0] * 4 + [1] * 3 + [2] * 3)
    answers = np.array([0, 0, 1, 1, 1, 1, 0, 2, 2, 0])
    table = pr.pair_rows(RUN, sample_of(y, np.eye(4)[answers]), ["a", "b", "c", "d"])
    assert list(table.columns) == pr.PAIRS
    first = table.iloc[0]
    assert (first["class"], first["other"], first["taken"], first["taken_back"]) == ("a", "b", 2, 1)
    assert (first["errors"], first["images"]) == (3, 7)
    assert first["share_of_pair"] == pytest.approx(3 / 7) and first["share_of_errors"] == pytest.approx(3 / 4)
    assert table[["class", "other"]].apply("/".join, axis=1).tolist() == ["a/b", "a/c", "b/c"]
    none = pr.pair_rows(RUN, sample_of(y, np.eye(4)[y]), ["a", "b", "c", "d"])
    assert none["errors"].sum() == 0 and none["share_of_errors"].isna().all()


def test_a_class_without_images_has_no_row() -> None:
    only = sample_of(np.zeros(3, int), np.tile([0.8, 0.2], (3, 1)))
    assert len(pr.precision_recall_rows(RUN, only, only, ["a", "b"], Evaluation())) == 0
    assert isinstance(pr.pair_rows(RUN, only, ["a", "b"]), pd.DataFrame)
