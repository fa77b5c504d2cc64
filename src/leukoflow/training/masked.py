"""Sources of masks as step `annotate` writes them, and what a trained segmenter leaves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from leukoflow.cells.labels import CELL, CYTOPLASM, NUCLEUS
from leukoflow.cells.threshold import Thresholds, nucleus_mask
from leukoflow.core.files import read_table
from leukoflow.core.picture import Raster
from leukoflow.training.canvases import Source, median_diameter
from leukoflow.training.segmenter import FittedSegmenter, SegmenterEpoch

SPECK = 0.05
"""Diameter of specks that are no nucleus, in diameters of a cell."""


def masked_source(folder: Path, role: str) -> Source:
    """The images of one role."""
    rows = np.flatnonzero(read_table(folder / "index.parquet")["role"].to_numpy() == role)
    images, parts = (np.load(folder / f"{name}.npy", mmap_mode="r")[rows] for name in ("images", "parts"))
    return Source(folder.name, images, parts, median_diameter(parts))


def balance(sources: Sequence[Source]) -> None:
    """Take the lamp's colour out of the images, in place: as at inference, see `cells.segmenter.probabilities`."""
    for source in sources:
        source.images[:] = np.stack([Raster(image).balanced for image in source.images])


def derive_nuclei(sources: Sequence[Source]) -> None:
    """In sources without nuclei take the darker part of the cells of each image for them, in place: by Otsu's threshold
    within the cells, without specks. Background stays, so that only what was a cell's pixel is distinguished."""
    for source in sources:
        if (source.parts == NUCLEUS).any():
            continue
        side = max(3, round(SPECK * source.diameter) | 1)
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        for image, parts in zip(source.images, source.parts, strict=True):
            cells = parts == CELL
            nucleus = nucleus_mask(image, cells, Thresholds().nucleus).astype(np.uint8)
            inside = cells & (cv2.morphologyEx(nucleus, cv2.MORPH_OPEN, kernel) > 0)
            parts[cells] = np.where(inside[cells], NUCLEUS, CYTOPLASM)


def files_of(folders: Sequence[Path]) -> list[Path]:
    """The files that a training on these sources depends on."""
    return [folder / name for folder in folders for name in ("index.parquet", "images.npy", "parts.npy")]


def history_of(result: FittedSegmenter | None) -> pd.DataFrame:
    """An epoch in each row, or none."""
    epochs = result.history if result else ()
    return pd.DataFrame([vars(epoch) for epoch in epochs], columns=list(SegmenterEpoch.__dataclass_fields__))


def facts_of(result: FittedSegmenter, threads: int) -> dict[str, Any]:
    """What `segmenter.json` says of a training."""
    parameters = sum(weight.numel() for name, weight in result.weights.items() if not _is_statistic(name))
    return {
        "parameters": parameters, "best_epoch": result.best_epoch,
        "seconds": float(sum(epoch.seconds for epoch in result.history)), "device": result.device.type,
        "threads": threads,
    }  # fmt: skip


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))
