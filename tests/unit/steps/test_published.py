"""What the papers publish next to what a made-up study measured, and their figures."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from fake_study import finished_study

from leukoflow.config.published import papers
from leukoflow.core.errors import LeukoFlowError
from leukoflow.papers.published import ABSENT, COLUMNS, counterparts
from leukoflow.steps import paper_figures, published


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    return finished_study(tmp_path_factory.getbasetemp() / "study").root


@pytest.fixture(scope="module")
def table(root) -> pd.DataFrame:
    return pd.read_csv(root / "tables/published_vs_reproduced.csv")


def row(table: pd.DataFrame, paper: str, number: str) -> pd.Series:
    rows = table[(table["paper"] == paper) & (table["number"] == number)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_number_has_a_row_and_those_not_run_stay_empty(table) -> None:
    assert list(table) == COLUMNS and len(table) == sum(len(paper.numbers) for paper in papers().values())
    absent = table[table["reason"] == ABSENT]
    assert {"cnn_vit", "hybridcn_nas", "vgg19_mhsa"} <= set(absent["paper"])
    assert absent[["reproduced", "strictest", "model", "comparable"]].isna().all(axis=None)
    assert set(table["comparable"].dropna()) == {"no", "yes"}


def test_accuracy_stands_under_the_same_protocol_and_the_strictest(root, table) -> None:
    board = pd.read_csv(root / "tables/leaderboard.csv")
    ours = board[board["model"] == "neurallnet"].set_index("protocol")
    shown = row(table, "neurallnet", "accuracy")
    assert (shown["protocol"], shown["strictest_protocol"], shown["model"]) == ("image", "acquisition", "neurallnet")
    assert shown["reproduced"] == ours.loc["image", "accuracy"]
    assert shown["strictest"] == ours.loc["acquisition", "accuracy"]
    assert (shown["low"], shown["high"]) == (ours.loc["image", "low"], ours.loc["image", "high"])
    assert shown["difference"] == pytest.approx(ours.loc["image", "accuracy"] - 0.9816)
    assert (shown["published_low"], shown["published_interval"]) == (0.9663, "as published")
    assert (
        shown["comparable"] == "no" and "cohort: demo (published: Taleqani ALL, 3,256 images)" in shown["differences"]
    )
    assert pd.isna(shown["reason"]) and "side of the pictures" in shown["unsaid"]


def test_recall_of_a_class_is_that_of_the_scores(root, table) -> None:
    scores = pd.read_csv(root / "tables/scores.csv")
    ours = scores[(scores["model"] == "neurallnet") & (scores["protocol"] == "image") & (scores["class"] == "Pre")]
    ours = ours[(ours["metric"] == "recall") & (ours["role"] == "test") & (ours["subset"] == "all")]
    shown = row(table, "neurallnet", "recall_pre")
    assert shown["reproduced"] == ours["value"].iloc[0] and shown["low"] < shown["high"]


def test_parameters_do_not_depend_on_images_and_are_beside_the_counted(table) -> None:
    shown = row(table, "neurallnet", "parameters")
    assert shown["counted"] == 336_544 and shown["reproduced"] > 0 and np.isnan(shown["strictest"])
    assert shown["comparable"] == "yes" and pd.isna(shown["differences"]) and pd.isna(shown["unsaid"])
    assert row(table, "hmscam", "parameters")["verdict"] == "impossible"
    assert "23,508,032" in row(table, "hmscam", "parameters")["note"]


def test_time_is_that_of_one_image_on_one_thread(root, table) -> None:
    shown = row(table, "neurallnet", "seconds_per_image")
    costs = pd.read_csv(root / "tables/efficiency.csv")
    ours = costs[(costs["model"] == shown["model"]) & (costs["view"] == shown["view"])].iloc[0]
    assert shown["reproduced"] == pytest.approx(ours["latency_p50_ms"] / 1000) and shown["published"] == 0.45467
    assert shown["comparable"] == "no" and shown["differences"] == "another machine"


def test_megabytes_are_those_measured(root, table) -> None:
    shown = row(table, "neurallnet", "megabytes")
    costs = pd.read_csv(root / "tables/efficiency.csv")
    ours = costs[(costs["model"] == shown["model"]) & (costs["view"] == shown["view"])].iloc[0]
    assert shown["reproduced"] == pytest.approx(ours["bytes"] / 1e6) and shown["published"] == 1.35
    assert shown["comparable"] == "yes" and shown["reproduced"] > 0
    memory = row(table, "neurallnet", "memory_megabytes")
    assert memory["reproduced"] == ours["peak_memory_mb"] and memory["differences"] == "another machine"
    assert row(table, "neurallnet", "gpu_memory_megabytes")["reason"] == "run, but this study has no table of it"


def test_an_interval_that_was_not_printed_is_wilsons(table) -> None:
    shown = row(table, "vgg19_mhsa", "accuracy")
    assert (shown["published_low"], shown["published_high"]) == pytest.approx((0.978, 0.997), abs=7e-4)
    assert shown["published_interval"] == "Wilson" and shown["verdict"] == "odd"


def test_the_nearest_options_stand_in_only_where_a_number_is_loose(root) -> None:
    study = finished_study(root).study
    model = study.models["neurallnet"]
    others = {
        "few": model.model_copy(update={"architecture": "hybridcn_nas", "options": {"features": 25}}),
        "more": model.model_copy(update={"architecture": "hybridcn_nas", "options": {"features": 256}}),
        "whole": model.model_copy(update={"architecture": "hybridcn_nas", "options": {"features": 2000}}),
        "other": model.model_copy(update={"architecture": "hybridcn_nas", "options": {"features": 2000, "ffn": False}}),
        "twin": model.model_copy(update={"recipe": "modern"}),
        "part": model.model_copy(update={"training": model.training.model_copy(update={"share": 0.25})}),
    }
    wide = study.model_copy(update={"models": {**others, **study.models}})
    assert counterparts(wide, papers()["hybridcn_nas"].number("accuracy")) == ["whole", "more", "few"]
    assert counterparts(wide, papers()["neurallnet"].number("accuracy")) == ["neurallnet", "twin"]
    assert counterparts(wide, papers()["neurallnet"].number("no_se")) == []


def test_an_unknown_table_is_named(root, tmp_path: Path) -> None:
    inputs = [text for name in ("leaderboard", "external", "scores", "efficiency", "cohorts")
              for text in (f"--{name}", str(root / f"tables/{name}.csv"))]  # fmt: skip
    inputs += ["--runs", str(root / "runs"), "--of", next((root / "runs").iterdir()).name]
    inputs += ["--splits", str(next((root / "splits").glob("*.parquet")))]
    with pytest.raises(LeukoFlowError, match="there is no table other"):
        published.main(["--study", str(root / "study.json"), *inputs, "--outputs", str(tmp_path / "other.csv")])


def test_figures_stand_under_the_papers_numbers(root) -> None:
    index = pd.read_csv(root / "tables/paper_figures.csv")
    assert set(index["paper"]) == {"neurallnet", "hmscam"}
    for file in index["file"].dropna():
        for suffix in (".png", ".svg", ".csv"):
            assert (root / f"{file}{suffix}").stat().st_size > 0
    confusion = pd.read_csv(root / "figures/neurallnet/3_confusion_image.csv")
    assert set(confusion["model"]) == {"neurallnet"}
    outside = pd.read_csv(root / "figures/neurallnet/4_external_confusion_away_image.csv")
    scores = pd.read_csv(root / "tables/external.csv")
    assert outside["count"].sum() == scores.loc[scores["model"] == "neurallnet", "images"].iloc[0]
    assert index["reason"].notna().sum() == index["file"].isna().sum()


def test_a_copy_has_the_same_bytes(root, tmp_path: Path) -> None:
    for suffix in paper_figures.SUFFIXES:
        (tmp_path / f"samples.demo.subtype{suffix}").write_bytes(b"bytes of " + suffix.encode())
    arguments = ["--study", str(root / "study.json"), "--runs", str(root / "runs"), "--tables", str(root / "tables")]
    arguments += ["--scores", str(root / "parts/scores")]
    paper_figures.main(
        [*arguments, "--figures", str(tmp_path), "--have", "samples.demo.subtype", "--output", str(tmp_path / "i.csv")]
    )
    for suffix in paper_figures.SUFFIXES:
        assert (tmp_path / f"hmscam/2_samples{suffix}").read_bytes() == b"bytes of " + suffix.encode()


def test_figures_eight_and_nine_show_the_changes_that_each_is_about(root, tmp_path: Path) -> None:
    """In the made-up study the pictures were turned, made brighter and darker, and compressed."""
    arguments = ["--study", str(root / "study.json"), "--runs", str(root / "runs"), "--tables", str(root / "tables")]
    arguments += ["--scores", str(root / "parts/scores"), "--have", "robustness.demo.subtype.plain.acquisition"]
    paper_figures.main([*arguments, "--figures", str(tmp_path), "--output", str(tmp_path / "index.csv")])
    eight, nine = (
        pd.read_csv(tmp_path / f"neurallnet/{name}_acquisition.csv") for name in ("8_perturbations", "9_brightness")
    )
    assert set(eight["perturbation"]) == {"none", "rotation"} and set(nine["perturbation"]) == {"none", "brightness"}
    assert set(eight["model"]) == set(nine["model"]) == {"neurallnet"}
    table = pd.read_csv(root / "tables/robustness.csv")
    ours = table[(table["model"] == "neurallnet") & (table["protocol"] == "acquisition")]
    ours = ours[(ours["perturbation"] == "brightness") & (ours["metric"] == "accuracy")]
    assert sorted(nine.loc[nine["perturbation"] == "brightness", "value"]) == sorted(ours["value"])
    pictures = [
        (tmp_path / f"neurallnet/{name}_acquisition.png").read_bytes() for name in ("8_perturbations", "9_brightness")
    ]
    assert pictures[0] != pictures[1]
    index = pd.read_csv(tmp_path / "index.csv").set_index(["paper", "figure", "shows"])
    assert index["copy_of"].isna().all()
    shown = index.loc[("neurallnet", "9", "accuracy under changed brightness"), "differs"]
    assert "another cohort: demo" in str(shown)
