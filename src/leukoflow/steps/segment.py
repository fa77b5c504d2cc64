"""Find the white cells in one shard of a cohort: a label map for each image."""

from pathlib import Path

import cv2
import torch

from leukoflow.cells.labels import write_maps
from leukoflow.cells.segmenter import load_finder
from leukoflow.config.segmentation import Segmentation
from leukoflow.core.files import write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.picture import Picture
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.sources import Source, listed, read_picture, shard_of, sources


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
    rows = shard_of(listed(args.files), args.shard, args.shards)
    finder = load_finder(args.settings, args.weights, args.description, args.size)
    items = sources(args.root, rows)

    def load(source: Source) -> Picture:
        return read_picture(source, args.max_pixels).rendition(args.size)

    pictures = progress(thread_map(load, items, args.threads), len(items), "image")
    write_maps(args.output, finder.label_maps(pictures), len(items), args.size)
    write_table(args.index, rows)


if __name__ == "__main__":
    run(main)
