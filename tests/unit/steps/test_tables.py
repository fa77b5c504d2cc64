import json

import numpy as np
import pandas as pd
import pytest
from fake_study import CLASSES, finished_study

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import score, tables


@pytest.fixture
def root(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study").root


@pytest.mark.parametrize("name", ["leaderboard", "external", "efficiency"])
def test_the_colour_baseline_is_the_first_line_of_every_table_and_block(root, name):
    table = pd.read_csv(root / "tables" / f"{name}.csv")
    assert table["model"].iloc[0] == "colour_histogram"
    assert set(table.drop_duplicates("protocol")["model"]) == {"colour_histogram"}


def test_leaderboard_repeats_the_runs_own_scores(root):
    board = pd.read_csv(root / "tables" / "leaderboard.csv")
    assert len(board) == 6
    scores = pd.read_csv(root / "tables" / "scores.csv")
    test = scores[(scores["role"] == "test") & (scores["subset"] == "all") & (scores["resampling"] == "images")]
    test = test[(test["metric"] == "mcc")].set_index(["protocol", "model"])
    for row in board.itertuples():
        assert row.mcc == pytest.approx(test.loc[(row.protocol, row.model), "value"])
        assert row.mcc_low == pytest.approx(test.loc[(row.protocol, row.model), "low"])


def test_audit_tells_the_leaking_split_from_the_other(root):
    audit = pd.read_csv(root / "tables" / "audit.csv").set_index("protocol")
    assert audit.loc["image", "test_with_acquisition"] > 0 == audit.loc["acquisition", "test_with_acquisition"]
    assert audit["test_with_patient"].isna().all()


def test_cohorts_come_in_the_studys_order_with_published_counts_apart(root):
    table = pd.read_csv(root / "tables" / "cohorts.csv")
    assert list(dict.fromkeys(table["cohort"])) == ["demo", "away"]
    benign = table[(table["cohort"] == "demo") & (table["fact"] == "images") & (table["label"] == "Benign")].iloc[0]
    assert (benign["measured"], benign["published"]) == (30, 33)
    assert table.loc[table["cohort"] == "away", "published"].isna().all()


def test_an_unknown_table_is_named(root, monkeypatch):
    study, quality = str(root / "study.json"), root / "quality"
    arguments = [
        "--duplicates",
        str(quality / "duplicates.parquet"),
        "--groups",
        str(quality / "groups.parquet"),
        "--study",
        study,
    ]
    named = {
        "scores": "runs/*/scores.csv",
        "models": "runs/*/model.json",
        "histories": "runs/*/history.csv",
        "splits": "splits/*",
    }
    named |= {
        "manifests": "cohorts/*/manifest.parquet",
        "qualities": "cohorts/*/quality.parquet",
        "rejects": "cohorts/*/rejects.csv",
    }
    arguments += [
        part for name, pattern in named.items() for part in (f"--{name}", *map(str, sorted(root.glob(pattern))))
    ]
    with pytest.raises(LeukoFlowError, match="there is no table leaderbord"):
        tables.main([*arguments, "--outputs", str(root / "leaderbord.csv")])


def test_runs_are_also_scored_by_coarser_tasks(root, tmp_path):
    run = next(path.name for path in sorted((root / "runs").iterdir()) if ".neurallnet." in path.name)
    labels = {name: "benign" if name == "Benign" else "malignant" for name in CLASSES}
    tasks = {"subtype": {"classes": CLASSES}, "binary": {"classes": ["benign", "malignant"], "labels": labels}}
    files = {"split": root / f"splits/demo.subtype.{run.split('.')[3]}.parquet", "confusion": tmp_path / "c.csv"}
    files |= {"duplicates": root / "quality/duplicates.parquet", "output": tmp_path / "s.csv"}
    predictions = sorted((root / "runs" / run / "predictions").glob("*.parquet"))
    arguments = ["--settings", '{"resamples": 100}', "--run", run, "--tasks", json.dumps(tasks), "--predictions"]
    arguments += [str(path) for path in predictions]
    score.main([*arguments, *(str(part) for name, path in files.items() for part in (f"--{name}", path))])
    table = pd.read_csv(tmp_path / "s.csv")
    assert set(zip(table["task"], table["model"], strict=True)) == {
        ("subtype", "neurallnet"), ("binary", "neurallnet_from_subtype"),
    }  # fmt: skip
    home = pd.concat(map(pd.read_parquet, predictions))
    home = home[(home["role"] == "test") & (home["cohort"] == "demo")]
    benign = np.stack(home["probabilities"].to_list())[:, 0]
    expected = ((benign < 0.5) == (home["y"].to_numpy() > 0)).mean()
    whole = (table["task"] == "binary") & (table["metric"] == "accuracy") & (table["role"] == "test")
    whole &= (table["subset"] == "all") & (table["resampling"] == "wilson")
    assert table.loc[whole, "value"].item() == pytest.approx(expected)
