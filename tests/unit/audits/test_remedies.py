"""Gains over a reference on the same changed images."""

import numpy as np
import pandas as pd
import pytest

from leukoflow.audits.remedies import COLUMNS, compare_with_reference
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run

SETTINGS = Evaluation(resamples=400)


def answers(right: dict[str, int], count: int = 100) -> pd.DataFrame:
    """Of `count` images the first ones are right, as many as said of each change."""
    y, parts = np.arange(count) % 2, []
    for family, number in right.items():
        said = np.where(np.arange(count) < number, y, 1 - y)
        table = pd.DataFrame({"image_id": [f"{number:03d}" for number in range(count)], "y": y, "target": ""})
        table["group"] = table["image_id"]
        level = np.nan if family == "none" else 0.25
        parts.append(table.assign(perturbation=family, level=level, probabilities=list(np.eye(2)[said])))
    return pd.concat(parts, ignore_index=True)


def run(model: str, view: str = "plain", seed: int = 1) -> Run:
    return Run("demo", "subtype", view, "image", model, 0, seed)


def test_a_view_and_a_model_are_held_to_the_reference_pair_by_pair() -> None:
    runs = [
        (run("net"), answers({"none": 90, "brightness": 40})),
        (run("net", "normalised"), answers({"none": 90, "brightness": 80})),
        (run("stained"), answers({"none": 85, "brightness": 70})),
        (run("colour_histogram"), answers({"none": 80, "brightness": 20})),
    ]
    gains = compare_with_reference("remedies", ("plain", "net"), runs, SETTINGS)
    assert list(gains.columns) == COLUMNS and gains["model"].iloc[0] == "colour_histogram"
    value = gains.set_index(["view", "model", "perturbation"])
    assert value.loc[("normalised", "net", "light"), "gain"] == pytest.approx(0.4)
    assert value.loc[("plain", "stained", "none"), "gain"] == pytest.approx(-0.05)
    same = value.loc[("normalised", "net", "none")]
    assert (same["gain"], same["low"], same["high"]) == (0, 0, 0)  # the same answers differ in no resample
    light = value.loc[("normalised", "net", "light")]
    # 40 of 100 pairs differ, all one way: the binomial deviation of that share.
    assert light["high"] - light["low"] == pytest.approx(2 * 1.96 * np.sqrt(0.4 * 0.6 / 100), rel=0.15)


def test_without_a_reference_there_is_nothing_and_other_images_are_told() -> None:
    table = answers({"none": 90, "jpeg": 40})
    assert compare_with_reference("remedies", ("plain", "net"), [(run("stained"), table)], SETTINGS).empty
    fewer = answers({"none": 9, "jpeg": 4}, 50)
    with pytest.raises(LeukoFlowError, match="met other images"):
        compare_with_reference("remedies", ("plain", "net"), [(run("net"), table), (run("stained"), fewer)], SETTINGS)
