"""Render one shard of a cohort in one view: an array of images and the index of its rows."""

from pathlib import Path

import cv2
import numpy as np

from leukoflow.cells.labels import open_labels
from leukoflow.config.views import View
from leukoflow.core.files import write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.shards import write_shard
from leukoflow.images.sources import Source, listed, read, shard_of, sources
from leukoflow.images.views import render_view


def main(argv: list[str] | None) -> int | None:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(View), required=True, help="the view, as JSON")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--manifest", required=True)
    arguments.add_argument("--quality", required=True, help="table with the boxes of the scale bars")
    arguments.add_argument("--labels", help="label maps of this shard, for views that know where the cells are")
    arguments.add_argument("--shard", type=int, required=True)
    arguments.add_argument("--shards", type=int, required=True)
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", required=True, help=".npy")
    arguments.add_argument("--index", required=True, help=".parquet")
    options = arguments.parse_args(argv)

    cv2.setNumThreads(1)  # the threads are ours, one image each
    rows = shard_of(listed(options.manifest, options.quality), options.shard, options.shards)
    labels = open_labels([options.labels]) if options.labels else None
    items = list(enumerate(sources(options.root, rows)))

    def render(item: tuple[int, Source]) -> np.ndarray:
        row, source = item
        image = read(source, options.max_pixels)
        cells = None if labels is None else labels.gather([row])[0]
        return render_view(image, options.settings, source.bar, cells)

    images = progress(thread_map(render, items, options.threads), len(items), "image")
    digest = write_shard(options.output, images, len(items), options.settings.size)
    write_table(options.index, rows[["image_id"]].assign(shard_digest=digest))
    return None


if __name__ == "__main__":
    run(main)
