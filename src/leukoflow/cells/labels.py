"""Label maps: which white cell a pixel belongs to, and whether it is nucleus.

A label map is uint16 [H, W]: 0 background, 2 k in the cytoplasm and 2 k + 1 in the nucleus of cell k = 1, 2, ...
A parts map forgets the cells: uint8 [H, W], `BACKGROUND`, `CYTOPLASM`, `NUCLEUS`, and in masks that say less `CELL`
(its nucleus is not distinguished) or `UNKNOWN` (not annotated).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_table, reserve
from leukoflow.core.geometry import content_box
from leukoflow.core.rows import Rows, mapped

BACKGROUND, CYTOPLASM, NUCLEUS, CELL, UNKNOWN = 0, 1, 2, 3, 255
PARTS = ("cell", "nucleus")


def parts_of(labels: np.ndarray) -> np.ndarray:
    """Parts map uint8 [...] of label maps uint16 [...]."""
    return np.where(labels == 0, BACKGROUND, np.where(labels & 1, NUCLEUS, CYTOPLASM)).astype(np.uint8)


def fit_map(labels: np.ndarray, size: int) -> np.ndarray:
    """A label or parts map scaled like `core.geometry.letterbox` scales its image: [H, W] -> [size, size].

    Nearest neighbour; 0 on the padding.
    """
    height, width = labels.shape
    x0, y0, x1, y1 = content_box(height, width, size)
    if max(height, width) != size:
        labels = cv2.resize(labels, (x1 - x0, y1 - y0), interpolation=cv2.INTER_NEAREST_EXACT)
    return cv2.copyMakeBorder(labels, y0, size - y1, x0, size - x1, cv2.BORDER_CONSTANT, value=0)


def write_maps(path: str | Path, maps: Iterable[np.ndarray], count: int, size: int, dtype: type = np.uint16) -> None:
    """Write `count` maps [size, size], one at a time, to an .npy file [count, size, size] that is whole or absent."""
    with atomic(path) as temporary:
        if not count:
            np.save(temporary, np.empty((0, size, size), dtype))
            return
        rows = np.lib.format.open_memmap(temporary, "w+", dtype, (count, size, size))
        reserve(temporary, path)
        written = 0
        for written, labels in enumerate(maps, start=1):
            rows[written - 1] = labels
        if written != count:
            raise LeukoFlowError(f"{path}: {written} maps, {count} announced; rerun the manifest")
        rows.flush()


@dataclass(frozen=True)
class LabelMaps(Rows):
    """Label maps of a cohort over all its shards, uint16 [n, S, S] each."""

    size: int
    """Side of the maps, pixels."""
    missing = "has no label map; segment its cohort again"

    def gather(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The maps of these rows, in their order: uint16 [k, S, S]."""
        maps = np.empty((np.size(rows), self.size, self.size), np.uint16)
        for path, places, inside in self.by_file(rows):
            maps[places] = mapped(path, "label maps")[inside]
        return maps


def labels_by_id(paths: Iterable[str | Path], image_ids: Sequence[str]) -> dict[str, np.ndarray]:
    """Label map uint16 [S, S] of each of these images, from the .npy files of their cohort."""
    maps = open_labels(paths)
    return dict(zip(image_ids, maps.gather(maps.rows_of(image_ids)), strict=True))


def open_labels(paths: Iterable[str | Path]) -> LabelMaps:
    """Open the label maps of a cohort by the .npy paths of its shards, each with its .parquet index next to it.

    Raises LeukoFlowError naming a file that is missing, damaged or does not fit its index.
    """
    files, sizes, starts, identifiers = tuple(map(Path, paths)), set(), [0], []
    for path in files:
        array = mapped(path, "label maps")
        index = read_table(path.with_suffix(".parquet"), ["image_id"])["image_id"].to_numpy(object)
        if array.ndim != 3 or array.dtype != np.uint16 or len(index) != len(array):
            layout = f"{array.dtype} {list(array.shape)}"
            raise LeukoFlowError(f"{path}: {layout} for {len(index)} images; delete both and segment again")
        sizes.add(array.shape[1])
        starts.append(starts[-1] + len(array))
        identifiers.append(index)
    if not files:
        raise LeukoFlowError("no label maps were given; segment the cohort first")
    if len(sizes) > 1:
        raise LeukoFlowError(f"{files[0].parent}: label maps of several sizes {sorted(sizes)}; segment again")
    return LabelMaps(files, np.array(starts, np.int64), np.concatenate(identifiers), False, sizes.pop())
