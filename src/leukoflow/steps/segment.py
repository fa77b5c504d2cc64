"""Find the white cells in one shard of a cohort: a label map for each image."""

from collections.abc import Iterator
from itertools import tee
from pathlib import Path

import cv2
import numpy as np
import torch

from leukoflow.cells.labels import write_maps
from leukoflow.cells.segmenter import load_segmenter, predicted_parts
from leukoflow.cells.threshold import thresholds_of
from leukoflow.cells.watershed import diameters, separate
from leukoflow.config.segmentation import Segmentation
from leukoflow.core.files import read_json, write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.picture import Picture
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.sources import Source, listed, read_picture, shard_of, sources
from leukoflow.images.views import to_segment


def main(argv: list[str] | None) -> None:
    """Parse the arguments, segment, write the label maps and the index of their rows."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Segmentation), required=True, help="section segmentation (JSON)")
    arguments.add_argument("--size", type=int, required=True, help="side of the rendition, pixels")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--files", type=Path, required=True, help="files.parquet of the cohort")
    arguments.add_argument("--weights", type=Path, required=True, help="weights of the segmenter")
    arguments.add_argument("--description", type=Path, required=True, help="segmenter.json")
    arguments.add_argument("--shard", type=int, required=True)
    arguments.add_argument("--shards", type=int, required=True)
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="label maps, NPY")
    arguments.add_argument("--index", type=Path, required=True, help="the images of its rows, Parquet")
    args = arguments.parse_args(argv)

    cv2.setNumThreads(1)
    torch.set_num_threads(args.threads)
    given: Segmentation = args.settings
    rows = shard_of(listed(args.files), args.shard, args.shards)
    description = read_json(args.description)
    unet = description["method"] == "unet"
    segmenter = load_segmenter(description, args.weights) if unet else thresholds_of(description["thresholds"])
    items = sources(args.root, rows)

    def load(source: Source) -> Picture:
        return read_picture(source, args.max_pixels).rendition(args.size)

    def maps() -> Iterator[np.ndarray]:
        pictures, again = tee(progress(thread_map(load, items, args.threads), len(items), "image"))
        found = predicted_parts(segmenter, (to_segment(each.raster, given.steps) for each in again))
        for picture, parts in zip(pictures, found, strict=True):
            yield separate(parts, *diameters(picture, given.cell_um))

    write_maps(args.output, maps(), len(items), args.size)
    write_table(args.index, rows)


if __name__ == "__main__":
    run(main)
