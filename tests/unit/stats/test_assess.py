"""Tables of a panel: fitted on validation alone, intervals over groups, folds and seeds pooled."""

import numpy as np
import pandas as pd
import pytest
from scipy.special import softmax
from scipy.stats import bootstrap, rankdata

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run
from leukoflow.stats.assess import COLUMNS, assess
from leukoflow.stats.bootstrap import resample
from leukoflow.stats.calibration import WHOLE, binned, measures

CLASSES = ("a", "b", "c")
SETTINGS = Evaluation(resamples=200)
RUN = Run("home", "kind", "plain", "image", "net", 0, 1)


def predictions(
    planted: float = 2.0, seed: int = 0, cohort: str = "home", roles=("validation", "test"), n: int = 240
) -> pd.DataFrame:
    """Images of which 3 make a group; probabilities would be true at the planted temperature."""
    random = np.random.default_rng(seed)
    parts = []
    for role in roles:
        truth = random.normal(0, 2, (n, 3))
        y = (random.random(n)[:, None] > softmax(truth, axis=1).cumsum(1)).sum(1).clip(max=2)
        ids = [f"{cohort}-{role}-{number}" for number in range(n)]
        part = pd.DataFrame({"cohort": cohort, "image_id": ids, "role": role, "y": y, "perturbation": "none"})
        groups = [f"{role}{number // 3}" for number in range(n)]
        parts.append(part.assign(group=groups, logits=list((planted * truth).astype(np.float32))))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def tables() -> dict[str, pd.DataFrame]:
    away = predictions(cohort="away", roles=("external",), seed=5).replace({"y": {2: -1}})
    return assess({RUN: [predictions(), away]}, CLASSES, SETTINGS)


def whole(table: pd.DataFrame, calibrator: str, target: str = "home") -> pd.Series:
    rows = table[(table["class"] == "") & (table["calibrator"] == calibrator) & (table["target"] == target)]
    assert len(rows) == 1
    return rows.iloc[0]


def test_every_table_has_its_columns(tables) -> None:
    assert {name: list(table.columns) for name, table in tables.items()} == COLUMNS
    assert len(tables["calibration"]) == 2 * 4 * 4
    assert set(tables["calibration"]["role"]) == {"test", "external"}


def test_an_over_confident_model_is_found_out_and_put_right(tables) -> None:
    before, after = (whole(tables["calibration"], name) for name in ("none", "temperature"))
    assert before["bias_low"] > 0 and before["ece"] > before["ece_chance_high"]
    assert after["temperature"] == pytest.approx(2, rel=0.2) and after["ece"] < before["ece"]
    assert after["bias_low"] < 0 < after["bias_high"] and after["ece"] < after["ece_chance_high"]
    assert after["nll"] < before["nll"] and after["observed"] == before["observed"]


def test_calibrators_and_thresholds_never_see_a_test_image(tables) -> None:
    answered = predictions()
    test = answered["role"] == "test"
    answered.loc[test, "y"] = np.random.default_rng(9).permutation(answered.loc[test, "y"])
    shuffled = assess({RUN: [answered]}, CLASSES, SETTINGS)
    home = tables["calibration"][tables["calibration"]["target"] == "home"]
    pd.testing.assert_series_equal(home["temperature"], shuffled["calibration"]["temperature"])
    points = tables["operating_points"][tables["operating_points"]["target"] == "home"]
    pd.testing.assert_series_equal(points["threshold"], shuffled["operating_points"]["threshold"])
    assert whole(shuffled["calibration"], "none")["observed"] < whole(tables["calibration"], "none")["observed"]


def test_intervals_are_those_of_drawing_whole_groups_one_by_one(tables) -> None:
    answered = predictions()
    test = answered[answered["role"] == "test"].reset_index(drop=True)
    shares, y = softmax(np.stack(test["logits"].to_list()).astype(float), axis=1), test["y"].to_numpy()
    values = []
    for counts in resample(lambda counts: counts, 80, 200, SETTINGS.seed).T:
        sets = binned(y, shares)
        values.append(measures(sets, sets.matrix @ counts[np.arange(240) // 3, None])[: len(WHOLE), 0])
    drawn = dict(zip(WHOLE, np.transpose(values), strict=True))
    row = whole(tables["calibration"], "none")
    assert row["groups"] == 80 and row["resampling"] == "groups"
    for name in ("bias", "brier", "nll"):
        assert [row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx(np.quantile(drawn[name], [0.025, 0.975]))
    moved = drawn["ece"] - drawn["ece"].mean() + row["ece"]
    assert [row["ece_low"], row["ece_high"]] == pytest.approx(np.quantile(np.maximum(moved, 0), [0.025, 0.975]))


def test_one_group_alone_falls_back_to_images() -> None:
    one = assess({RUN: [predictions(n=60).assign(group="all")]}, CLASSES, SETTINGS)
    row = whole(one["calibration"], "none")
    assert (row["groups"], row["resampling"]) == (1, "images") and row["bias_low"] < row["bias_high"]


def test_a_target_without_a_class_has_no_number_for_it(tables) -> None:
    away = tables["discrimination"][tables["discrimination"]["target"] == "away"].set_index("class")
    assert np.isnan(away.loc["c", "auc"]) and away.loc["macro average", "auc"] == pytest.approx(
        away.loc[["a", "b"], "auc"].mean()
    )
    assert away["n"].iloc[0] < 240
    mix = tables["prevalence"][(tables["prevalence"]["target"] == "away") & (tables["prevalence"]["class"] == "c")]
    assert mix["ppv"].isna().all()


def test_folds_are_pooled_for_curves_and_bins_and_apart_elsewhere() -> None:
    runs = {Run("home", "kind", "plain", "image", "net", fold, 1): [predictions(seed=fold)] for fold in range(2)}
    tables = assess(runs, CLASSES, SETTINGS)
    bins = tables["reliability"]
    assert bins[(bins["class"] == "") & (bins["calibrator"] == "none")]["count"].sum() == 480
    assert tables["discrimination"].groupby("fold").size().tolist() == [5, 5]
    assert tables["calibration"].groupby("fold")["ece"].first().nunique() == 2


def test_wholly_separated_classes_have_wilson_limits_and_no_bootstrap() -> None:
    answered = predictions(n=30)
    answered["logits"] = [np.eye(3, dtype=np.float32)[y] * 9 for y in answered["y"]]
    result = assess({RUN: [answered]}, CLASSES, SETTINGS)
    assert result["discrimination"]["auc"].eq(1).all() and result["discrimination"]["auc_low"].isna().all()
    points = result["operating_points"]
    assert points["sensitivity"].eq(1).all() and (points["sensitivity_low"] < 0.95).all()
    row = whole(result["calibration"], "temperature")
    assert np.isnan(row["ece"]) and row["note"].startswith("every validation image is right")
    assert result["errors"]["errors"].iloc[0] == 0 and np.isnan(result["errors"]["top3"].iloc[0])


def test_without_validation_images_it_says_so() -> None:
    answered = predictions()
    with pytest.raises(LeukoFlowError, match="no labelled image of role validation"):
        assess({RUN: [answered[answered["role"] == "test"]]}, CLASSES, SETTINGS)
    with pytest.raises(LeukoFlowError, match="but 2 classes; predict again"):
        assess({RUN: [answered]}, CLASSES[:2], SETTINGS)


def test_bca_limits_are_scipys_for_calibration_and_discrimination() -> None:
    """Each of 240 images its own group, so that scipy can draw the same units."""
    table = predictions(planted=1.0)
    table["group"] = table["image_id"]
    settings = Evaluation(resamples=5000, interval="bca")
    tables = assess({RUN: [table]}, CLASSES, settings)
    test = table[table["role"] == "test"]
    y, shares = test["y"].to_numpy(), softmax(np.stack(test["logits"].to_list()).astype(float), axis=1)
    brier = ((shares - np.eye(3)[y]) ** 2).sum(1)

    def area(positive: np.ndarray, score: np.ndarray, axis: int = -1) -> np.ndarray:
        ranks, hits = rankdata(score, axis=-1), positive.sum(-1)
        pairs = hits * (positive.shape[-1] - hits)
        return ((ranks * positive).sum(-1) - hits * (hits + 1) / 2) / pairs

    areas = tables["discrimination"].set_index("class").loc["a"]
    plain = assess({RUN: [table]}, CLASSES, Evaluation(resamples=5000))["discrimination"].set_index("class").loc["a"]
    random = np.random.default_rng(3)
    for row, name, samples, statistic in (
        (whole(tables["calibration"], "none"), "brier", (brier,), np.mean),
        (areas, "auc", ((y == 0) * 1.0, shares[:, 0]), area),
    ):
        expected = bootstrap(
            samples, statistic, n_resamples=5000, method="BCa", paired=len(samples) > 1, batch=500, rng=random
        ).confidence_interval
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        assert (low, high) == pytest.approx(tuple(expected), abs=0.06 * (high - low))
    assert areas["auc_low"] < plain["auc_low"]  # an area near 1 is skewed to lower values
