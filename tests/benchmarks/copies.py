"""How long the search for copies takes among very many images, in how much memory, and what it finds.

`python tests/benchmarks/copies.py [COUNT]` (default 1000000) draws so many thumbnails in a new folder below the
temporary one, as `measure` would leave them, with copies whose pairs are known; runs the steps as the workflow does, two
jobs at a time; and prints seconds and memory of every job and the share of the planted copies that are found.
`--folder FOLDER` keeps what was drawn and made there, and goes on with what is there already. `--table FILE` keeps the
jobs as CSV.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from leukoflow.config.quality import Quality
from leukoflow.core.shards import shard_count, shard_slice
from leukoflow.quality.hashing import THUMBNAIL, difference_hash, to_hex
from leukoflow.quality.measure import STAIN_COLUMNS
from leukoflow.quality.orientations import TURNED, laid

CORES = 2
PLANTED = 100
"""Copies of each kind."""
NOISE = 64
"""Pictures of noise that are drawn once and rolled about."""
LABELS = ("Benign", "Early", "Pre", "Pro")


def saved(image: np.ndarray, quality: int = 95) -> np.ndarray:
    """As JPEG and back."""
    data = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def warped(image: np.ndarray, degrees: float = 0.0, zoom: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Turned and zoomed about the middle, and shifted by pixels, reflected at the edge."""
    matrix = cv2.getRotationMatrix2D(((THUMBNAIL - 1) / 2,) * 2, degrees, zoom)
    matrix[:, 2] += (shift, -shift)
    return cv2.warpAffine(np.ascontiguousarray(image), matrix, (THUMBNAIL, THUMBNAIL), borderMode=cv2.BORDER_REFLECT_101)


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "the same file": lambda image: image,
    "saved again as JPEG of quality 75": lambda image: saved(image, 75),
    "shifted by 3 pixels of the thumbnail": lambda image: saved(warped(image, shift=3)),
    **{words: lambda image, k=k: saved(laid(image, k)) for k, words in enumerate(TURNED) if k},
    "turned by 15 degrees": lambda image: saved(warped(image, 15)),
    "middle 90 % of the side": lambda image: saved(warped(image, 0, 1 / 0.9)),
}
"""Each kind of copy in words."""


def picture(number: int, noise: np.ndarray) -> np.ndarray:
    """Grey picture of stained discs on a light ground, uint8 [64, 64]: 25 in turn share the ground of one slide."""
    rng = np.random.default_rng(number)
    ground = int(np.random.default_rng([7, number // 25]).integers(200, 245))
    kept, x, y, count = rng.integers((NOISE, THUMBNAIL, THUMBNAIL, 16)).tolist()
    image = np.roll(noise[kept], (y, x), (0, 1)) + np.int16(ground)
    discs = rng.integers((0, 0, 3, 20), (THUMBNAIL, THUMBNAIL, 10, 120), (8 + count, 4)).tolist()
    image = image.astype(np.uint8)
    for x, y, radius, darker in discs:
        cv2.circle(image, (x, y), radius, ground - darker, -1)
    return image


def planted(count: int) -> dict[int, tuple[int, str]]:
    """Rows that are copies: of which row, and of which kind. Both lie anywhere among the others."""
    rows = np.random.default_rng(3).permutation(count)[: 2 * PLANTED * len(COPIES)].reshape(-1, 2)
    kinds = np.repeat(list(COPIES), PLANTED)
    return {int(copy): (int(origin), str(kind)) for (origin, copy), kind in zip(rows, kinds, strict=False)}


def draw(folder: Path, count: int, shard: int) -> pd.DataFrame:
    """Thumbnails of a shard, which are written, and the facts about its images."""
    cv2.setNumThreads(1)
    noise = np.random.default_rng(0).normal(0, 2, (NOISE, THUMBNAIL, THUMBNAIL)).astype(np.int16)
    copies, rows = planted(count), range(count)[shard_slice(count, shard, shard_count(count))]
    thumbnails, facts = np.empty((len(rows), THUMBNAIL, THUMBNAIL), np.uint8), []
    for place, row in enumerate(rows):
        origin, kind = copies.get(row, (row, ""))
        image = picture(origin, noise)
        image = COPIES[kind](image) if kind else image
        thumbnails[place] = image
        hashed = to_hex(difference_hash(cv2.cvtColor(image, cv2.COLOR_GRAY2RGB)))
        facts.append((f"{row}.jpg", LABELS[row % 4], hashlib.sha256(image.tobytes()).hexdigest(), hashed))
    target = folder / f"thumbnails/{shard:03d}.npy"
    np.save(target, thumbnails)
    return pd.DataFrame(facts, columns=["image_id", "label", "sha256", "dhash"])


def prepare(folder: Path, count: int) -> None:
    """What `measure` and `manifest` leave of a cohort of drawn images."""
    (folder / "thumbnails").mkdir(parents=True, exist_ok=True)
    shards = shard_count(count)
    with ProcessPoolExecutor(CORES) as pool:
        parts = pool.map(draw, [folder] * shards, [count] * shards, range(shards))
        table = pd.concat(parts, ignore_index=True)
    table = table.assign(slide=pd.Series(pd.NA, table.index, "string"), width=THUMBNAIL, height=THUMBNAIL)
    stain = np.random.default_rng(1).normal(0, 1, (count, len(STAIN_COLUMNS))).astype(np.float32)
    quality = pd.concat([table[["image_id", "dhash"]], pd.DataFrame(stain, columns=list(STAIN_COLUMNS))], axis=1)
    quality.to_parquet(folder / "quality.parquet")
    table.drop(columns="dhash").to_parquet(folder / "manifest.parquet")


if __name__ == "__main__":
    folder, count = Path(sys.argv[1]), int(sys.argv[2])
    prepare(folder, count)
