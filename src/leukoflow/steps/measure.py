"""Decode every image of one shard once: digest, size, quality, hash and thumbnail, or the reason why it is left out."""

import argparse
import hashlib
import logging
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd

from leukoflow.core.content import Row, stamp, write_record
from leukoflow.core.exposure import SAMPLES
from leukoflow.core.files import atomic, read_table, write_table
from leukoflow.core.names import composed
from leukoflow.core.parallel import thread_map
from leukoflow.core.shards import shard_slice
from leukoflow.core.step import parser, progress, run
from leukoflow.images.geometry import stretched
from leukoflow.images.io import ImageError, read_file, read_samples
from leukoflow.quality.hashing import THUMBNAIL, difference_hash, grey_thumbnail, to_hex
from leukoflow.quality.measure import QUALITY_COLUMNS, measure

log = logging.getLogger(__name__)
LISTED = ["path", "label", "patient", "slide", "site", "mask"]
TYPES: dict[str, str] = {
    **dict.fromkeys(["image_id", *LISTED, "sha256", "reason", "bar_colour", "dhash"], "string"),
    **dict.fromkeys(["bytes", "width", "height", "red_cells", *SAMPLES], "Int64"),
    **dict.fromkeys(["bar_x0", "bar_y0", "bar_x1", "bar_y1"], "Int32"),
}


def main(argv: list[str] | None) -> None:
    """Parse the arguments, measure, write the rows and the thumbnails of the accepted images."""
    args = _arguments(argv)
    cv2.setNumThreads(1)
    listing = read_table(args.listing)
    listing = listing.assign(image_id=_identities(listing["path"]))
    if not args.whole:
        listing = listing.iloc[shard_slice(len(listing), args.shard, args.shards)]
    rows: list[dict[str, Any]] = []
    thumbnails: list[np.ndarray] = []
    record: list[Row] = []

    def inspect(path: str) -> tuple[str, dict[str, Any], np.ndarray | None]:
        # Before the file is read: one that changes meanwhile is then told by its stamp.
        return stamp(args.root / path), *_inspect(args, path)

    paths = listing["path"].astype(str)
    inspected = progress(thread_map(inspect, paths, args.threads), len(listing), "image")
    for path, (before, row, small) in zip(paths, inspected, strict=True):
        rows.append(row)
        record.append((path, before, row.get("sha256", "")))
        if small is not None:
            thumbnails.append(small)
    measured = pd.DataFrame(rows, columns=["sha256", "bytes", "width", "height", "reason", *SAMPLES, *QUALITY_COLUMNS])
    table = pd.concat([listing[["image_id", *LISTED]].reset_index(drop=True), measured], axis=1)
    kinds = {name: TYPES.get(name, "float64") for name in table.columns}
    with atomic(args.thumbnails) as temporary, open(temporary, "wb") as stream:
        np.save(stream, np.stack(thumbnails) if thumbnails else np.empty((0, THUMBNAIL, THUMBNAIL), np.uint8))
    write_record(args.record, record)
    write_table(args.output, table.astype(kinds))
    log.info("%d images accepted, %d rejected", len(thumbnails), len(rows) - len(thumbnails))


def _identities(paths: pd.Series) -> pd.Series:
    """The composed form of each path, the same whatever system the files were copied with; the path itself where two
    files would have one."""
    names = paths.astype(str).map(composed)
    return names.where(~names.duplicated(keep=False), paths)


def _inspect(args: argparse.Namespace, path: str) -> tuple[dict[str, Any], np.ndarray | None]:
    """Row of one image, and its thumbnail unless it is rejected."""
    row: dict[str, Any] = {}
    try:
        data = read_file(args.root / path, args.max_pixels)
        row |= {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}
        samples = read_samples(data, args.max_pixels).within(args.bits)
        image = stretched(samples.picture(), args.aspect)
    except ImageError as error:
        return row | {"reason": str(error)}, None
    row |= {"height": image.shape[0], "width": image.shape[1]}
    row |= {"top": samples.top, "greatest": int(samples.values.max())}
    row |= measure(image).columns() | {"dhash": to_hex(difference_hash(image))}
    return row, grey_thumbnail(image)


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--root", type=Path, required=True, help="folder that the paths are relative to")
    arguments.add_argument("--listing", type=Path, required=True, help="listing of the images")
    arguments.add_argument("--whole", action="store_true", help="the listing is this shard's already")
    arguments.add_argument("--shard", type=int, required=True)
    arguments.add_argument("--shards", type=int, required=True)
    arguments.add_argument("--max-pixels", type=int, required=True, help="larger images are rejected undecoded")
    arguments.add_argument("--aspect", type=float, help="width over height that images are stretched to")
    arguments.add_argument("--bits", type=int, help="bits that the camera fills of samples of 16")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="one row for each image, Parquet")
    arguments.add_argument("--thumbnails", type=Path, required=True, help="thumbnails of the accepted images, NPY")
    arguments.add_argument("--record", type=Path, required=True, help="record of the files that were read, Parquet")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    run(main)
