"""Gather the masked images of one cohort for a segmenter: renditions, parts maps, and the role of each image."""

import argparse
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from leukoflow.cells.labels import fit_map, write_maps
from leukoflow.cells.masks import infer_codes, read_instances, read_mask
from leukoflow.config.base import Section
from leukoflow.config.masks import Masks
from leukoflow.config.splits import Protocol, Splits
from leukoflow.core.content import row_of, write_record
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.step import log, parser, progress, run, settings
from leukoflow.images.geometry import rendition, stretched
from leukoflow.images.shards import write_shard
from leukoflow.images.sources import Source, listed, read_as_stored, sources
from leukoflow.quality.split import make_split

INFERRED_FROM = 60
"""Masks, evenly spaced, that codes are inferred from."""


class Annotation(Section):
    """What the step depends on."""

    masks: Masks
    """How the masks are coded."""
    splits: Splits
    """Fractions of the roles."""
    images: int
    """Most images that are used."""
    size: int
    """Side of the renditions, pixels."""


def main(argv: list[str] | None) -> None:
    """Parse the arguments, read images and masks, write both and the roles."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--settings", type=settings(Annotation), required=True, help="masks, segmentation, size (JSON)"
    )
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--manifest", type=Path, required=True)
    arguments.add_argument("--files", type=Path, required=True, help="files.parquet of the cohort")
    arguments.add_argument("--groups", type=Path, required=True)
    arguments.add_argument("--max-pixels", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--images", type=Path, required=True, help="renditions, NPY")
    arguments.add_argument("--parts", type=Path, required=True, help="parts maps, NPY")
    arguments.add_argument("--labels", type=Path, required=True, help="label maps of masks that tell cells apart, NPY")
    arguments.add_argument("--record", type=Path, required=True, help="record of the masks that were read, Parquet")
    arguments.add_argument("--index", type=Path, required=True, help="image_id, label, group, role, Parquet")
    args = arguments.parse_args(argv)

    cv2.setNumThreads(1)
    given: Annotation = args.settings
    table = _masked(args)
    # Before the masks are read: one that changes meanwhile is then told by its stamp.
    record = list(thread_map(partial(row_of, args.root), table["mask"], args.threads))
    size, expert = given.size, given.masks.expert
    index = _with_roles(table, given.splits) if expert else table.assign(group=table["image_id"], role="test")
    masks = given.masks
    if masks.coding == "inferred":
        some = index.iloc[np.linspace(0, len(index) - 1, min(INFERRED_FROM, len(index))).round().astype(int)]
        read_images = (read_as_stored(each, args.max_pixels) for each in sources(args.root, some))
        masks = infer_codes((image, args.root / path) for image, path in zip(read_images, some["mask"], strict=True))
        log.info("codes inferred: nucleus %s, cytoplasm %s, cell %s", masks.nucleus, masks.cytoplasm, masks.cell)
    # Labels of instances are of use as they are; other codings have none.
    instances = given.masks.coding == "instances"

    def load(item: tuple[Source, str]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        source, mask = item
        image = read_as_stored(source, args.max_pixels)
        path = args.root / mask
        parts = read_mask(path, masks, (image.shape[0], image.shape[1]))
        labels = read_instances(path) if instances else np.zeros_like(parts, np.uint16)
        image, parts, labels = (stretched(each, source.aspect) for each in (image, parts, labels))
        return rendition(image, size, source.bar), fit_map(parts, size), fit_map(labels, size)

    items = list(zip(sources(args.root, index), index["mask"], strict=True))
    loaded = list(progress(thread_map(load, items, args.threads), len(items), "image"))
    write_shard(args.images, (image for image, _, _ in loaded), len(loaded), size)
    write_maps(args.parts, (parts for _, parts, _ in loaded), len(loaded), size, np.uint8)
    write_maps(args.labels, (labels for _, _, labels in loaded), len(loaded) if instances else 0, size)
    index["um_per_pixel"] *= index[["height", "width"]].max(axis=1).astype(float) / size
    write_record(args.record, record)
    write_table(args.index, index[["image_id", "label", "group", "role", "um_per_pixel"]])
    log.info("%s", index["role"].value_counts().to_dict())


def _masked(args: argparse.Namespace) -> pd.DataFrame:
    """The images with a mask, at most as many as asked for, evenly spaced along the manifest."""
    table = listed(args.files)
    manifest = read_table(args.manifest, ["image_id", "label", "patient", "mask", "width", "height"])
    table = table.merge(manifest, on="image_id", validate="one_to_one")
    table = table[table["mask"].notna()].reset_index(drop=True)
    if table.empty:
        raise LeukoFlowError(f"{args.cohort}: none of its images has a mask; check masks.path")
    most = args.settings.images
    if len(table) > most:
        table = table.iloc[np.linspace(0, len(table) - 1, most).round().astype(int)].reset_index(drop=True)
    groups = read_table(args.groups)
    groups = groups.loc[groups["cohort"] == args.cohort, ["image_id", "duplicate_group"]]
    return table.merge(groups, on="image_id", how="left", validate="one_to_one")


def _with_roles(table: pd.DataFrame, splits: Splits) -> pd.DataFrame:
    """Roles with patients, where they are known, and near-duplicates kept together."""
    protocol: Protocol = "patient" if table["patient"].notna().all() else "duplicate"
    roles = make_split(table.assign(y=0), ["cell"], protocol, splits)
    return table.merge(roles[["image_id", "group", "role"]], on="image_id", validate="one_to_one")


if __name__ == "__main__":
    run(main)
