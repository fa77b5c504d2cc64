"""Calibration on groups left out keeps promises to new groups that validation images, which chose the epoch, break."""

import numpy as np
import pytest
from scipy.special import log_softmax

from leukoflow.audits.conformal import quantile
from leukoflow.audits.held_out import AS_TRAINED, COLUMNS, GROUPS, VALIDATION, group_quantile, held_out, others
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.stats.samples import Sample

CLASSES = ["a", "b", "c"]
SETTINGS = Evaluation(resamples=200)


def fold_of(number: int) -> Run:
    return Run("fields", "subtype", "plain", "five_folds", "network", number, 42)


def answers(groups: list[str], images: int, confidence: float, generator: np.random.Generator) -> Sample:
    """Images of groups, some of which are hard: right 97 or 55 % of the time, always with the same confidence."""
    logits, truth, names = [], [], []
    for group in groups:
        right = 0.55 if generator.random() < 0.3 else 0.97
        y = generator.integers(0, 3, images)
        said = np.where(generator.random(images) < right, y, (y + generator.integers(1, 3, images)) % 3)
        row = np.full((images, 3), 0.0)
        row[np.arange(images), said] = confidence * (0.8 + 0.4 * generator.random(images))
        logits.append(row)
        truth.append(y)
        names += [group] * images
    scores = np.concatenate(logits)
    return Sample(
        "fields", "test", np.concatenate(truth), np.array(names, object), np.exp(log_softmax(scores, 1)), scores
    )


def test_a_group_counts_once_and_a_further_one_is_infinite():
    scores = np.array([0.1, 0.2, 0.3, 0.4, 0.9])
    groups = np.array([0, 0, 0, 0, 1])
    # Weights of 1/12 for each image of the first group, 1/3 for the second, 1/3 left over.
    assert group_quantile(scores, groups, 0.25) == 0.3
    assert group_quantile(scores, groups, 0.34) == 0.9
    assert group_quantile(scores, groups, 0.67) == np.inf


def test_one_image_a_group_is_plain_conformal_prediction():
    scores = np.random.default_rng(1).random(50)
    for level in (0.5, 0.8, 0.9, 0.95, 0.99):
        assert group_quantile(scores, np.arange(50), level) == quantile(scores, level)


def test_new_groups_are_covered_as_promised():
    generator = np.random.default_rng(2)
    covered = []
    for _ in range(400):
        shifts, sizes = generator.normal(size=21), generator.integers(1, 30, 21)
        groups = np.repeat(np.arange(20), sizes[:20])
        scores = shifts[groups] + 0.3 * generator.normal(size=len(groups))
        new = shifts[20] + 0.3 * generator.normal(size=200)
        covered.append((new <= group_quantile(scores, groups, 0.8)).mean())
    error = np.std(covered) / np.sqrt(len(covered))
    assert 0.8 - 3 * error < np.mean(covered) < 0.8 + 1 / 21 + 3 * error


@pytest.fixture(scope="module")
def table():
    generator = np.random.default_rng(3)
    folds = []
    for number in range(5):
        test = answers([f"fold {number} group {k}" for k in range(12)], 40, 6.0, generator)
        # What chose the epoch: always right, and sure.
        seen = answers([f"validation {number}"], 100, 9.0, generator)
        y = seen.logits.argmax(1)
        folds.append(
            (fold_of(number), Sample("fields", "validation", y, seen.groups, seen.probabilities, seen.logits), test)
        )
    return held_out(folds, CLASSES, SETTINGS)


def test_columns_and_rows(table):
    assert list(table.columns) == COLUMNS
    assert list(table["calibrated_on"].unique()) == [AS_TRAINED, VALIDATION, GROUPS]
    assert set(table["n"]) == {5 * 12 * 40} and set(table["groups"]) == {60}
    assert set(table.loc[table["calibrated_on"] == GROUPS, "calibration_groups"]) == {48}


def test_validation_images_that_are_always_right_break_the_promise_and_groups_left_out_keep_it(table):
    level = min(SETTINGS.abstention.levels)
    rows = table[table["level"] == level].set_index("calibrated_on")
    assert rows.loc[VALIDATION, "coverage"] < level - 0.03
    assert rows.loc[GROUPS, "coverage_low"] < level < rows.loc[GROUPS, "coverage_high"] or (
        rows.loc[GROUPS, "coverage"] >= level
    )
    assert rows.loc[GROUPS, "ece"] < rows.loc[VALIDATION, "ece"] / 2
    assert rows.loc[GROUPS, "temperature"] > 1.5
    assert rows["accuracy"].nunique() == 1


def test_a_group_that_a_fold_tests_never_calibrates_it():
    generator = np.random.default_rng(4)
    first, second = (answers(["x", name], 10, 3.0, generator) for name in ("y", "z"))
    rest = others([first, second], 0)
    assert set(rest.groups) == {"z"}
    assert others([first, first], 0) is None and others([first], 0) is None


def test_one_fold_says_nothing():
    sample = answers(["x"], 10, 3.0, np.random.default_rng(5))
    assert held_out([(fold_of(0), sample, sample)], CLASSES, SETTINGS).empty
