"""Accuracy against the number of training images."""

import pandas as pd
import pytest

from leukoflow.config.models import Model
from leukoflow.core.runs import Run
from leukoflow.stats.sample_size import COLUMNS, sample_size

MODELS = {
    "net": Model(architecture="neurallnet"),
    "net_share25": Model(architecture="neurallnet", training={"share": 0.25}),
    "other": Model(architecture="neurallnet", training={"epochs": 3}),
}


def scores(model: str, seed: int, value: float, view: str = "plain", groups: int = 40) -> pd.DataFrame:
    run = Run("demo", "subtype", view, "image", model, 0, seed)
    rows = [
        {
            "metric": metric,
            "class": label,
            "value": value,
            "low": value - width,
            "high": value + width,
            "resampling": over,
        }
        for metric, label in (("accuracy", ""), ("f1", ""), ("f1", "Pro"), ("auc", ""))
        for over, width in (("images", 0.1), ("groups", 0.2))
    ]
    facts = {"target": "demo", "role": "test", "subset": "all", "n": 40, "groups": groups}
    return pd.DataFrame(rows).assign(**run.columns(), **facts)


def test_seeds_are_averaged_and_the_family_has_the_name_of_the_whole() -> None:
    parts = [scores("net", seed, 0.9 + seed / 100) for seed in (0, 2)]
    parts += [scores("net_share25", seed, 0.5 + seed / 10) for seed in (0, 2)] + [scores("other", 0, 0.3)]
    images = {Run("demo", "subtype", "plain", "image", name, 0, seed): count + seed
              for name, count in (("net", 400), ("net_share25", 100)) for seed in (0, 2)}  # fmt: skip
    table = sample_size(pd.concat(parts), MODELS, images)
    assert (
        list(table.columns) == COLUMNS and set(table["model"]) == {"net"} and set(table["metric"]) == {"accuracy", "f1"}
    )
    row = table[(table["metric"] == "accuracy") & (table["share"] == 0.25)].iloc[0]
    assert row["value"] == pytest.approx(0.6) and row["sd"] == pytest.approx(0.1 * 2**0.5) and row["runs"] == 2
    assert (row["train_images"], row["resampling"]) == (101, "images") and row["low"] == pytest.approx(0.5)
    assert table["share"].tolist() == [0.25] * 3 + [1.0] * 3


def test_a_view_with_one_share_is_no_curve_and_groups_give_the_limits() -> None:
    images = {Run("demo", "subtype", view, "image", name, 0, 0): 10 for view in ("plain", "grey") for name in MODELS}
    parts = [scores("net", 0, 0.9, "grey"), scores("net", 0, 0.9, groups=8), scores("net_share25", 0, 0.5, groups=8)]
    table = sample_size(pd.concat(parts), MODELS, images)
    assert set(table["view"]) == {"plain"} and set(table["resampling"]) == {"groups"}
    assert table["low"].iloc[0] == pytest.approx(0.3)
    assert sample_size(parts[0], MODELS, images).empty
