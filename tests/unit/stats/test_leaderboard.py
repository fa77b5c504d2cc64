import numpy as np
import pandas as pd
import pytest

from leukoflow.cohorts import alike
from leukoflow.config.tasks import Task
from leukoflow.core.runs import Run
from leukoflow.quality import tables as cohort_tables
from leukoflow.stats import leaderboard as tables


def rows(
    model: str, protocol: str, accuracy: float, fold: int = 0, low: float = 0.5, high: float = 0.99, **facts
) -> pd.DataFrame:
    base = {
        "cohort": "home",
        "task": "kind",
        "view": "plain",
        "protocol": protocol,
        "model": model,
        "fold": fold,
        "seed": 1,
    }
    base |= {
        "target": "home",
        "role": "test",
        "subset": "all",
        "n": 50,
        "groups": 10,
        "metric": "accuracy",
        "class": "",
    }
    parts = []
    for resampling, (a, b) in {"images": (low, high), "groups": (low, high), "wilson": (0.4, 0.995)}.items():
        parts.append(base | {"value": accuracy, "low": a, "high": b, "resampling": resampling} | facts)
    return pd.DataFrame(parts)


def test_the_colour_baseline_leads_each_protocol_and_the_rest_falls_by_accuracy():
    scores = pd.concat(
        [
            rows("worse", "image", 0.7),
            rows("better", "image", 0.9),
            rows("colour_histogram", "image", 0.6),
            rows("better", "acquisition", 0.5),
            rows("colour_histogram", "acquisition", 0.4),
            rows("better", "duplicate", 0.5),
        ]
    )
    board = tables.leaderboard(scores, {Run("home", "kind", "plain", "image", "worse", 0, 1): {"weights": "random"}})
    assert list(zip(board["protocol"], board["model"], strict=True)) == [
        ("image", "colour_histogram"),
        ("image", "better"),
        ("image", "worse"),
        ("duplicate", "better"),
        ("acquisition", "colour_histogram"),
        ("acquisition", "better"),
    ]
    assert board["weights"].tolist() == ["", "", "random", "", "", ""]


def test_a_published_figure_stands_beside_the_measured_one_and_changes_none():
    scores = pd.concat([rows("net", "image", 0.7), rows("other", "image", 0.6), rows("net_from_fine", "image", 0.5)])
    run = Run("home", "fine", "plain", "image", "net", 0, 1)
    facts = {run: {"recipe": "modern"}, Run("home", "kind", "plain", "image", "net", 0, 1): {"recipe": "own"}}
    published = {
        "net": {"kind": {"accuracy": 0.98, "mcc": -0.1}},
        "other": {"elsewhere": {"accuracy": 0.5}},
        "absent": {},
    }
    board = tables.leaderboard(scores, facts, published)
    assert board["model"].tolist() == ["net", "other", "net_from_fine"]
    assert board["accuracy"].tolist() == [0.7, 0.6, 0.5]
    # Joined predictions are another task than the paper's.
    assert board["published_accuracy"].fillna(0).tolist() == [0.98, 0, 0]
    assert board["published_mcc"].fillna(0).tolist() == [-0.1, 0, 0] and board["published_macro_f1"].isna().all()
    assert board["recipe"].tolist() == ["own", "", "modern"]
    shown = tables.leaderboard(scores, facts).drop(columns=[f"published_{name}" for name in tables.METRICS.values()])
    pd.testing.assert_frame_equal(shown, board[shown.columns])


def test_folds_are_averaged_and_their_images_added():
    board = tables.leaderboard(
        pd.concat([rows("net", "image", 0.8, fold=0), rows("net", "image", 0.9, fold=1, low=0.7)]), {}
    )
    row = board.iloc[0]
    assert (row["runs"], row["images"], row["groups"]) == (2, 100, 20)
    assert row["accuracy"] == pytest.approx(0.85) and row["accuracy_sd"] == pytest.approx(np.std([0.8, 0.9], ddof=1))
    assert row["accuracy_low"] == pytest.approx(0.6)


def test_one_run_has_no_spread_and_a_closed_bootstrap_gives_way_to_wilson():
    row = tables.leaderboard(rows("net", "image", 1.0, low=1.0, high=1.0), {}).iloc[0]
    assert np.isnan(row["accuracy_sd"])
    assert (row["low"], row["high"], row["interval"]) == (0.4, 0.995, "wilson")


def test_external_shows_both_numbers_with_counts():
    def outside(subset: str, accuracy: float, number: int, removed: int) -> list[pd.DataFrame]:
        facts = {"target": "away", "role": "external", "subset": subset, "n": number}
        counts = [
            rows("net", "image", value, metric=metric, **facts).head(1).assign(resampling="", low=np.nan, high=np.nan)
            for metric, value in (("removed", removed), ("unlabelled", 2))
        ]
        return [rows("net", "image", accuracy, **facts), *counts]

    table = tables.external(pd.concat(outside("all", 0.9, 10, 0) + outside("without overlap", 0.5, 4, 6)), {})
    row = table.iloc[0]
    assert (row["accuracy"], row["images"], row["unseen_accuracy"], row["unseen_images"]) == (0.9, 10, 0.5, 4)
    assert (row["removed"], row["unlabelled"]) == (6, 2)


@pytest.fixture
def pairs():
    columns = ["cohort_a", "image_a", "cohort_b", "image_b", "kind"]
    data = [
        ("home", "i0", "home", "i3", "near"),
        ("home", "i1", "home", "i2", "identical"),
        ("away", "x", "home", "i0", "near"),
    ]
    return pd.DataFrame(data, columns=columns)


def test_audit_counts_leaks_from_learnt_to_test(pairs):
    ids = [f"i{k}" for k in range(5)]
    split = pd.DataFrame(
        {"image_id": ids, "group": ids, "fold": 0, "role": ["train", "train", "validation", "test", "test"]}
    )
    groups = pd.DataFrame({"cohort": "home", "image_id": ids, "acquisition": ["s1", "s1", "s2", "s2", "s3"]})
    manifest = pd.DataFrame({"image_id": ids, "patient": [None] * 5, "slide": ["S1", "S2", "S3", "s-1", "S4"]})
    row = cohort_tables.audit({("home", "kind", "image"): split}, pairs, groups, {"home": manifest}).iloc[0]
    assert (row["train"], row["validation"], row["test"], row["groups"]) == (2, 1, 2, 5)
    assert (row["duplicate_pairs"], row["test_with_duplicate"]) == (1, 1)
    assert (row["shared_acquisitions"], row["test_with_acquisition"]) == (1, 1)
    assert np.isnan(row["test_with_patient"]) and np.isnan(row["test_with_alike_patient"])
    assert (row["test_with_alike_slide"], row["alike"]) == (1, "slide 'S1', 's-1'")


def test_cohort_facts_keep_published_apart(pairs):
    manifest = pd.DataFrame({"image_id": ["i0", "i1", "i2", "i3"], "label": ["a", "a", "b", None]})
    manifest = manifest.assign(width=[4, 8, 4, 12], height=[3, 6, 3, 3])
    quality = pd.DataFrame({"image_id": manifest["image_id"], "bar_x0": [1, None, None, None], "focus": [1.0, 2, 3, 4]})
    quality["bar_colour"] = ["red", None, None, None]
    quality[["foreground_L_sd", "background_L_sd"]] = 4.0
    quality["background_L_mean"], quality["foreground_L_mean"] = [80.0, 85.0, 30.0, 80.0], [50.0, 60.0, 20.0, 50.0]
    quality["top"], quality["greatest"] = [65535, 65535, 65535, 255], [3000, 4000, 900, 255]
    rejects = pd.DataFrame({"path": ["p", "q"], "reason": ["empty", "empty"]})
    names = pd.DataFrame([("patient", "'P1', 'p1'", 3, 0), ("label", "'b', 'B'", 2, 1)], columns=alike.COLUMNS)
    files = {"home": cohort_tables.CohortFiles(manifest, quality, rejects, names)}
    tasks = {"whole": Task(classes=("a", "b")), "odd": Task(classes=("A ", "b"))}
    table = cohort_tables.cohorts(files, pairs, {"home": {"a": 5, "c": 1}}, tasks)
    facts = {(row.fact, row.label): (row.measured, row.published) for row in table.itertuples()}
    assert facts["images", ""] == (4, 6)
    assert facts["images", "a"] == (2, 5) and facts["images", "c"] == (0, 1)
    assert np.isnan(facts["images", "b"][1]) and facts["images", "(no label)"][0] == 1
    assert facts["listed", ""][0] == 6 and facts["rejected", "empty"][0] == 2
    assert facts["scale bars", "a"][0] == 1 and facts["scale bars", "b"][0] == 0
    assert facts["red scale bars", "a"][0] == 1 and facts["dark scale bars", "a"][0] == 0
    assert (facts["identical pairs", ""][0], facts["near pairs", ""][0], facts["images with a duplicate", ""][0]) == (
        1,
        1,
        4,
    )
    assert facts["implausible exposure", "nearly black"][0] == 1 and facts["bits filled of 16", ""][0] == 12
    assert facts["near pairs", "away"][0] == 1 and facts["median focus", ""][0] == 2.5
    assert facts["median aspect", ""][0] == pytest.approx(4 / 3)
    assert facts["alike patient", "'P1', 'p1'"][0] == 3 and facts["alike label", "'b', 'B'"][0] == 2
    assert facts["unlabelled by a name", "'b', 'B'"][0] == 1
    assert {key: figures[0] for key, figures in facts.items() if key[0] == "alike class"} == {
        ("alike class", "'a', 'A' of task odd"): 2
    }
    assert facts["turned pairs", ""][0] == facts["moved pairs", ""][0] == 0


def test_conflicts_are_the_pairs_whose_labels_differ(pairs):
    told = pairs.assign(label_a=["a", "b", "a"], label_b=["a", "a", "b"], change="", correlation=[0.9, 1.0, 0.95])
    conflicts = cohort_tables.label_conflicts(told.assign(labels_differ=[False, True, True]))
    assert conflicts[["image_a", "label_a", "image_b", "label_b"]].values.tolist() == [
        ["i1", "b", "i2", "a"],
        ["x", "a", "i0", "b"],
    ]
