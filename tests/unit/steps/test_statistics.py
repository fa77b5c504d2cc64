import json

import numpy as np
import pandas as pd
import pytest
from drawing import drawn
from fake_statistics import leakage_arguments, statistics_arguments
from fake_study import CLASSES, FakeStudy, finished_study, named_runs
from scipy import stats

from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import leakage, statistics


@pytest.fixture
def root(tmp_path_factory):
    return finished_study(tmp_path_factory.getbasetemp() / "study").root


def test_leakage_repeats_the_leaderboards_accuracies(root):
    board = pd.read_csv(root / "tables/leaderboard.csv").set_index(["protocol", "model"])
    table = pd.read_csv(root / "tables/leakage.csv")
    ours = table[(table["target"] == "demo") & (table["part"] == "all")].set_index(["protocol", "model"])
    assert ours["accuracy"].to_dict() == pytest.approx(board["accuracy"].to_dict())
    assert (
        ours["images"].to_dict() == board["images"].to_dict() and ours["units"].to_dict() == board["groups"].to_dict()
    )
    for model in board.loc["image"].index:
        apart = board.loc[("acquisition", model), "accuracy"] - board.loc[("image", model), "accuracy"]
        assert ours.loc[("acquisition", model), "difference"] == pytest.approx(apart)


def test_copies_are_those_of_the_audit_and_of_the_external_table(root):
    table, audit = (pd.read_csv(root / f"tables/{name}.csv") for name in ("leakage", "audit"))
    copies = table[(table["target"] == "demo") & (table["part"] == "copies") & (table["protocol"] == "image")]
    assert (copies["images"] == audit.set_index("protocol").loc["image", "test_with_duplicate"]).all() and len(copies)
    external = pd.read_csv(root / "tables/external.csv").set_index(["protocol", "model"])
    away = table[table["target"] == "away"].set_index(["part", "protocol", "model"])
    for key, row in external.iterrows():
        assert away.loc[("all", *key), "accuracy"] == pytest.approx(row["accuracy"])
        assert away.loc[("rest", *key), "accuracy"] == pytest.approx(row["unseen_accuracy"])
        assert away.loc[("rest", *key), "images"] == row["unseen_images"]


def test_a_missing_split_is_named(root, tmp_path):
    arguments = leakage_arguments(root, named_runs(root))
    arguments.remove(str(root / "splits/demo.subtype.acquisition.parquet"))
    with pytest.raises(LeukoFlowError, match="its split is missing; name that of acquisition among --splits"):
        leakage.main([*arguments, "--output", str(tmp_path / "leakage.csv")])


def test_statistics_repeat_the_comparisons(root):
    comparisons = pd.read_csv(root / "tables/comparisons.csv").set_index(["protocol", "model"])
    table = pd.read_csv(root / "tables/statistics.csv")
    mcnemar = table[table["test"] == "McNemar"].set_index(["protocol", "model"])
    assert mcnemar["p"].to_dict() == pytest.approx(comparisons["p_mcnemar"].to_dict())
    assert mcnemar["p_holm"].to_dict() == pytest.approx(comparisons["p_holm"].to_dict())


def test_several_folds_are_ranked_and_their_tasks_compared(tmp_path):
    root = FakeStudy(tmp_path, side=8, folds=4, protocols=("image",), images=80).make().root
    runs = named_runs(root)
    files = [tmp_path / "statistics.csv", tmp_path / "ranks.csv"]
    arguments = statistics_arguments(runs, CLASSES)
    statistics.main([*arguments, "--output", str(files[0]), "--ranks", str(files[1])])
    tests, ranks = map(pd.read_csv, files)
    assert (ranks["blocks"] == 4).all() and set(ranks["model"]) == {"colour_histogram", "neurallnet", "resnet50_hmscam"}
    right = {task: [] for task in ("own", "joined")}
    for path in sorted(root.glob("runs/*.neurallnet.*/predictions/demo.parquet")):
        rows = pd.read_parquet(path).query("role == 'test'")
        shares, y = np.stack(rows["probabilities"].to_list()), rows["y"].to_numpy()
        right["own"].append((shares.argmax(1) == y).mean())
        right["joined"].append(((shares[:, 0] < 0.5) == (y > 0)).mean())
    row = tests[(tests["test"] == "ANOVA between tasks") & (tests["model"] == "neurallnet")].iloc[0]
    assert row["against"] == "binary, classes joined" and row["answers"] == "no"
    assert row["p"] == pytest.approx(stats.f_oneway(*right.values()).pvalue)
    # The same runs given as those of another task stand next to.
    partners = [name.replace("demo.subtype", "demo.binary") for name in runs[3:] if ".neurallnet." in name]
    for name in partners:
        (root / "runs" / name).symlink_to(root / "runs" / name.replace("demo.binary", "demo.subtype"))
    outputs = ["--output", str(files[0]), "--ranks", str(files[1])]
    statistics.main([*arguments, "--partners", *partners, *outputs])
    tests = pd.read_csv(files[0])
    row = tests[(tests["test"] == "ANOVA between tasks") & (tests["against"] == "binary")].iloc[0]
    assert row["estimate"] == pytest.approx(0, abs=1e-12) and row["p"] == pytest.approx(1)
    drawn("critical_difference", tmp_path / "ranks.png", ranks=files[1])


def test_an_experiment_of_one_model_has_headers_alone(root, tmp_path):
    name = "demo.subtype.plain.image.neurallnet.fold0.seed42"
    tasks = json.dumps({"subtype": {"classes": CLASSES}})
    arguments = [
        "--settings",
        "{}",
        "--experiment",
        "one",
        "--tasks",
        tasks,
        "--runs",
        str(root / "runs"),
        "--of",
        name,
    ]
    files = [tmp_path / "statistics.csv", tmp_path / "ranks.csv"]
    statistics.main([*arguments, "--output", str(files[0]), "--ranks", str(files[1])])
    assert all(pd.read_csv(path).empty and len(path.read_text().splitlines()) == 1 for path in files)


def test_the_figure_shows_every_model_and_split(root, tmp_path):
    output = tmp_path / "leakage.png"
    part = root / "parts/leakage/demo.subtype/leakage.csv"
    shown = drawn("leakage", output, {"panel": {"view": "plain"}}, leakage=part)
    drawing = output.with_suffix(".svg").read_text()
    for text in ("resnet50_hmscam", "acquisition split", "copy was trained on", "Less than split image, points"):
        assert f"<!-- {text} -->" in drawing
    assert set(shown["target"]) == {"demo"} and len(shown[shown["part"] == "all"]) == 6
