"""Gather the masked images of one cohort for a segmenter: renditions, parts maps, and the role of each image."""

import argparse
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pandas as pd

from leukoflow.cells.labels import fit_map, write_maps
from leukoflow.cells.masks import MaskError, decode_mask, in_terms_of, infer_codes
from leukoflow.config.base import Section
from leukoflow.config.masks import Masks
from leukoflow.config.splits import Division, Groups, Splits
from leukoflow.config.views import Chain
from leukoflow.core.content import row_of, write_record
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.picture import Picture, Raster
from leukoflow.core.step import log, parser, progress, run, settings
from leukoflow.images.geometry import stretched
from leukoflow.images.io import ImageError, read_file, read_samples, went_through_jpeg
from leukoflow.images.shards import write_shard
from leukoflow.images.sources import Source, listed, read_as_stored, sources
from leukoflow.images.views import to_segment
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
    steps: Chain = ()
    """Operations on the renditions."""


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
    arguments.add_argument("--rejects", type=Path, required=True, help="masks that cannot be used: path, reason, CSV")
    args = arguments.parse_args(argv)

    cv2.setNumThreads(1)
    annotation: Annotation = args.settings
    size, table = annotation.size, _masked(args)
    # Before the masks are read: one that changes meanwhile is then told by its stamp.
    record = list(thread_map(partial(row_of, args.root), table["mask"], args.threads))
    masks = annotation.masks if annotation.masks.coding != "inferred" else _inferred(args, table)

    def load(item: tuple[Source, str]) -> Loaded | str:
        source, mask = item
        image = read_as_stored(source, args.max_pixels)
        try:
            parts, labels = _mask(args.root / mask, masks, (image.shape[0], image.shape[1]), args.max_pixels)
        except (ImageError, MaskError) as error:
            return str(error)
        cell_pixels = int(np.count_nonzero(parts))
        image, parts = stretched(image, source.aspect), stretched(parts, source.aspect)
        labels = fit_map(stretched(labels, source.aspect), size) if labels is not None else None
        shown = to_segment(Picture(Raster(image), source.bar).rendition(size).raster, annotation.steps).pixels
        return Loaded(shown, fit_map(parts, size), labels, cell_pixels)

    items = list(zip(sources(args.root, table), table["mask"], strict=True))
    read = list(progress(thread_map(load, items, args.threads), len(items), "image"))
    loaded = [result for result in read if not isinstance(result, str)]
    refused = np.array([isinstance(result, str) for result in read])
    reasons = [result for result in read if isinstance(result, str)]
    rejects = pd.DataFrame({"path": table.loc[refused, "mask"], "reason": reasons})
    _require_cells(args.cohort, loaded, rejects)
    used = table[~refused].reset_index(drop=True)
    index = _with_roles(used, annotation.splits) if masks.expert else used.assign(group=used["image_id"], role="test")
    write_shard(args.images, (result.image for result in loaded), len(loaded), size)
    write_maps(args.parts, (result.parts for result in loaded), len(loaded), size, np.uint8)
    labels = [result.labels for result in loaded if result.labels is not None]
    write_maps(args.labels, iter(labels), len(labels), size)
    index["um_per_pixel"] *= index[["height", "width"]].max(axis=1).astype(float) / size
    index["cell_pixels"] = [result.cell_pixels for result in loaded]
    write_record(args.record, record)
    write_table(args.rejects, rejects)
    write_table(args.index, index[["image_id", "label", "group", "role", "um_per_pixel", "cell_pixels"]])
    log.info("%s", index["role"].value_counts().to_dict())


class Loaded(NamedTuple):
    """An image and its mask, letterboxed."""

    image: np.ndarray
    """uint8 [S, S, 3]."""
    parts: np.ndarray
    """uint8 [S, S]."""
    labels: np.ndarray | None
    """uint16 [S, S], of masks that tell cells apart."""
    cell_pixels: int
    """Pixels of cells in the mask as stored."""


def _mask(path: Path, masks: Masks, shape: tuple[int, int], max_pixels: int) -> tuple[np.ndarray, np.ndarray | None]:
    data = read_file(path, max_pixels)
    return decode_mask(read_samples(data, max_pixels), masks, shape, went_through_jpeg(data))


def _inferred(args: argparse.Namespace, table: pd.DataFrame) -> Masks:
    """The codes that some of the masks, evenly spaced, seem to have."""
    asked: Masks = args.settings.masks
    some = table.iloc[np.linspace(0, len(table) - 1, min(INFERRED_FROM, len(table))).round().astype(int)]

    def pairs() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        for source, mask in zip(sources(args.root, some), some["mask"], strict=True):
            try:
                stored = read_samples(read_file(args.root / mask, args.max_pixels), args.max_pixels)
            except ImageError:
                continue  # named among the rejects
            yield read_as_stored(source, args.max_pixels), in_terms_of(stored, asked)

    masks = infer_codes(pairs(), args.cohort).model_copy(update={"expert": asked.expert})
    log.info("codes inferred: nucleus %s, cytoplasm %s, cell %s", masks.nucleus, masks.cytoplasm, masks.cell)
    return masks


def _require_cells(cohort: str, loaded: list[Loaded], rejects: pd.DataFrame) -> None:
    """Say what is rejected. LeukoFlowError if no mask is left, or none with a cell."""
    for reason, count in rejects["reason"].value_counts().items():
        log.warning("%d masks rejected: %s", count, reason)
    if not loaded:
        path, reason = rejects.iloc[0]
        raise LeukoFlowError(f"{cohort}: none of {len(rejects)} masks can be used, for instance {path}: {reason}")
    empty = sum(not image.cell_pixels for image in loaded)
    if empty == len(loaded):
        raise LeukoFlowError(f"{cohort}: none of {empty} masks holds a cell; check masks (coding and codes)")
    if empty:
        log.warning("%d of %d masks hold no cell", empty, len(loaded))


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
    """Roles with patients, if they are known, and near-duplicates kept together."""
    groups: Groups = "patient" if table["patient"].notna().all() else "duplicate"
    roles = make_split(table.assign(y=0), ["cell"], Division.model_validate({"groups": groups, **splits.model_dump()}))
    return table.merge(roles[["image_id", "group", "role"]], on="image_id", validate="one_to_one")


if __name__ == "__main__":
    run(main)
