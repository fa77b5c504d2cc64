"""Render one shard of a cohort in one view: an array of images and the index of its rows."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.shards import shard_slice
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.geometry import Box
from leukoflow.images.io import ImageError, read_bytes_image, read_file
from leukoflow.images.shards import write_shard
from leukoflow.images.views import render_view

BAR = ["bar_x0", "bar_y0", "bar_x1", "bar_y1"]


@dataclass(frozen=True)
class Source:
    """An image file, its digest in the manifest, and the box of its scale bar."""

    path: Path
    sha256: str
    bar: Box | None


def main(argv: list[str] | None) -> int | None:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(View), required=True, help="the view, as JSON")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--manifest", required=True)
    arguments.add_argument("--quality", required=True, help="table with the boxes of the scale bars")
    arguments.add_argument("--shard", type=int, required=True)
    arguments.add_argument("--shards", type=int, required=True)
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", required=True, help=".npy")
    arguments.add_argument("--index", required=True, help=".parquet")
    options = arguments.parse_args(argv)

    cv2.setNumThreads(1)  # the threads are ours, one image each
    rows = _rows(options.manifest, options.quality, options.shard, options.shards)
    sources = _sources(options.root, rows)

    def render(source: Source) -> np.ndarray:
        return render_view(_read(source, options.max_pixels), options.settings, source.bar)

    images = progress(thread_map(render, sources, options.threads), len(sources), "image")
    digest = write_shard(options.output, images, len(sources), options.settings.size)
    write_table(options.index, rows[["image_id"]].assign(shard_digest=digest))
    return None


def _rows(manifest: str, quality: str, shard: int, shards: int) -> pd.DataFrame:
    """The shard's rows of the manifest with the boxes of the scale bars."""
    table = read_table(manifest, ["image_id", "path", "sha256"])
    boxes = read_table(quality, ["image_id", *BAR])
    if table["image_id"].tolist() != boxes["image_id"].tolist():
        raise LeukoFlowError(f"{quality}: its images are not those of {manifest}; rerun the manifest")
    return table.join(boxes[BAR]).iloc[shard_slice(len(table), shard, shards)].reset_index(drop=True)


def _sources(root: Path, rows: pd.DataFrame) -> list[Source]:
    sources = []
    for path, sha256, *box in rows[["path", "sha256", *BAR]].itertuples(index=False, name=None):
        bar = None if any(pd.isna(box)) else (int(box[0]), int(box[1]), int(box[2]), int(box[3]))
        sources.append(Source(root / path, sha256, bar))
    return sources


def _read(source: Source, max_pixels: int) -> np.ndarray:
    """Decode a file of the manifest, whose bytes must still be those of then."""
    try:
        data = read_file(source.path, max_pixels)
        if hashlib.sha256(data).hexdigest() != source.sha256:
            raise LeukoFlowError(f"{source.path}: changed since the manifest was made; rerun the manifest")
        return read_bytes_image(data, max_pixels)
    except ImageError as error:
        raise LeukoFlowError(f"{source.path}: {error}; rerun the manifest") from error


if __name__ == "__main__":
    run(main)
