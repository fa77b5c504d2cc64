import numpy as np
import pandas as pd
import pytest
from fake_study import CLASSES, finished_study, score_arguments
from scipy.stats import binomtest

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import parse_run
from leukoflow.stats.compare import COLUMNS
from leukoflow.steps import score
from leukoflow.steps import table as table_step


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


def test_files_of_a_cohorts_folder_add_up(root):
    table = pd.read_csv(root / "tables" / "cohorts.csv").fillna({"label": ""})
    files = table[(table["cohort"] == "demo") & (table["fact"] == "files")].set_index("label")["measured"]
    images = len(pd.read_parquet(root / "cohorts/demo/manifest.parquet"))
    assert files.to_dict() == {
        "": images + 6, "image": images, "rejected": 2, "mask": 2, "excluded": 1, "litter": 1,
    }  # fmt: skip
    # An image that was rejected when it was read and a file that is none by its name are both in rejects.csv.
    assert files["rejected"] == len(pd.read_csv(root / "cohorts/demo/rejects.csv"))
    assert "files" not in set(table.loc[table["cohort"] == "away", "fact"])


def test_comparisons_repeat_the_leaderboards_accuracies(root):
    board = pd.read_csv(root / "tables/leaderboard.csv").set_index(["protocol", "model"])
    table = pd.read_csv(root / "tables/comparisons.csv")
    assert list(table.columns) == COLUMNS and set(table["reference"]) == {"neurallnet"}
    assert table["model"].tolist() == ["colour_histogram", "resnet50_hmscam"] * 2
    for row in table.itertuples():
        mine, theirs = (board.loc[(row.protocol, model)] for model in (row.model, "neurallnet"))
        assert (row.accuracy, row.reference_accuracy) == pytest.approx((mine["accuracy"], theirs["accuracy"]))
        assert row.images == mine["images"] and row.groups == mine["groups"]
    # Under protocol image all three are right on every image, and nothing varies.
    assert table["resampling"].fillna("").tolist() == ["", "", "groups", "groups"]
    assert table["published"].fillna(0).tolist() == [0, 0.935] * 2
    assert (table["published_reference"] == 0.9816).all()
    assert board["published_accuracy"].dropna().to_dict() == {
        (protocol, model): figure
        for protocol in ("image", "acquisition")
        for model, figure in (("neurallnet", 0.9816), ("resnet50_hmscam", 0.935))
    }


def test_mcnemar_counts_the_images_of_the_predictions(root):
    table = pd.read_csv(root / "tables/comparisons.csv").set_index(["protocol", "model"])
    right = {}
    for model in ("colour_histogram", "neurallnet"):
        file = root / f"runs/demo.subtype.plain.acquisition.{model}.fold0.seed42/predictions/demo.parquet"
        test = pd.read_parquet(file).query("role == 'test'").set_index("image_id")
        right[model] = pd.Series([shares.argmax() for shares in test["probabilities"]], test.index) == test["y"]
    mine, theirs = right["colour_histogram"], right["neurallnet"]
    counts = [(mine & ~theirs).sum(), (theirs & ~mine).sum()]
    row = table.loc[("acquisition", "colour_histogram")]
    assert [row["only_model"], row["only_reference"]] == counts and sum(counts) > 5
    assert row["p"] == pytest.approx(binomtest(counts[0], sum(counts)).pvalue)


def test_without_a_reference_the_comparisons_have_their_header_alone(tmp_path):
    output = tmp_path / "comparisons.csv"
    table_step.main(["stats.compare.comparisons_table", "--output", str(output)])
    assert output.read_text() == ",".join(COLUMNS) + "\n"


@pytest.mark.parametrize("name", ["stats.compare.comparison_table", "nothing", "stats.nothing.table"])
def test_an_unknown_function_is_named(tmp_path, name):
    with pytest.raises(LeukoFlowError, match=f"{name}: leukoflow has no such function"):
        table_step.main([name, "--output", str(tmp_path / "table.csv")])


def test_runs_are_also_scored_by_coarser_tasks(root, tmp_path):
    labels = {name: "benign" if name == "Benign" else "malignant" for name in CLASSES}
    tasks = {"subtype": {"classes": CLASSES}, "binary": {"classes": ["benign", "malignant"], "labels": labels}}
    score.main(score_arguments(root, "demo.subtype.plain.image", tasks, tmp_path))
    table = pd.read_csv(tmp_path / "scores.csv")
    run = next(path.name for path in sorted((root / "runs").iterdir()) if ".image.neurallnet." in path.name)
    predictions = sorted((root / "runs" / run / "predictions").glob("*.parquet"))
    table = table[table["model"].str.startswith("neurallnet") & (table["seed"] == parse_run(run).seed)]
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
