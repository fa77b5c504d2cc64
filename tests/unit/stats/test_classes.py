"""The classification report against scikit-learn's, and its deviations against numpy's."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import classification_report, f1_score

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import Run
from leukoflow.stats.classes import COLUMNS, MACRO, SPREAD, WEIGHTED, class_report
from leukoflow.stats.samples import Sample
from leukoflow.stats.scores import SCORE_COLUMNS, score, with_run

CLASSES = ("a", "b", "c")


def answered(fold: int, seed: int, n: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng([fold, seed])
    y = random.choice(3, n, p=[0.6, 0.3, 0.1])
    shares = random.dirichlet(np.ones(3), n)
    shares[np.arange(n), y] += 0.5
    return y, shares / shares.sum(1, keepdims=True)


@pytest.fixture(scope="module")
def runs() -> dict[Run, tuple[np.ndarray, np.ndarray]]:
    """Two folds of different size with two seeds each; the seeds have the same images, the folds others."""
    answers = {}
    for fold, n in ((0, 120), (1, 80)):
        y, _ = answered(fold, 0, n)
        for seed in (1, 2):
            shares = np.random.default_rng([fold, seed]).dirichlet(np.ones(3), n)
            shares[np.arange(n), y] += 0.5
            answers[Run("home", "kind", "plain", "image", "net", fold, seed)] = (y, shares)
    return answers


@pytest.fixture(scope="module")
def report(runs) -> pd.DataFrame:
    parts = []
    for run, (y, shares) in runs.items():
        sample = Sample("home", "test", y, np.arange(len(y)).astype(str), shares)
        parts.append(with_run(run, [score(sample, CLASSES, Evaluation(resamples=100))], SCORE_COLUMNS))
    table = class_report(pd.concat(parts, ignore_index=True))
    assert list(table.columns) == COLUMNS
    return table.set_index("class")


def test_rows_are_those_of_scikit_learn_averaged_over_runs(runs, report) -> None:
    assert list(report.index) == [*CLASSES, MACRO, WEIGHTED, SPREAD]
    theirs = [
        classification_report(y, shares.argmax(1), target_names=CLASSES, output_dict=True, zero_division=0)
        for y, shares in runs.values()
    ]
    names = {**{name: name for name in CLASSES}, MACRO: "macro avg", WEIGHTED: "weighted avg"}
    for ours, name in names.items():
        for measure in ("precision", "recall", "f1"):
            values = [report_of_run[name]["f1-score" if measure == "f1" else measure] for report_of_run in theirs]
            assert report.loc[ours, measure] == pytest.approx(np.mean(values))
            assert report.loc[ours, f"{measure}_sd"] == pytest.approx(np.std(values, ddof=1))
    assert report.loc[WEIGHTED, "recall"] == pytest.approx(
        np.mean([report_of_run["accuracy"] for report_of_run in theirs])
    )
    assert (report["runs"] == 4).all()


def test_support_counts_each_image_once(runs, report) -> None:
    y = np.concatenate([y for run, (y, _) in runs.items() if run.seed == 1])
    assert report.loc[list(CLASSES), "support"].tolist() == np.bincount(y).tolist()
    assert report.loc[MACRO, "support"] == report.loc[WEIGHTED, "support"] == 200
    assert pd.isna(report.loc[SPREAD, "support"])


def test_the_last_row_is_the_deviation_of_f1_over_the_classes_of_a_run(runs, report) -> None:
    spreads = [np.std(f1_score(y, shares.argmax(1), average=None), ddof=1) for y, shares in runs.values()]
    assert report.loc[SPREAD, "f1"] == pytest.approx(np.mean(spreads))


def test_a_class_without_test_images_is_in_no_average() -> None:
    run = Run("home", "kind", "plain", "image", "net", 0, 1)
    y, shares = answered(0, 1, 90)
    kept = y < 2
    sample = Sample("home", "test", y[kept], np.arange(kept.sum()).astype(str), shares[kept])
    scores = with_run(run, [score(sample, CLASSES, Evaluation(resamples=100))], SCORE_COLUMNS)
    report = class_report(scores).set_index("class")
    assert np.isnan(report.loc["c", "f1"]) and report.loc["c", "support"] == 0
    assert report.loc[MACRO, "f1"] == pytest.approx(report.loc[["a", "b"], "f1"].mean())
    weights = report.loc[["a", "b"], "support"].to_numpy(float)
    assert report.loc[WEIGHTED, "auc"] == pytest.approx(np.average(report.loc[["a", "b"], "auc"], weights=weights))
