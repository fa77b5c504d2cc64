"""Step augment_examples: the panel's images, changed as training would."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from leukoflow.config.training import Augmentation
from leukoflow.core.files import write_json, write_table
from leukoflow.steps import augment_examples
from leukoflow.training.augment import augment

CLASSES = ["Benign", "Early", "Pre"]
SIDE = 16


def make(root: Path, augmentation: dict, seed: int) -> tuple[np.ndarray, pd.DataFrame, np.ndarray]:
    """Pictures of a cohort, and what the step makes of them."""
    ids = [f"{number}" for number in range(6)]
    labels = ["Benign", "Benign", "Early", "Early", "Early", None]
    write_table(root / "manifest.parquet", pd.DataFrame({"image_id": ids, "label": labels}))
    write_table(root / "images.parquet", pd.DataFrame({"image_id": ids, "cells": [1, 3, 9, 2, 2, 2]}))
    pictures = np.random.default_rng(0).integers(0, 256, (6, SIDE, SIDE, 3), np.uint8)
    np.save(root / "000.npy", pictures)
    write_table(root / "000.parquet", pd.DataFrame({"image_id": ids}))
    write_json(root / "view.json", {"shards": ["000"]})
    output = root / "augmented/000.npy"
    options = ["--settings", json.dumps(augmentation), "--seed", str(seed), "--task", json.dumps({"classes": CLASSES})]
    files = {"manifest": "manifest.parquet", "images": "images.parquet", "view": "view.json"}
    options += [text for name, file in files.items() for text in (f"--{name}", str(root / file))]
    augment_examples.main([*options, "--output", str(output)])
    return pictures, pd.read_parquet(output.with_suffix(".parquet")), np.load(output)


def test_a_mirrored_picture_is_that_of_the_panel_turned_about(tmp_path: Path) -> None:
    # Which are mirrored is drawn; of two images both ways are met under some seed.
    met = set()
    for seed in range(6):
        pictures, index, changed = make(tmp_path, {"flip_horizontal": True}, seed)
        # The class Pre has no image; of the others the one with the median number of cells, near the middle.
        assert index["image_id"].tolist() == ["1", "3"] and changed.dtype == np.uint8
        for row, number in enumerate((1, 3)):
            mirrored = (changed[row] == pictures[number, :, ::-1]).all()
            assert mirrored or (changed[row] == pictures[number]).all()
            met.add((number, bool(mirrored)))
    assert len(met) == 4


def test_it_is_what_training_makes_of_them_and_the_same_again(tmp_path: Path) -> None:
    settings = {"rotation": 20, "brightness": 0.3, "scale": [0.8, 1.0]}
    pictures, _, changed = make(tmp_path, settings, 7)
    x = torch.from_numpy(pictures[[1, 3]]).permute(0, 3, 1, 2).float() / 255
    expected = augment(x, torch.arange(2), Augmentation.model_validate(settings), 7, 0).permute(0, 2, 3, 1)
    assert np.abs(changed / 255 - expected.numpy()).max() < 0.003
    assert np.array_equal(make(tmp_path, settings, 7)[2], changed)
    assert not np.array_equal(make(tmp_path, settings, 8)[2], changed)
