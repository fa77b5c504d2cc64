"""Measure the white cells in one shard of a cohort: one row for each cell of its label maps."""

from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from leukoflow.cells.labels import LabelMaps, open_labels
from leukoflow.cells.morphology import FEATURE_NAMES, PLACE, measure_cells
from leukoflow.config.segmentation import Segmentation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.step import log, parser, progress, run, settings
from leukoflow.images.sources import Source, listed, read_picture, sources

TYPES = {
    "image_id": "string",
    "cell": "int32",
    "border": "bool",
    **dict.fromkeys(["x", "y", "um_per_pixel", *FEATURE_NAMES], "float32"),
}


def main(argv: list[str] | None) -> None:
    """Parse the arguments, measure, write the rows."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Segmentation), required=True, help="section segmentation (JSON)")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--labels", type=Path, required=True, help="label maps of this shard, NPY, index next to it")
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="one row for each white cell, Parquet")
    args = arguments.parse_args(argv)

    cv2.setNumThreads(1)
    labels, index = _labels(args.labels, args.settings), args.labels.with_suffix(".parquet")
    rows = listed(index)
    scales = rows["um_per_pixel"].to_numpy(float)
    if not (scales > 0).all():
        name = rows["image_id"].iloc[int(np.argmin(scales > 0))]
        raise LeukoFlowError(f"{index}: {name} has no um_per_pixel; delete the file and run again")
    items = list(zip(range(len(rows)), rows["image_id"], sources(args.root, rows), strict=True))

    def measure(item: tuple[int, str, Source]) -> list[dict[str, object]]:
        row, image_id, source = item
        picture = read_picture(source, args.max_pixels).rendition(labels.size)
        measured = measure_cells(picture, labels.gather([row])[0])
        return [{"image_id": image_id, "um_per_pixel": picture.um_per_pixel, **cell} for cell in measured]

    results = progress(thread_map(measure, items, args.threads), len(items), "image")
    columns = ["image_id", *PLACE, "um_per_pixel", *FEATURE_NAMES]
    table = pd.DataFrame([cell for cells in results for cell in cells], columns=columns).astype(TYPES)
    write_table(args.output, table)
    log.info("%d white cells in %d images", len(table), len(rows))


def _labels(path: Path, segmentation: Segmentation) -> LabelMaps:
    """The shard's label maps, at a size that the settings know."""
    labels = open_labels([path])
    sizes = {segmentation.size, *segmentation.sizes.values()}
    if labels.size not in sizes:
        known = ", ".join(map(str, sorted(sizes)))
        raise LeukoFlowError(f"{path}: label maps are {labels.size} pixels wide, segmentation.size is {known}")
    return labels


if __name__ == "__main__":
    run(main)
