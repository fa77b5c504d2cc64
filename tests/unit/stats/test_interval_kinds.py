"""Every kind of interval of one metric; the one over seeds against scipy's t test."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.stats.interval_kinds import COLUMNS, interval_kinds, t_interval
from leukoflow.stats.samples import Sample
from leukoflow.stats.scores import SCORE_COLUMNS, score, with_run


def scores(seeds: int, stratified: bool) -> pd.DataFrame:
    """Two folds; 3 images make a group and are answered alike; class 1 is answered worse."""
    parts = []
    for fold in (0, 1):
        for seed in range(seeds):
            random = np.random.default_rng([fold, seed])
            y = np.repeat([0, 1], [210, 90])
            right = np.repeat(random.random(100) < np.where(np.arange(100) < 70, 0.95, 0.6), 3)
            shares = np.where(right, 0.9, 0.1)[:, None] * np.eye(2)[y]
            shares += np.where(right, 0.1, 0.9)[:, None] * np.eye(2)[1 - y]
            sample = Sample("home", "test", y, (np.arange(300) // 3).astype(str), shares)
            run = Run("home", "kind", "plain", "image", "net", fold, seed)
            settings = Evaluation(resamples=1000, stratified=stratified)
            parts.append(with_run(run, [score(sample, ("a", "b"), settings)], SCORE_COLUMNS))
    return pd.concat(parts, ignore_index=True)


def test_kinds_of_intervals_stand_next_to_each_other() -> None:
    table = interval_kinds(scores(3, True), 0.95)
    assert list(table.columns) == COLUMNS
    accuracy = table[table["metric"] == "accuracy"].set_index("resampling")
    assert list(accuracy.index) == ["images", "groups", "stratified", "wilson", "seeds"]
    assert accuracy["units"].tolist() == [300, 100, 300, 300, 3]
    assert accuracy["value"].nunique() == 1 or np.ptp(accuracy["value"]) < 1e-12
    width = accuracy["span"]
    assert width["groups"] == pytest.approx(np.sqrt(3) * width["images"], rel=0.1)
    assert width["stratified"] < 0.97 * width["images"]
    assert width["wilson"] == pytest.approx(width["images"], rel=0.1)


def test_the_interval_over_seeds_is_students_of_the_means_over_folds() -> None:
    table = scores(4, False)
    kinds = interval_kinds(table, 0.9)
    row = kinds[(kinds["metric"] == "macro_f1") & (kinds["resampling"] == "seeds")].iloc[0]
    f1 = table[(table["metric"] == "f1") & (table["class"] == "") & (table["resampling"] == "images")]
    seeds = f1.groupby("seed")["value"].mean().to_numpy()
    assert (row["low"], row["high"]) == pytest.approx(tuple(stats.ttest_1samp(seeds, 0).confidence_interval(0.9)))
    assert "stratified" not in set(kinds["resampling"])


def test_one_seed_has_no_interval_over_seeds() -> None:
    assert "seeds" not in set(interval_kinds(scores(1, False), 0.95)["resampling"])


def test_equal_values_close_the_interval() -> None:
    assert t_interval(np.full(3, 0.5), 0.95) == (0.5, 0.5)
