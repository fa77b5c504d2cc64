"""Sets of duplicates and acquisition clusters."""

import numpy as np
import pandas as pd
import pytest
from scipy.spatial.distance import cosine
from sklearn.metrics import adjusted_rand_score

from leukoflow.config.load import parse_study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.quality import groups
from leukoflow.quality.groups import acquisition_groups, duplicate_groups, linked_pairs

STAIN = ("background_L_mean", "foreground_a_mean")


def test_chains_of_pairs_are_one_set_also_across_cohorts() -> None:
    images = pd.DataFrame({"cohort": ["x", "x", "x", "y", "y"], "image_id": ["a", "b", "c", "a", "d"]})
    pairs = pd.DataFrame(
        [("x", "a", "x", "c"), ("x", "c", "y", "d")], columns=["cohort_a", "image_a", "cohort_b", "image_b"]
    )
    assert duplicate_groups(images, pairs).tolist() == ["x/a", "x/b", "x/a", "y/a", "x/a"]
    assert duplicate_groups(images, pairs[:0]).tolist() == ["x/a", "x/b", "x/c", "y/a", "y/d"]


def test_links_are_those_of_a_cosine_computed_pair_by_pair(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(groups, "BLOCK", 7)
    rng = np.random.default_rng(4)
    values = rng.normal(5, 1, (40, 6)).astype(np.float32)
    values[33] = values[2] + 0.01
    values[39] = values.mean(axis=0)
    centred = values.astype(np.float64) - values.mean(axis=0, dtype=np.float64)
    wanted = {
        (i, j) for i in range(40) for j in range(i + 1, 40) if 1 - cosine(centred[i], centred[j]) >= 0.8
    }  # fmt: skip
    links = linked_pairs(values, 0.8)
    assert {tuple(pair) for pair in links.tolist()} == wanted and len(links) == len(wanted) > 3
    assert (2, 33) in wanted
    same = np.ones((3, 2), np.float32)
    assert linked_pairs(same, 0.5).shape == (0, 2)  # nothing tells them from the mean


@pytest.mark.parametrize(
    ("deep", "message"),
    [
        ({"features": "none", "view": "plain"}, "'none' is not in section features"),
        ({"features": "cells", "view": "plain"}, "cells is of no network"),
        ({"features": "net", "view": "masked"}, "need masks or splits"),
        ({"features": "net", "view": "fitted"}, "need masks or splits"),
    ],
)
def test_links_by_features_need_what_is_known_before_the_groups(deep: dict, message: str) -> None:
    study = {
        "study": "s",
        "cohorts": {"home": {"kind": "synthetic"}},
        "tasks": {"kind": {"classes": ["a", "b"]}},
        "views": {
            "plain": {"kind": "plain"},
            "masked": {"kind": "masked"},
            "fitted": {"kind": "normalised", "reinhard": {"target": "training"}},
        },
        "features": {"net": {"kind": "deep", "backbones": [{"name": "resnet18"}]}, "cells": {"kind": "morphology"}},
        "models": {"net": {"architecture": "neurallnet"}},
        "experiments": {"one": {"cohort": "home", "task": "kind", "models": ["net"], "views": ["plain"]}},
    }
    assert parse_study(study | {"quality": {"deep": {"features": "net", "view": "plain"}}}).quality.deep
    with pytest.raises(LeukoFlowError, match=message):
        parse_study(study | {"quality": {"deep": deep}})


def slides(per_slide: int, seed: int = 0) -> tuple[pd.DataFrame, np.ndarray]:
    """Two classes of four slides each, every slide with a stain of its own."""
    rng = np.random.default_rng(seed)
    truth = np.repeat(np.arange(8), per_slide)
    centres = np.array([[x, y] for x in (0, 40) for y in (0, 30, 60, 90)], float)
    values = centres[truth] + rng.normal(0, 1.5, (len(truth), 2))
    table = pd.DataFrame(values, columns=list(STAIN)).assign(
        label=np.where(truth < 4, "Benign", "Pro"), slide=pd.array([None] * len(truth), "string")
    )
    return table, truth


@pytest.mark.parametrize("large", [False, True])
def test_clusters_are_the_slides_within_each_class(large: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if large:
        monkeypatch.setattr(groups, "MOST_AGGLOMERATED", 50)
    table, truth = slides(60)
    clusters = acquisition_groups(table, STAIN, 4)
    assert adjusted_rand_score(truth, clusters) > 0.99
    assert all(name.startswith(f"{label}-") for name, label in zip(clusters, table["label"], strict=True))
    np.testing.assert_array_equal(clusters, acquisition_groups(table, STAIN, 4))


def test_known_slides_are_taken_and_unlabelled_images_stand_apart() -> None:
    table, _ = slides(10)
    table.loc[:4, "slide"] = "s7"
    table.loc[75:, "label"] = None
    clusters = acquisition_groups(table, STAIN, 3)
    assert set(clusters[:5]) == {"slide:s7"} and not any(name.startswith("slide:") for name in clusters[5:])
    assert all(name.startswith("unlabelled-") for name in clusters[75:])
    assert len(set(clusters[40:75])) == 3


def test_constant_columns_and_few_images_do_no_harm() -> None:
    table, _ = slides(1)
    table[STAIN[0]] = 5.0
    clusters = acquisition_groups(table[:1], STAIN, 12)
    assert clusters.tolist() == ["Benign-000"]
    assert len(acquisition_groups(table, STAIN, 2)) == len(table)
