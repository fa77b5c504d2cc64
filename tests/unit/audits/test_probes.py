"""Probes: what they see, what they must not see, how they are scored."""

import cv2
import numpy as np
import pandas as pd
import pytest
import torch

from leukoflow.audits.probe_features import PICTURE_FEATURES, picture_features
from leukoflow.audits.probes import (
    KINDS,
    answers,
    chance_of,
    probe_scores,
    sampled,
    table_features,
)
from leukoflow.config.evaluation import Evaluation
from leukoflow.models import colour_histogram


def picture(ground=(225, 210, 220), cell=(110, 60, 150), radius=9, centre=(40, 40), seed=0) -> np.ndarray:
    """A purple disc on a pale ground with a little noise: uint8 [96, 96, 3]."""
    image = np.full((96, 96, 3), ground, np.float64) + np.random.default_rng(seed).normal(0, 1.5, (96, 96, 3))
    y, x = np.mgrid[:96, :96]
    image[(y - centre[0]) ** 2 + (x - centre[1]) ** 2 < radius**2] = cell
    return np.clip(image, 0, 255).astype(np.uint8)


def test_features_have_their_sizes_and_are_finite_even_where_there_is_no_cell():
    for image in (picture(), np.full((40, 60, 3), 200, np.uint8), np.zeros((40, 40, 3), np.uint8)):
        features = picture_features(image)
        assert {name: len(values) for name, values in features.items()} == PICTURE_FEATURES
        assert all(np.isfinite(values).all() for values in features.values())


def test_background_does_not_see_the_cells():
    small, large = picture_features(picture(radius=6)), picture_features(picture(radius=16, cell=(60, 20, 90)))
    assert np.abs(small["background"] - large["background"]).max() < 0.2
    other = picture_features(picture(ground=(235, 225, 200)))
    assert np.abs(small["background"] - other["background"]).max() > 5
    assert large["cell_size"][0] == pytest.approx(32 / 96, rel=0.08)
    assert small["cell_density"][2] == 1


def test_histogram_is_that_of_the_colour_baseline():
    image = picture(seed=3)
    model = colour_histogram.build(4, 1)
    expected = model.features(torch.from_numpy(image).permute(2, 0, 1)[None].float() / 255)[0].numpy()
    histogram = picture_features(image)["colour_histogram"]
    assert histogram.reshape(3, 16).sum(axis=1) == pytest.approx(1)
    # Eight-bit Lab rounds: a pixel next to an edge may fall into the next bin.
    assert np.abs(np.cumsum(histogram.reshape(3, 16), 1) - np.cumsum(expected.reshape(3, 16), 1)).mean() < 0.03


def test_corner_does_not_see_the_stain_but_a_mark():
    plain = picture_features(picture(centre=(30, 30)))["corner"]
    pinker = picture_features(picture(ground=(235, 200, 215), centre=(30, 30)))["corner"]
    marked = picture(centre=(30, 30))
    cv2.rectangle(marked, (75, 85), (90, 88), (226, 24, 32), -1)
    assert np.abs(plain - pinker).max() < 6
    assert np.abs(plain - picture_features(marked)["corner"]).max() > 40


def facts() -> pd.DataFrame:
    table = pd.DataFrame({"path": ["a/x_007.jpg", "b/12-3.png", "none.jpg"], "bytes": [10, 20, 30], "width": 200})
    table = table.assign(height=100, focus=[0.1, 0.2, 0.3], um_per_pixel=[0.2, np.nan, 0.4])
    for name, value in (("bar_x0", 150), ("bar_y0", 80), ("bar_x1", 190), ("bar_y1", 95)):
        table[name] = pd.array([value, None, None], "Int32")
    return table.assign(bar_colour=pd.array(["red", None, None], "string"))


def test_table_features_are_those_of_file_and_scale():
    features = table_features(facts(), np.zeros((3, 128), np.float32))
    assert features["file_number"].ravel().tolist() == [7, 3, -1]
    assert features["scale_bar"][0].tolist() == [0.75, 0.8, 0.95, 0.95, 1, 0]
    assert features["scale_bar"][1].tolist() == [-1, -1, -1, -1, 0, 0]
    assert features["magnification"].ravel().tolist() == pytest.approx([0.2, 0.3, 0.4])
    assert set(features) | set(PICTURE_FEATURES) == set(KINDS)


def split(count: int = 240) -> pd.DataFrame:
    y = np.arange(count) % 4
    role = np.where(np.arange(count) % 8 < 4, "train", np.where(np.arange(count) % 16 < 8, "validation", "test"))
    names = [f"{number}" for number in range(count)]
    return pd.DataFrame({"image_id": names, "y": y, "group": names, "fold": 0, "role": role})


def test_a_probe_that_is_told_the_class_is_right_and_one_of_noise_is_within_chance():
    table = split()
    told = table["y"].to_numpy(float)[:, None]
    noise = np.random.default_rng(0).normal(size=(len(table), 3))
    rows = {name: row for row, name in enumerate(table["image_id"])}
    said = answers({"background": told, "focus": noise}, rows, table, 20, 1, 1)
    assert set(said["role"]) == {"validation", "test"}
    scores = probe_scores(said, Evaluation(resamples=300)).set_index("probe")
    assert scores.loc["background", "accuracy"] == pytest.approx(1)
    assert scores.loc["background", "low"] < 1  # Wilson's, if every answer is right
    assert scores.loc["focus", "low"] < scores.loc["focus", "chance"] == 0.25 < scores.loc["focus", "high"]


def test_test_labels_do_not_reach_the_forests():
    table = split()
    rows = {name: row for row, name in enumerate(table["image_id"])}
    values = {"focus": np.random.default_rng(0).normal(size=(len(table), 3)) + table["y"].to_numpy()[:, None]}
    changed = table.assign(y=np.where(table["role"] == "train", table["y"], (table["y"] + 1) % 4))
    first, second = (answers(values, rows, labelled, 20, 1, 1) for labelled in (table, changed))
    assert first["right"].mean() > 0.4
    # What was right before names another class than it should now: right on none of them.
    assert not (first["right"] & second["right"]).any()


def test_samples_are_bounded_and_the_same_again():
    table = split()
    few = sampled(table, 10, 3)
    assert few.groupby("role").size().tolist() == [10, 10, 10]
    pd.testing.assert_frame_equal(few, sampled(table, 10, 3))
    assert len(sampled(table, 1000, 3)) == len(table)


def test_chance_is_the_largest_class():
    assert chance_of(np.array([0, 0, 0, 1, 2])) == 0.6
