"""What leaks made on purpose are worth: metrics, their difference and its interval, against independent reckoning."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from leukoflow.audits.leaks import COLUMNS, leaks_table
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run

SETTINGS = Evaluation(resamples=2000, interval="percentile", seed=1)
PAIRS = {"leaky_image_b": {"against": "image", "leaks": ["validation_as_test"], "models": ["net"]}}


def answers(right: float, fold: int, seed: int = 0, size: int = 150, group: int = 1) -> pd.DataFrame:
    """Answers of which about a share is right; groups of `group` images."""
    draw = np.random.default_rng([fold, seed, int(100 * right)])
    y = np.arange(size) % 3
    said = np.where(draw.random(size) < right, y, draw.integers(0, 3, size))
    ids = [f"{fold}-{number:03d}" for number in range(size)]
    table = pd.DataFrame({"image_id": ids, "group": [f"{fold}-{number // group}" for number in range(size)], "y": y})
    return table.assign(probabilities=list(np.eye(3, dtype=np.float32)[said]), right=said == y)


def run(protocol: str, fold: int = 0, seed: int = 0, model: str = "net") -> Run:
    return Run("home", "subtype", "plain", protocol, model, fold, seed)


def said(table: pd.DataFrame) -> np.ndarray:
    return np.stack(table["probabilities"].to_list()).argmax(1)


@pytest.mark.parametrize("group", [1, 5])
def test_metrics_and_interval_over_folds(group):
    by_run = {run("leaky_image_b", fold): answers(0.9, fold, group=group) for fold in range(2)}
    by_run |= {run("image", fold): answers(0.7, fold, group=group) for fold in range(2)}
    # The order of the rows is another one.
    key = run("image", 1)
    by_run[key] = by_run[key].sample(frac=1, random_state=3)
    table = leaks_table(by_run, PAIRS, 3, SETTINGS)
    assert list(table.columns) == COLUMNS and table["metric"].tolist() == ["accuracy", "macro_f1"]
    by_fold = [
        [
            by_run[run(protocol, fold)].sort_values("image_id", ignore_index=True)
            for protocol in ("leaky_image_b", "image")
        ]
        for fold in range(2)
    ]
    metrics = {"accuracy": accuracy_score, "macro_f1": lambda y, p: f1_score(y, p, average="macro")}
    draw = np.random.default_rng(5)
    for _, row in table.iterrows():
        metric = metrics[row["metric"]]
        values = np.array([[metric(side["y"], said(side)) for side in sides] for sides in by_fold]).mean(0)
        assert [row["with_leak"], row["without"]] == pytest.approx(values)
        assert row["difference"] == pytest.approx(values[0] - values[1])
        drawn = np.zeros(600)
        for one, other in by_fold:
            names = one["group"].unique()
            members = [np.flatnonzero(one["group"] == name) for name in names]
            for resample in range(600):
                rows = np.concatenate([members[index] for index in draw.integers(0, len(names), len(names))])
                truth = one["y"].to_numpy()[rows]
                drawn[resample] += (metric(truth, said(one)[rows]) - metric(truth, said(other)[rows])) / 2
        assert [row["low"], row["high"]] == pytest.approx(np.quantile(drawn, [0.025, 0.975]), abs=0.012)
        assert (row["images"], row["units"], row["runs"]) == (300, 300 // group, 2)
        assert row["interval"] == ("images" if group == 1 else "groups")
    assert (table["leaks"] == "validation_as_test").all() and (table["against"] == "image").all()


def test_seeds_are_averaged():
    by_run = {run("leaky_image_b", seed=seed): answers(0.9, 0, seed) for seed in (1, 2)}
    by_run |= {run("image", seed=seed): answers(0.7, 0, seed) for seed in (1, 2)}
    row = leaks_table(by_run, PAIRS, 3, SETTINGS).iloc[0]
    means = [
        np.mean([by_run[run(name, seed=seed)]["right"].mean() for seed in (1, 2)])
        for name in ("leaky_image_b", "image")
    ]
    assert [row["with_leak"], row["without"]] == pytest.approx(means)
    assert (row["runs"], row["images"], row["units"]) == (2, 150, 150)


def test_the_same_answers_have_no_interval():
    both = answers(0.8, 0)
    table = leaks_table({run("leaky_image_b"): both, run("image"): both}, PAIRS, 3, SETTINGS)
    assert (table["difference"] == 0).all() and table["low"].isna().all() and (table["interval"] == "").all()


def test_other_test_images_are_an_error():
    by_run = {run("leaky_image_b"): answers(0.8, 0), run("image"): answers(0.8, 1)}
    with pytest.raises(LeukoFlowError, match=r"leaky_image_b\.net\.fold0\.seed0: its test images are not those"):
        leaks_table(by_run, PAIRS, 3, SETTINGS)
    with pytest.raises(LeukoFlowError, match=r"image\.net\.fold0\.seed0: no answers to compare"):
        leaks_table({run("leaky_image_b"): answers(0.8, 0)}, PAIRS, 3, SETTINGS)


def test_models_that_are_not_asked_for_and_studies_without_leaks_have_no_rows():
    by_run = {run("leaky_image_b", model="other"): answers(0.8, 0), run("image", model="other"): answers(0.8, 0)}
    assert leaks_table(by_run, PAIRS, 3, SETTINGS).empty
    assert list(leaks_table({}, {}, 3, SETTINGS).columns) == COLUMNS
