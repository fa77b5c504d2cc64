import pandas as pd
import pytest
from drawing import TASK, drawn, tables
from fake_study import CLASSES, finished_study

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import figure


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


def test_samples(fake, tmp_path):
    files = {"manifest": fake.root / "cohorts/away/manifest.parquet", "view": fake.root / "views/away.plain/view.json"}
    table = drawn("samples", tmp_path / "samples.png", {"task": TASK}, **files)
    assert table.drop_duplicates("class")["class"].tolist() == [*CLASSES, "no class"]


def test_views_keep_their_order(fake, tmp_path):
    folders = [fake.root / f"views/demo.{view}/view.json" for view in ("plain", "grey")]
    manifest = fake.root / "cohorts/demo/manifest.parquet"
    table = drawn("views", tmp_path / "views.png", {"task": TASK}, manifest=manifest, views=folders)
    assert table["view"].tolist() == ["plain"] * 4 + ["grey"] * 4


def test_learning(fake, tmp_path):
    histories = fake.path("runs/*/history.csv")
    table = drawn("learning", tmp_path / "learning.png", histories=histories)
    assert set(table["model"]) == {"neurallnet", "resnet50_hmscam"}
    assert set(table["protocol"]) == {"image", "acquisition"}


def test_confusion(fake, tmp_path):
    counts = fake.root / "parts/scores/demo.subtype.plain.image/confusion.csv"
    table = drawn("confusion", tmp_path / "confusion.png", confusion=counts)
    assert table.groupby("model")["count"].sum().nunique() == 1


def test_calibration_and_discrimination(fake, tmp_path):
    parts = {path.stem: path for path in fake.path("parts/assessment/demo.subtype.plain.image/*.csv")}
    settings = {"task": TASK, "fewest": 10}
    families = ("roc", "pr", "reliability", "reliability_classes", "confidence")
    shown = {name: drawn(name, tmp_path / f"{name}.png", settings, **parts) for name in families}
    assert shown["roc"]["model"].iloc[0] == "colour_histogram" and set(CLASSES) < set(shown["roc"]["class"])
    images = shown["confidence"].groupby("model")[["right", "wrong"]].sum().sum(axis=1)
    assert images.nunique() == 1 and images.iloc[0] > 10
    del parts["errors"]
    with pytest.raises(LeukoFlowError, match="0 files are named errors"):
        drawn("confidence", tmp_path / "confidence.png", settings, **parts)


def test_what_cannot_be_drawn_is_said(tmp_path):
    output = ["--output", str(tmp_path / "a.png")]
    for name in ("nothing", "nothing.draw", "leaderboard.draw_nothing", ".draw"):
        with pytest.raises(LeukoFlowError, match="has no such function"):
            figure.main([name, *output])
    with pytest.raises(LeukoFlowError, match="is not NAME=FILE"):
        figure.main(["leaderboard.draw_leaderboard", "--inputs", "leaderboard.csv", *output])


def test_duplicates(fake, tmp_path):
    views = [folder / "view.json" for folder in fake.path("views/*.plain")]
    pairs = fake.root / "quality/duplicates.parquet"
    table = drawn("duplicates", tmp_path / "duplicates.png", duplicates=pairs, views=views)
    assert set(table["cohort_a"]) == {"away", "demo"}


def test_comparison(fake, tmp_path):
    file = fake.root / "comparisons/main.csv"
    table = drawn("comparison", tmp_path / "comparison.main.png", comparisons=file)
    assert table["difference"].tolist() == pytest.approx(pd.read_csv(file)["difference"].tolist())
    assert table["published_difference"].notna().tolist() == [False, True] * 2


def test_leaderboard(fake, tmp_path):
    table = drawn("leaderboard", tmp_path / "leaderboard.png", **tables(fake.root, "leaderboard"))
    assert (table["low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["high"]).all()
