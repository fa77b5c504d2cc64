"""What a study's runs reached, in one file, with how it was measured; and pages that show it."""

import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_study import PUBLISHED, FakeStudy

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json
from leukoflow.outputs import shown
from leukoflow.steps import record


@pytest.fixture(scope="module")
def fake(tmp_path_factory: pytest.TempPathFactory) -> FakeStudy:
    fake = FakeStudy(tmp_path_factory.mktemp("results"), side=16, folds=2).make()
    for number, run in enumerate(fake.runs()):
        (fake.root / "runs" / run.name / "weights.safetensors").write_bytes(bytes([number]))
    return fake


def accuracy(fake: FakeStudy, protocol: str, model: str, target: str) -> list[float]:
    """Of each run, from its predictions."""
    made = []
    for run in fake.runs():
        if (run.protocol, run.model) == (protocol, model):
            table = pd.read_parquet(fake.root / "runs" / run.name / "predictions" / f"{target}.parquet")
            table = table[table["role"].isin(["test", "external"]) & (table["y"] >= 0)]
            made.append(np.mean(np.stack(table["probabilities"].to_list()).argmax(1) == table["y"]))
    return made


def test_accuracies_are_those_of_the_predictions(fake: FakeStudy) -> None:
    table = record.record(fake.study, fake.root)
    assert list(table.columns) == record.COLUMNS
    assert len(table) == len(fake.protocols) * len(fake.models) * 2
    for row in table.to_dict("records"):
        expected = accuracy(fake, row["protocol"], row["model"], row["target"])
        assert row["accuracy"] == pytest.approx(np.mean(expected)) and row["runs"] == len(expected)
        assert row["low"] <= row["accuracy"] <= row["high"] or row["interval"] == "groups"
        at_home = row["target"] == "demo"
        # Every fold is tested on the same images of another cohort.
        assert at_home or row["images"] == (fake.cohorts["away"]["label"].notna()).sum()
        known = PUBLISHED.get(row["model"], {}).get("accuracy", np.nan) if at_home else np.nan
        np.testing.assert_equal(row["published_accuracy"], known)
    trained = table[table["model"] == "neurallnet"].iloc[0]
    facts = read_json(fake.root / "runs/demo.subtype.plain.image.neurallnet.fold0.seed42/model.json")
    assert (trained["parameters"], trained["epochs"], trained["minutes"]) == (facts["parameters"], 12, 1.02)


def test_runs_that_are_not_there_are_said(fake: FakeStudy, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    shutil.copytree(fake.root, tmp_path / "results")
    gone = [path for path in (tmp_path / "results/runs").iterdir() if ".resnet50_hmscam." in path.name]
    for path in gone:
        shutil.rmtree(path)
    with caplog.at_level(logging.WARNING):
        table = record.record(fake.study, tmp_path / "results")
    assert f"{len(gone)} of {len(fake.runs())} runs have not been trained" in caplog.text
    assert "resnet50_hmscam" in caplog.text and set(table["model"]) == set(fake.models) - {"resnet50_hmscam"}
    # One fold of two is no row.
    shutil.rmtree(next(path for path in (tmp_path / "results/runs").iterdir() if ".neurallnet.fold1" in path.name))
    partly = record.record(fake.study, tmp_path / "results")
    assert len(partly) == len(table) - 2
    with pytest.raises(LeukoFlowError, match="none of the .* runs of the study is there; run it first"):
        record.record(fake.study, tmp_path / "nothing")


def test_rows_of_runs_that_are_elsewhere_are_kept(fake: FakeStudy, tmp_path: Path) -> None:
    whole = record.record(fake.study, fake.root)
    earlier = pd.concat([whole.assign(minutes=7.0), whole.iloc[:1].assign(model="gone")], ignore_index=True)
    new = whole[whole["model"] != "neurallnet"]
    rows = record.kept(earlier, new, fake.study)
    # Neither what was measured again nor what the study has no longer.
    assert set(rows["model"]) == {"neurallnet"} and set(rows["minutes"]) == {7.0}
    assert len(rows) + len(new) == len(whole)
    assert record.kept(earlier, whole, fake.study).empty


def test_pages_show_the_records_as_they_are() -> None:
    blocks = 0
    for page in shown.pages():
        text = page.read_text()
        blocks += text.count("<!-- results: ")
        assert shown.filled(text) == text, f"{page}: run make docs"
    assert blocks
    with pytest.raises(
        LeukoFlowError,
        match="results: nothing: unknown block; known: ablations, calibration, laboratories, shipped, systems",
    ):
        shown.filled("<!-- results: nothing -->\n<!-- end -->")


def test_a_row_of_the_systems_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "cohort": "c", "target": "c", "task": "t", "model": "m", "protocol": "image", "published_accuracy": 0.9816,
        "title": "Net", "accuracy": 0.99617, "low": 0.985, "high": 1.0, "images": 261, "pixels": 112,
        "study": "s", "view": "v", "parameters": 336_544, "options": np.nan, "weights": "random", "epochs": 15,
        "minutes": 12.4,
    }  # fmt: skip
    held_out = row | {"protocol": "five_folds", "accuracy": 0.95, "low": 0.9, "high": 0.99}
    others = [
        row | {"target": "d"},
        row | {"model": "n", "published_accuracy": np.nan, "options": "{}", "weights": "package:a-b==1 + random"},
    ]
    others += [row | {"study": "transfer"}, held_out | {"view": "w", "accuracy": 0.5}]
    monkeypatch.setattr(shown, "records", lambda: pd.DataFrame([row, held_out, *others]))
    text = shown.filled("<!-- results: systems -->\n<!-- end -->")
    assert text.splitlines()[4] == (
        "| Net | c, t | 98.16 % | 99.6 % (98.5 to 100.0) of 261 | 95.0 % (90.0 to 99.0) | "
        "112 pixels, 0.34 M parameters, weights: random, 15 epochs in 12 min |"
    )
    assert len(text.splitlines()) == 8 and text.splitlines()[5].startswith("| Net | c, t |  | 99.6 %")


def test_rows_of_laboratories_by_hand(monkeypatch: pytest.MonkeyPatch) -> None:
    row = {
        "study": "transfer", "cohort": "pool", "target": "far", "protocol": "laboratory", "model": "m", "view": "cell",
        "accuracy": 0.9, "low": 0.85, "high": 0.95, "images": 268, "balanced_accuracy": 0.88,
    }  # fmt: skip
    one = row | {"cohort": "near", "protocol": "duplicate"}
    rows = [row, row | {"target": "pool"}, one, one | {"target": "near"}, row | {"study": "other"}]
    monkeypatch.setattr(shown, "records", lambda: pd.DataFrame(rows))
    text = shown.filled("<!-- results: laboratories -->\n<!-- end -->").splitlines()
    assert text[4:-2] == [
        "| m | cell | near | far | 90.0 % (85.0 to 95.0) of 268 | 88.0 % |",
        "| m | cell | near | near, at home | 90.0 % (85.0 to 95.0) of 268 | 88.0 % |",
        "| m | cell | the others | far | 90.0 % (85.0 to 95.0) of 268 | 88.0 % |",
    ]
