"""The image files of a manifest: which are a shard's, and their decoding with what must hold by then."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table
from leukoflow.core.geometry import Box
from leukoflow.core.picture import Picture, Raster
from leukoflow.core.shards import BAR, FILES, shard_slice
from leukoflow.images.geometry import stretched
from leukoflow.images.io import ImageError, read_bytes_image, read_file


@dataclass(frozen=True)
class Source:
    """An image file, its digest in the manifest, the ratio of width to height that it is stretched to (None: as it
    is), the bits that its camera filled (None: as the file states), and what is known of what comes of that: the box of
    its scale bar, and its scale, which may be an assumed one."""

    path: Path
    sha256: str
    aspect: float | None
    bits: int | None
    bar: Box | None
    um_per_pixel: float
    scale_known: bool


def listed(files: str | Path) -> pd.DataFrame:
    """The image files of a cohort, `FILES` of each, in the order of the manifest."""
    return read_table(files, FILES)


def shard_of(table: pd.DataFrame, shard: int, shards: int) -> pd.DataFrame:
    """The rows of one shard, numbered from 0."""
    return table.iloc[shard_slice(len(table), shard, shards)].reset_index(drop=True)


def sources(root: Path, rows: pd.DataFrame) -> list[Source]:
    """The image files of rows of `listed`."""
    files = []
    columns = ["path", "sha256", "aspect", "bits", "um_per_pixel", "scale_source", *BAR]
    for path, sha256, aspect, bits, um, origin, *box in rows[columns].itertuples(index=False, name=None):
        bar = None if any(pd.isna(box)) else (int(box[0]), int(box[1]), int(box[2]), int(box[3]))
        shape, depth = None if pd.isna(aspect) else float(aspect), None if pd.isna(bits) else int(bits)
        files.append(Source(root / path, sha256, shape, depth, bar, float(um), origin != "assumed"))
    return files


def read(source: Source, max_pixels: int) -> np.ndarray:
    """Decode a file of the manifest and stretch it to its aspect: RGB uint8 [H, W, 3]. Raises as `read_as_stored`."""
    return stretched(read_as_stored(source, max_pixels), source.aspect)


def read_picture(source: Source, max_pixels: int) -> Picture:
    """A file of the manifest with what was measured in it. Raises as `read_as_stored`."""
    return Picture(Raster(read(source, max_pixels)), source.bar, source.um_per_pixel, source.scale_known)


def read_as_stored(source: Source, max_pixels: int) -> np.ndarray:
    """Decode a file of the manifest, whose bytes must still be those of then: RGB uint8 [H, W, 3].

    Raises LeukoFlowError naming a file that has changed or cannot be read.
    """
    try:
        data = read_file(source.path, max_pixels)
        if hashlib.sha256(data).hexdigest() != source.sha256:
            raise LeukoFlowError(f"{source.path}: changed since it was measured; run again")
        return read_bytes_image(data, max_pixels, source.bits)
    except ImageError as error:
        raise LeukoFlowError(f"{source.path}: {error}; run again") from error
