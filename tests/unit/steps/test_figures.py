import json

import pandas as pd
import pytest
from fake_study import CLASSES, finished_study, named_runs, texts
from PIL import Image

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import (
    figure_assessment,
    figure_comparison,
    figure_confusion,
    figure_duplicates,
    figure_leaderboard,
    figure_learning,
    figure_samples,
    figure_views,
)

TASK = json.dumps({"classes": CLASSES})


@pytest.fixture
def fake(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study")


def written(step, arguments: list[str], output) -> pd.DataFrame:
    """Run a figure step; its PNG must be a picture, its SVG drawn, and its CSV is returned."""
    step.main([*arguments, "--output", str(output)])
    with Image.open(output) as image:
        assert min(image.size) > 100
    assert "<svg" in output.with_suffix(".svg").read_text()
    return pd.read_csv(output.with_suffix(".csv"))


def test_samples(fake, tmp_path):
    manifest = str(fake.root / "cohorts/away/manifest.parquet")
    arguments = ["--settings", TASK, "--manifest", manifest, "--view", str(fake.root / "views/away.plain/view.json")]
    table = written(figure_samples, arguments, tmp_path / "samples.png")
    assert table.drop_duplicates("class")["class"].tolist() == [*CLASSES, "no class"]


def test_views_keep_the_order_of_the_arguments(fake, tmp_path):
    folders = [fake.root / f"views/demo.{view}/view.json" for view in ("plain", "grey")]
    manifest = str(fake.root / "cohorts/demo/manifest.parquet")
    table = written(
        figure_views, ["--settings", TASK, "--manifest", manifest, "--views", *texts(folders)], tmp_path / "views.png"
    )
    assert table["view"].tolist() == ["plain"] * 4 + ["grey"] * 4


def test_learning(fake, tmp_path):
    table = written(figure_learning, named_runs(fake.root), tmp_path / "learning.png")
    assert set(table["model"]) == {"neurallnet", "resnet50_hmscam"} and set(table["protocol"]) == {
        "image",
        "acquisition",
    }


def test_confusion(fake, tmp_path):
    counts = fake.root / "parts/scores/demo.subtype.plain.image/confusion.csv"
    table = written(figure_confusion, ["--counts", str(counts)], tmp_path / "confusion.png")
    assert table.groupby("model")["count"].sum().nunique() == 1


def test_calibration_and_discrimination_are_drawn_in_one_go(fake, tmp_path):
    families = ("roc", "pr", "reliability", "reliability_classes", "confidence")
    tables = texts(fake.path("parts/assessment/demo.subtype.plain.image/*.csv"))
    outputs = [tmp_path / f"{family}.demo.subtype.plain.image.png" for family in families]
    arguments = ["--classes", json.dumps(CLASSES), "--fewest", "10", "--outputs", *texts(outputs)]
    figure_assessment.main(["--tables", *tables, *arguments])
    for path in outputs:
        with Image.open(path) as image:
            assert min(image.size) > 100
        assert "<svg" in path.with_suffix(".svg").read_text()
    drawn = {family: pd.read_csv(path.with_suffix(".csv")) for family, path in zip(families, outputs, strict=True)}
    assert drawn["roc"]["model"].iloc[0] == "colour_histogram" and set(CLASSES) < set(drawn["roc"]["class"])
    images = drawn["confidence"].groupby("model")[["right", "wrong"]].sum().sum(axis=1)
    assert images.nunique() == 1 and images.iloc[0] > 10
    with pytest.raises(LeukoFlowError, match="no figure of a known family"):
        figure_assessment.main(["--tables", *tables, *arguments[:-1], str(tmp_path / "other.png")])
    with pytest.raises(LeukoFlowError, match="table errors is missing"):
        figure_assessment.main(["--tables", *(each for each in tables if "errors" not in each), *arguments])


def test_duplicates(fake, tmp_path):
    duplicates = str(fake.root / "quality/duplicates.parquet")
    table = written(
        figure_duplicates,
        ["--duplicates", duplicates, "--views", *texts(folder / "view.json" for folder in fake.path("views/*.plain"))],
        tmp_path / "duplicates.png",
    )
    assert set(table["cohort_a"]) == {"away", "demo"}


def test_comparison(fake, tmp_path):
    file = fake.root / "comparisons/main.csv"
    table = written(figure_comparison, ["--comparisons", str(file)], tmp_path / "comparison.main.png")
    assert table["difference"].tolist() == pytest.approx(pd.read_csv(file)["difference"].tolist())
    assert table["published_difference"].notna().tolist() == [False, True] * 2


def test_leaderboard(fake, tmp_path):
    table = written(
        figure_leaderboard, ["--leaderboard", str(fake.root / "tables/leaderboard.csv")], tmp_path / "leaderboard.png"
    )
    assert (table["low"] <= table["accuracy"]).all() and (table["accuracy"] <= table["high"]).all()
