import numpy as np
import pandas as pd
import pytest
from fake_study import finished_study
from sklearn.metrics import accuracy_score, f1_score, roc_auc_score

from leukoflow.core.runs import parse_run
from leukoflow.stats.scores import CONFUSION_COLUMNS, SCORE_COLUMNS


@pytest.fixture
def folder(tmp_path_factory):
    fake = finished_study(tmp_path_factory.getbasetemp() / "study")
    return fake.root / "parts/scores" / fake.runs()[1].panel


def test_scores_are_those_of_the_predictions(folder):
    scores = pd.read_csv(folder / "scores.csv", keep_default_na=False, na_values=[""])
    assert list(scores.columns) == SCORE_COLUMNS
    assert {"colour_histogram", "neurallnet"} <= set(scores["model"]) and set(scores["protocol"]) == {"image"}
    scores = scores[scores["model"] == "neurallnet"]
    run = parse_run(f"{folder.name}.neurallnet.fold0.seed42")
    table = pd.read_parquet(folder.parents[2] / "runs" / run.name / "predictions/demo.parquet").query("role == 'test'")
    shares = np.stack(table["probabilities"])
    ours = scores[
        (scores["role"] == "test")
        & (scores["subset"] == "all")
        & (scores["resampling"] == "images")
        & scores["class"].isna()
    ]
    ours_by_metric = ours.set_index("metric")["value"]
    assert ours_by_metric["accuracy"] == pytest.approx(accuracy_score(table["y"], shares.argmax(1)))
    assert ours_by_metric["f1"] == pytest.approx(f1_score(table["y"], shares.argmax(1), average="macro"))
    areas = [roc_auc_score(table["y"] == k, shares[:, k]) for k in range(4)]
    assert ours_by_metric["auc"] == pytest.approx(np.mean(areas))


def test_external_images_with_a_learnt_duplicate_are_removed_and_counted(folder):
    scores = pd.read_csv(folder / "scores.csv")
    scores = scores[scores["model"] == "neurallnet"]
    outside = scores[scores["role"] == "external"].drop_duplicates("subset").set_index("subset")
    removed = scores[(scores["metric"] == "removed") & (scores["role"] == "external")].set_index("subset")["value"]
    assert removed["all"] == 0 and removed["without overlap"] > 0
    assert outside.loc["all", "n"] == 11
    assert 0 < outside.loc["without overlap", "n"] < 11


def test_confusion_adds_up_to_the_images(folder):
    counts = pd.read_csv(folder / "confusion.csv")
    assert list(counts.columns) == CONFUSION_COLUMNS
    sets = ["model", "target", "role", "subset"]
    scores = pd.read_csv(folder / "scores.csv").drop_duplicates(sets)
    expected = scores.set_index(sets)["n"].to_dict()
    assert counts.groupby(sets)["count"].sum().to_dict() == expected
