"""Implausible exposures, planted one by one in a drawn field."""

import os
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest

from leukoflow.core.exposure import BLACK, FLAT, FULL, WHITE, bits_filled, implausible
from leukoflow.images.io import ImageError, read_image
from leukoflow.quality.measure import measure

DATA = os.environ.get("LEUKOFLOW_DATA")


def field(seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    image = np.full((200, 260, 3), (225, 215, 230), np.uint8)
    for _ in range(12):
        centre = (int(random.integers(260)), int(random.integers(200)))
        cv2.circle(image, centre, 14, (205, 150, 170), -1)
    cv2.circle(image, (130, 100), 26, (110, 60, 140), -1)
    return np.clip(image + random.normal(0, 2, image.shape), 0, 255).astype(np.uint8)


def faults(*images: np.ndarray) -> list[str | None]:
    table = pd.DataFrame([measure(image, with_scale=False).columns() for image in images])
    return [None if pd.isna(fault) else fault for fault in implausible(table)]


@pytest.mark.parametrize("bits", [10, 12, 13, 14])
def test_fewer_bits_taken_for_sixteen_are_nearly_black(bits: int) -> None:
    assert faults((field() / 2 ** (16 - bits)).astype(np.uint8)) == [BLACK]


def test_other_faults_and_none() -> None:
    bright = np.clip(field().astype(int) // 12 + 240, 0, 255).astype(np.uint8)
    grey = (field() / 32 + 120).astype(np.uint8)
    assert faults(field(), bright, grey, np.full_like(field(), 128)) == [None, WHITE, FLAT, FLAT]


def test_usual_light_is_no_fault() -> None:
    """From half to one and a half of the light, and a field without a white cell."""
    assert (
        faults(*((field(seed) * light).clip(0, 255).astype(np.uint8) for seed, light in enumerate((0.55, 0.8, 1.1))))
        == [None] * 3
    )


@pytest.mark.parametrize(
    ("greatest", "bits"), [([3984, 900], 12), ([4096], 13), ([60000, 3000], None), ([255], 8), ([], None)]
)
def test_bits_that_a_cohort_fills(greatest: list[int], bits: int | None) -> None:
    table = pd.DataFrame({"top": [FULL] * len(greatest), "greatest": greatest})
    shallow = pd.DataFrame({"top": [255, 4095], "greatest": [255, 4095]})
    assert bits_filled(pd.concat([table, shallow], ignore_index=True).astype("Int64")) == bits


@pytest.mark.skipif(not DATA, reason="LEUKOFLOW_DATA is not set")
def test_real_smears_are_plausible() -> None:
    files = [file for file in sorted(Path(str(DATA)).rglob("*.*")) if file.suffix in (".jpg", ".png")]
    files = [file for file in files if "mask" not in str(file).lower()][::80]
    images = []
    for file in files:
        try:
            images.append(read_image(file, 10**8))
        except ImageError:
            continue
    results = faults(*images)
    assert len(results) > 10
    assert sum(result is not None for result in results) <= 0.05 * len(results)
