import time
from math import comb

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.stats.compare import holm
from leukoflow.stats.comparisons import COLUMNS, RANK_COLUMNS, Asked, Outcome, statistics

CLASSES = ("a", "b", "c")
ASKED = Asked("main", "base", CLASSES)
NO_TASKS = pd.DataFrame(columns=["view", "protocol", "model", "task", "accuracy"])
SKILLS = {"base": 1.0, "good": 2.5, "poor": 0.4}


def outcome(seed: int, skill: float, images: int = 200, groups: int | None = None, fold: int = 0) -> Outcome:
    """Answers of a model of some skill; what the images are depends on the fold alone."""
    y = np.random.default_rng(fold).integers(0, 3, images)
    random = np.random.default_rng([seed, fold])
    scores = random.normal(size=(images, 3))
    scores[np.arange(images), y] += skill
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    names = tuple(f"{fold}-{number:03d}" for number in range(images))
    return Outcome(names, y, np.arange(images) % (groups or images), shares, 0.2)


def outcomes(folds: int, protocols=("image",), seeds=(1,), groups: int | None = None) -> dict[Run, Outcome]:
    return {
        Run("home", "kind", "plain", protocol, model, fold, seed): outcome(
            seed * 100 + 10 * number + len(protocol), skill, groups=groups, fold=fold
        )
        for protocol in protocols
        for number, (model, skill) in enumerate(SKILLS.items())
        for fold in range(folds)
        for seed in seeds
    }


def rows_of(table: pd.DataFrame, name: str) -> pd.DataFrame:
    return table[table["test"] == name]


def test_one_run_is_tested_on_its_images():
    table, ranks = statistics(ASKED, outcomes(1), NO_TASKS, Evaluation())
    assert list(table.columns) == COLUMNS and list(ranks.columns) == RANK_COLUMNS and ranks.empty
    assert set(table["test"]) == {"McNemar", "DeLong", "Cochran Q"}
    mcnemar = rows_of(table, "McNemar").set_index("model")
    runs = outcomes(1)
    good, base = (runs[Run("home", "kind", "plain", "image", name, 0, 1)] for name in ("good", "base"))
    only = (good.right & ~base.right).sum(), (base.right & ~good.right).sum()
    assert mcnemar.loc["good", "p"] == pytest.approx(stats.binomtest(only[0], sum(only)).pvalue)
    assert mcnemar.loc["good", "estimate"] == pytest.approx(good.right.mean() - base.right.mean())
    areas = rows_of(table, "DeLong")
    assert len(areas) == 6 and areas["p_holm"].to_numpy() == pytest.approx(holm(areas["p"].to_numpy()))
    assert (areas.loc[areas["model"] == "good", "estimate"] > 0).all()
    assert table["caveat"].notna().all() and (table["answers"] == "yes").all()


def test_groups_of_images_have_a_test_of_their_own():
    table, _ = statistics(ASKED, outcomes(1, groups=50), NO_TASKS, Evaluation())
    grouped = rows_of(table, "DeLong over groups")
    assert len(grouped) == 6 and (grouped["units"] == 50).all()
    assert grouped["estimate"].to_numpy() == pytest.approx(rows_of(table, "DeLong")["estimate"].to_numpy())


def test_several_runs_are_tested_as_runs_and_ranked():
    runs = outcomes(5)
    table, ranks = statistics(ASKED, runs, NO_TASKS, Evaluation())
    row = rows_of(table, "Wilcoxon").set_index("model").loc["good"]
    # All five folds agree, and still five pairs cannot say more.
    assert row["p"] == row["least_p"] == 0.0625 and row["units"] == 5
    accuracy = {
        model: np.array([runs[Run("home", "kind", "plain", "image", model, fold, 1)].right.mean() for fold in range(5)])
        for model in SKILLS
    }
    apart = accuracy["good"] - accuracy["base"]
    corrected = rows_of(table, "corrected t").set_index("model").loc["good"]
    assert corrected["statistic"] == pytest.approx(apart.mean() / np.sqrt((1 / 5 + 0.2) * apart.var(ddof=1)))
    together = rows_of(table, "Friedman").iloc[0]
    assert together["p"] == pytest.approx(stats.friedmanchisquare(*accuracy.values()).pvalue)
    assert together["least_p"] == pytest.approx(6.0**-4)
    assert len(rows_of(table, "Nemenyi")) == comb(3, 2) and len(rows_of(table, "McNemar")) == 10
    assert ranks.set_index("model")["mean_rank"].to_dict() == {"base": 2, "good": 1, "poor": 3}
    assert (ranks["blocks"] == 5).all() and (ranks["least_blocks"] == 3).all()


def test_the_splits_together_are_blocks_too_but_two_are_too_few_for_pairs():
    table, ranks = statistics(ASKED, outcomes(1, ("acquisition", "image")), NO_TASKS, Evaluation())
    assert table["protocol"].drop_duplicates().tolist() == ["image", "acquisition", "all"]
    assert set(ranks["protocol"]) == {"all"} and (ranks["blocks"] == 2).all()
    assert rows_of(table, "Friedman")["protocol"].tolist() == ["all"] and rows_of(table, "Nemenyi").empty


def test_seeds_of_a_fold_are_no_images_of_their_own():
    table, _ = statistics(ASKED, outcomes(1, seeds=(1, 2)), NO_TASKS, Evaluation())
    assert rows_of(table, "Cochran Q").empty and len(rows_of(table, "McNemar")) == 4


def test_tasks_are_compared_as_published_and_the_row_says_that_it_answers_nothing():
    """Five runs at the accuracies that the paper on HMSCAM gives for two tasks: their F is near 9.6, their p 0.015."""
    random = np.random.default_rng(3)
    samples = {}
    for task, (mean, sd) in {"kind": (0.935, 0.012), "binary": (0.965, 0.018)}.items():
        values = random.normal(size=5)
        samples[task] = mean + sd * (values - values.mean()) / values.std(ddof=1)
    rows = [("plain", "image", "good", task, value) for task, values in samples.items() for value in values]
    by_task = pd.DataFrame(rows, columns=NO_TASKS.columns)
    table, _ = statistics(ASKED, outcomes(1), by_task, Evaluation())
    row = rows_of(table, "ANOVA between tasks").iloc[0]
    expected = stats.f_oneway(*samples.values())
    assert (row["statistic"], row["p"]) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-6)
    assert row["statistic"] == pytest.approx(5 * 0.03**2 / 2 / ((0.012**2 + 0.018**2) / 2))
    assert row["answers"] == "no" and "two problems, not two methods" in row["caveat"] and row["against"] == "binary"
    single, _ = statistics(ASKED, outcomes(1), by_task.iloc[[0, 5]], Evaluation())
    assert rows_of(single, "ANOVA between tasks").empty


def test_without_a_reference_the_models_are_still_compared_at_once():
    table, _ = statistics(Asked("main", None, CLASSES), outcomes(4), NO_TASKS, Evaluation())
    assert set(table["test"]) == {"Cochran Q", "Friedman", "Nemenyi"}


def test_sixteen_models_and_five_runs_take_seconds():
    runs = {
        Run("home", "kind", "plain", "image", "base" if number == 0 else f"net{number}", 0, seed): outcome(
            100 * number + seed, 1.5, images=650, groups=130
        )
        for number in range(16)
        for seed in range(5)
    }
    started = time.process_time()
    table, ranks = statistics(ASKED, runs, NO_TASKS, Evaluation())
    assert time.process_time() - started < 10
    assert len(ranks) == 16 and len(rows_of(table, "Nemenyi")) == 120
