"""Table `laboratories` against accuracies and recalls counted from the answers."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.runs import MEAN, Run
from leukoflow.stats.laboratories import COLUMNS, laboratories
from leukoflow.stats.samples import Sample
from leukoflow.stats.scores import SCORE_COLUMNS, score, with_run

CLASSES = ("a", "b", "c")
COUNTS = {0: (30, 20, 10), 1: (12, 30, 1)}
"""Images of each class in the laboratories `near` (fold 0) and `far`."""


@pytest.fixture(scope="module")
def answers() -> dict[tuple[str, int, str], tuple[np.ndarray, np.ndarray]]:
    random = np.random.default_rng(4)
    made = {}
    for model in ("net", "colour_histogram"):
        for fold, counts in COUNTS.items():
            for role in ("test", "validation"):
                y = np.repeat(np.arange(3), counts)
                shares = random.dirichlet(np.ones(3), len(y))
                shares[np.arange(len(y)), y] += 0.4 if role == "test" else 0.9
                made[model, fold, role] = (y, shares / shares.sum(1, keepdims=True))
    return made


@pytest.fixture(scope="module")
def table(answers) -> pd.DataFrame:
    parts = []
    for model in ("net", "colour_histogram"):
        for fold in COUNTS:
            run = Run("pool", "kind", "cell", "laboratory", model, fold, 42)
            samples = [
                score(
                    Sample("pool", role, y, np.arange(len(y)).astype(str), shares), CLASSES, Evaluation(resamples=100)
                )
                for (name, number, role), (y, shares) in answers.items()
                if (name, number) == (model, fold)
            ]
            parts += [with_run(run, samples, SCORE_COLUMNS)]
            # Under another protocol they are no laboratories.
            parts += [with_run(Run("pool", "kind", "cell", "image", model, fold, 42), samples, SCORE_COLUMNS)]
    return laboratories(pd.concat(parts, ignore_index=True), {"pool": ("near", "far")})


def test_rows_are_counted_from_the_answers(table, answers) -> None:
    assert list(table.columns) == COLUMNS
    assert table["model"].tolist() == ["colour_histogram"] * 3 + ["net"] * 3
    assert table["laboratory"].tolist() == ["far", "near", MEAN] * 2
    for row in table[table["laboratory"] != MEAN].itertuples():
        fold = ("near", "far").index(row.laboratory)
        y, shares = answers[row.model, fold, "test"]
        assert row.accuracy == pytest.approx((shares.argmax(1) == y).mean()) and row.images == len(y)
        assert row.low < row.accuracy < row.high
        assert row.balanced_accuracy == pytest.approx(balanced_accuracy_score(y, shares.argmax(1)))
        common = [(shares.argmax(1)[y == k] == k).mean() for k in range(3) if (y == k).sum() >= 5]
        assert row.common_balanced_accuracy == pytest.approx(np.mean(common)) and row.common_classes == len(common)
        y, shares = answers[row.model, fold, "validation"]
        assert row.home_accuracy == pytest.approx((shares.argmax(1) == y).mean())


def test_the_mean_weighs_laboratories_alike(table) -> None:
    for _, part in table.groupby("model"):
        rows, mean = part[part["laboratory"] != MEAN], part[part["laboratory"] == MEAN].iloc[0]
        for name in ("accuracy", "balanced_accuracy", "common_balanced_accuracy", "home_accuracy"):
            assert mean[name] == pytest.approx(rows[name].mean())
        assert pd.isna(mean["low"]) and mean["images"] == rows["images"].sum()


def test_a_study_without_the_protocol_has_no_rows() -> None:
    assert laboratories(pd.DataFrame(columns=SCORE_COLUMNS), {}).empty
