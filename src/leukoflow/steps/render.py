"""Render one shard of a cohort in one view: an array of images (or of its white cells) and the index of its rows."""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from leukoflow.cells.labels import LabelMaps, open_labels
from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.shards import write_shard
from leukoflow.images.sources import Source, listed, read_picture, shard_of, sources
from leukoflow.images.stain import fitted
from leukoflow.images.views import before_cells, render_view


def main(argv: list[str] | None) -> int | None:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(View), required=True, help="the view, as JSON")
    arguments.add_argument("--stain", type=Path, help="stain of the view's target (JSON), if it was found")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--files", type=Path, required=True, help="files.parquet of the cohort")
    arguments.add_argument("--labels", help="label maps of this shard, for views that know where the cells are")
    arguments.add_argument("--shard", type=int, required=True)
    arguments.add_argument("--shards", type=int, required=True)
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", required=True, help=".npy")
    arguments.add_argument("--index", required=True, help=".parquet")
    options = arguments.parse_args(argv)

    cv2.setNumThreads(1)  # the threads are ours, one image each
    options.settings = fitted(options.settings, options.stain)
    rows = shard_of(listed(options.files), options.shard, options.shards)
    labels = open_labels([options.labels]) if options.labels else None
    index, images = (_cells if options.settings.kind == "cells" else _pictures)(options, rows, labels)
    digest = write_shard(options.output, images, len(index), options.settings.size)
    write_table(options.index, index.assign(shard_digest=digest))
    return None


def _pictures(
    options: argparse.Namespace, rows: pd.DataFrame, labels: LabelMaps | None
) -> tuple[pd.DataFrame, Iterator[np.ndarray]]:
    """One picture for each image."""

    def render(item: tuple[int, Source]) -> np.ndarray:
        row, source = item
        cells = None if labels is None else labels.gather([row])[0]
        return render_view(read_picture(source, options.max_pixels), options.settings, cells)

    items = list(enumerate(sources(options.root, rows)))
    return rows[["image_id"]], progress(thread_map(render, items, options.threads), len(items), "image")


def _cells(
    options: argparse.Namespace, rows: pd.DataFrame, labels: LabelMaps | None
) -> tuple[pd.DataFrame, Iterator[np.ndarray]]:
    """One picture for each white cell of each image."""
    # Imported here because the other views do without it, and it takes a second.
    from leukoflow.cells.crops import crop_cells

    if labels is None:
        raise LeukoFlowError("a view of cells needs the label maps of its images (--labels)")
    view: View = options.settings

    def render(item: tuple[int, Source]) -> tuple[np.ndarray, np.ndarray]:
        row, source = item
        picture = read_picture(source, options.max_pixels).rendition(labels.size)
        return crop_cells(before_cells(picture, view), labels.gather([row])[0], view.size, view.um_per_pixel)

    items = list(enumerate(sources(options.root, rows)))
    rendered = list(progress(thread_map(render, items, options.threads), len(items), "image"))
    counts = [len(numbers) for _, numbers in rendered]
    cells = np.concatenate([numbers for _, numbers in rendered]) if rendered else np.empty(0, np.int64)
    index = pd.DataFrame({"image_id": np.repeat(rows["image_id"].to_numpy(object), counts), "cell": cells})
    return index.astype({"image_id": "string"}), (picture for pictures, _ in rendered for picture in pictures)


if __name__ == "__main__":
    run(main)
