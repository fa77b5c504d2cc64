"""Tables of changed images against scikit-learn, and what must hold."""

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import accuracy_score, f1_score

from leukoflow.audits.robustness import COLUMNS, METRICS, robustness, summary_weights
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run

RUN = Run("demo", "subtype", "plain", "image", "net", 0, 42)
SETTINGS = Evaluation(resamples=400)
LEVELS = (("none", np.nan), ("brightness", -0.25), ("brightness", 0.25), ("rotation", 5.0))


def predictions(count: int = 60, groups: int | None = None, seed: int = 0) -> pd.DataFrame:
    """Answers that get worse from one change to the next."""
    random = np.random.default_rng(seed)
    y = np.arange(count) % 3
    parts = []
    for step, (family, level) in enumerate(LEVELS):
        logits = random.normal(size=(count, 3)) + (3 - step) * np.eye(3)[y]
        shares = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
        table = pd.DataFrame({"image_id": [f"{number:03d}" for number in range(count)], "y": y})
        table["group"] = table["image_id"] if groups is None else [f"g{number % groups}" for number in range(count)]
        parts.append(table.assign(perturbation=family, level=level, target="", probabilities=list(shares)))
    return pd.concat(parts, ignore_index=True)


def value(table: pd.DataFrame, family: str, metric: str, level: float | None = None) -> pd.Series:
    rows = table[(table["perturbation"] == family) & (table["metric"] == metric)]
    return (rows if level is None else rows[rows["level"] == level]).iloc[0]


def test_values_are_those_of_scikit_learn() -> None:
    table = predictions()
    results = robustness([(RUN, table)], SETTINGS)
    assert list(results.columns) == COLUMNS and results["perturbation"].iloc[0] == "none"
    clean = np.stack(table["probabilities"].iloc[:60]).argmax(1)
    for family, level in LEVELS:
        rows = table[(table["perturbation"] == family) & ((table["level"] == level) | np.isnan(level))]
        shares, y = np.stack(rows["probabilities"]), rows["y"]
        expected = {
            "accuracy": accuracy_score(y, shares.argmax(1)),
            "macro_f1": f1_score(y, shares.argmax(1), average="macro"),
            "confidence": shares.max(1).mean(),
            "changed": (shares.argmax(1) != clean).mean(),
            "drop": accuracy_score(y, clean) - accuracy_score(y, shares.argmax(1)),
        }
        for metric in METRICS:
            assert value(results, family, metric, None if np.isnan(level) else level)["value"] == pytest.approx(
                expected[metric]
            ), (family, metric)


def test_intervals_hold_the_value_and_pairing_narrows_that_of_the_drop() -> None:
    results = robustness([(RUN, predictions(300))], SETTINGS)
    rows = results[results["low"].notna()]
    assert ((rows["low"] <= rows["value"]) & (rows["value"] <= rows["high"])).all() and len(rows) > 20
    mild = value(results, "brightness", "drop", -0.25)
    unpaired = sum(value(results, name, "accuracy", level)["high"] - value(results, name, "accuracy", level)["low"]
                   for name, level in (("none", None), ("brightness", -0.25)))  # fmt: skip
    assert mild["high"] - mild["low"] < unpaired


def test_accuracy_has_the_width_that_theory_gives() -> None:
    row = value(robustness([(RUN, predictions(600))], Evaluation(resamples=4000)), "rotation", "accuracy")
    deviation = np.sqrt(row["value"] * (1 - row["value"]) / 600)
    assert row["high"] - row["low"] == pytest.approx(2 * 1.96 * deviation, rel=0.1)


def test_groups_are_drawn_whole_and_equal_answers_of_a_group_widen() -> None:
    table = predictions(60)
    twice = pd.concat([table, table.assign(image_id=table["image_id"] + "b")])
    order = {level: number for number, level in enumerate(LEVELS)}
    twice = twice.sort_values(["perturbation", "level"], kind="stable", key=None)
    blocks = [
        twice[(twice["perturbation"] == family) & (twice["level"].eq(level) | np.isnan(level))]
        for family, level in order
    ]
    grouped = robustness([(RUN, pd.concat(blocks))], SETTINGS)
    single = robustness([(RUN, table)], SETTINGS)
    assert set(grouped["resampling"]) == {"groups"} and set(single["resampling"]) == {"images"}
    for column in ("value", "low", "high"):
        a, b = (results[results["metric"] == "macro_f1"][column].to_numpy() for results in (grouped, single))
        assert np.allclose(a, b, equal_nan=True)  # a group of two equal images is one image drawn alone


def test_summaries_weigh_families_alike() -> None:
    weights = summary_weights(["none", "brightness", "brightness", "rotation"])
    assert list(weights) == ["light", "place", "all"]
    assert weights["light"].tolist() == [0, 0.5, 0.5, 0] and weights["all"].tolist() == [0, 0.25, 0.25, 0.5]
    results = robustness([(RUN, predictions())], SETTINGS)
    mean = np.mean([value(results, "brightness", "accuracy", level)["value"] for level in (-0.25, 0.25)])
    assert value(results, "light", "accuracy")["value"] == pytest.approx(mean)
    whole = value(results, "all", "drop")
    assert whole["value"] == pytest.approx(
        (value(results, "light", "drop")["value"] + value(results, "place", "drop")["value"]) / 2
    )


def test_several_runs_are_averaged_and_the_baseline_comes_first() -> None:
    runs = [(Run("demo", "subtype", "plain", "image", "net", 0, seed), predictions(seed=seed)) for seed in (1, 2)]
    runs.append((Run("demo", "subtype", "plain", "image", "colour_histogram", 0, 1), predictions(seed=3)))
    results = robustness(runs, SETTINGS)
    assert list(dict.fromkeys(results["model"])) == ["colour_histogram", "net"]
    alone = [value(robustness([run], SETTINGS), "rotation", "accuracy")["value"] for run in runs[:2]]
    row = value(results[results["model"] == "net"], "rotation", "accuracy")
    assert row["runs"] == 2 and row["value"] == pytest.approx(np.mean(alone)) and row["images"] == 60
    assert row["sd"] == pytest.approx(np.std(alone, ddof=1)) and row["sd"] > 0


def test_changes_on_other_images_are_an_error() -> None:
    table = predictions()
    with pytest.raises(LeukoFlowError, match="other images"):
        robustness([(RUN, table.iloc[:-1])], SETTINGS)
    with pytest.raises(LeukoFlowError, match="no unchanged images"):
        robustness([(RUN, table[table["perturbation"] != "none"])], SETTINGS)


def test_a_family_with_targets_is_left_out_and_no_runs_give_the_header() -> None:
    table = predictions()
    more = pd.concat([table, table[:60].assign(perturbation="stain_swap", target="Pro")])
    pd.testing.assert_frame_equal(robustness([(RUN, more)], SETTINGS), robustness([(RUN, table)], SETTINGS))
    assert list(robustness([], SETTINGS).columns) == COLUMNS and robustness([], SETTINGS).empty


def test_a_perfect_model_has_wilsons_interval() -> None:
    table = predictions()
    table["probabilities"] = list(np.eye(3)[table["y"]])
    row = value(robustness([(RUN, table)], SETTINGS), "rotation", "accuracy")
    assert row["value"] == 1 and row["high"] == 1 and row["low"] == pytest.approx(0.9398, abs=1e-4)  # 60 of 60
