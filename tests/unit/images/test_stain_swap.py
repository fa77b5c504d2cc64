"""Pictures in the colours of others, and shortcuts taken away."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from leukoflow.config.shortcuts import Shortcuts
from leukoflow.core.files import write_table
from leukoflow.core.foreground import foreground_mask
from leukoflow.images.shards import open_view
from leukoflow.images.shortcut_changes import shortcut_changes, targets
from leukoflow.images.stain_swap import Look, look_of, mean_look, recoloured

PINK, BLUE = ((240, 225, 232), (170, 90, 150)), ((222, 228, 238), (95, 85, 170))


def smear(colours, radius=12, seed=0) -> np.ndarray:
    """Three textured discs on a ground: uint8 [96, 96, 3]."""
    random = np.random.default_rng(seed)
    image = np.full((96, 96, 3), colours[0], np.float64) + random.normal(0, 2, (96, 96, 3))
    y, x = np.mgrid[:96, :96]
    for row, column in ((28, 30), (65, 26), (48, 70)):
        inside = (y - row) ** 2 + (x - column) ** 2 < radius**2
        image[inside] = np.array(colours[1]) + random.normal(0, 10, (inside.sum(), 1))
    return np.clip(image, 0, 255).astype(np.uint8)


def test_recoloured_pictures_have_the_targets_look_and_their_own_shapes():
    image, target = smear(PINK), look_of(smear(BLUE, seed=1))
    changed = recoloured(image, target)
    assert changed.shape == image.shape and changed.dtype == np.uint8
    assert np.abs(look_of(changed).mean - target.mean).max() < 5
    assert np.abs(look_of(image).mean - target.mean).max() > 15
    before, after = foreground_mask(image), foreground_mask(changed)
    assert (before & after).sum() / (before | after).sum() > 0.9


def test_a_picture_in_its_own_look_stays_as_it_is():
    image = smear(PINK)
    assert np.abs(recoloured(image, look_of(image)).astype(int) - image).mean() < 2


def test_what_a_look_lacks_keeps_its_colours():
    image = smear(PINK)
    nothing = Look(np.full((2, 3), np.nan), np.full((2, 3), np.nan))
    assert np.abs(recoloured(image, nothing).astype(int) - image).max() < 6
    blank = np.full((32, 32, 3), 230, np.uint8)
    assert np.isnan(look_of(blank).mean[0]).all()
    assert mean_look([look_of(blank), look_of(image)]).mean[0] == pytest.approx(look_of(image).mean[0])


@pytest.fixture
def view(tmp_path: Path):
    """Twelve smears, pink ones of class 0 and blue ones of class 1, in clusters of three."""
    images = np.stack([smear(PINK if number < 6 else BLUE, seed=number) for number in range(12)])
    names = [f"{number}" for number in range(12)]
    np.save(tmp_path / "000.npy", images)
    write_table(tmp_path / "000.parquet", pd.DataFrame({"image_id": names}))
    (tmp_path / "view.json").write_text(json.dumps({"shards": ["0"]}))
    y = [int(number >= 6) for number in range(12)]
    return open_view(tmp_path / "view.json"), pd.DataFrame(
        {"image_id": names, "y": y, "cluster": [f"c{number // 3}" for number in range(12)]}
    )


def test_targets_are_the_classes_and_clusters_spread_over_them(view):
    data, train = view
    looks = targets(data, train, ["A", "B"], Shortcuts(stain_clusters=2, stain_images=4), 1)
    assert list(looks)[:2] == ["class:A", "class:B"]
    clusters = list(looks)[2:]
    assert len(clusters) == 2 and {cluster.split(":")[1] for cluster in clusters} == {"A", "B"}
    assert np.abs(looks["class:A"].mean - look_of(smear(PINK)).mean).max() < 3
    again = targets(data, train, ["A", "B"], Shortcuts(stain_clusters=2, stain_images=4), 1)
    assert list(again) == list(looks)


def test_a_class_without_a_picture_in_the_view_is_no_target(view):
    """As if no white cell was found in any of its images."""
    data, train = view
    without = pd.DataFrame({"image_id": ["x", "y"], "y": [2, 2], "cluster": ["c9", "c9"]})
    looks = targets(data, pd.concat([train, without], ignore_index=True), ["A", "B", "C"], Shortcuts(), 1)
    assert {target.split(":")[1] for target in looks} == {"A", "B"}


def test_scales_come_together_and_ground_becomes_flat(view):
    data, train = view
    scales = pd.Series([0.2] * 11 + [0.4], index=train["image_id"])
    rows = np.array([0, 11])
    changes = shortcut_changes(data, rows, train, scales, ["A", "B"], Shortcuts(stain_clusters=0), 1)
    assert [change.family for change in changes] == ["stain_swap", "stain_swap", "cells_only", "common_scale"]
    images = data.gather(rows)
    scaled = changes[-1].by_place(images, 0)
    assert np.array_equal(scaled[0], images[0])
    # Twice as many micrometres a pixel: enlarged twice, so that the first disc reaches over the corner.
    areas = [foreground_mask(image).mean() for image in (images[1], scaled[1])]
    assert 1.9 < areas[1] / areas[0] < 4.5
    flat = changes[2].apply(images, np.random.default_rng(0))
    assert (flat[0][:5, :5] == 255).all() and (flat[0] < 255).any()
