"""Gather the measured shards of a cohort: manifest, quality and files of accepted images, and rejects by reason.

The rejects may be asked for alone: files that are no images change them, and not what is made of the images.
"""

import argparse
import logging
from pathlib import Path

import pandas as pd

from leukoflow.cohorts.account import REJECTED
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.exposure import FULL, SAMPLES, bits_filled, implausible
from leukoflow.core.files import read_table, write_table
from leukoflow.core.shards import FILES
from leukoflow.core.step import parser, run
from leukoflow.quality.measure import QUALITY_COLUMNS
from leukoflow.quality.scale import assumed_um_per_pixel, settle

log = logging.getLogger(__name__)
MANIFEST = ["image_id", "path", "sha256", "bytes", "width", "height", "label", "patient", "slide", "site", "mask"]


def main(argv: list[str] | None) -> None:
    """Parse the arguments, gather, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--measured", nargs="+", type=Path, required=True, help="measured shards, in order")
    arguments.add_argument("--manifest", type=Path, help="Parquet; --quality and --files go with it")
    arguments.add_argument("--quality", type=Path)
    arguments.add_argument("--files", type=Path, help="what the images are read by")
    arguments.add_argument("--rejects", type=Path, help="files that cannot be used: path, reason, CSV")
    arguments.add_argument("--left-out", type=Path, help="files of the tree that are no images, Parquet")
    arguments.add_argument("--um-per-pixel", type=float, help="scale of all images, if it is known")
    arguments.add_argument("--aspect", type=float, help="width over height that images are stretched to when read")
    arguments.add_argument("--bits", type=int, help="bits that the camera fills of samples of 16")
    args = arguments.parse_args(argv)
    if len({path is None for path in (args.manifest, args.quality, args.files)}) > 1:
        arguments.error("--manifest, --quality and --files go together")
    table = pd.concat([read_table(path) for path in args.measured], ignore_index=True)
    rejected = table["reason"].notna()
    for reason, count in table["reason"].value_counts().items():
        log.warning("%d rejected: %s", count, reason)
    if args.manifest:
        _gather(table, args)
    if args.rejects:
        rejects = table.loc[rejected, ["path", "reason"]]
        if args.left_out:
            others = read_table(args.left_out)
            rejects = pd.concat([rejects, others.loc[others["kind"] == REJECTED, ["path", "reason"]]])
        write_table(args.rejects, rejects)


def _gather(table: pd.DataFrame, args: argparse.Namespace) -> None:
    """Write manifest, quality and files of the accepted images."""
    rejected = table["reason"].notna()
    if rejected.all():
        example = f", for instance {table['path'].iloc[0]}: {table['reason'].iloc[0]}" if len(table) else ""
        raise LeukoFlowError(f"{args.manifest.parent.name}: none of {len(table)} images can be used{example}")
    accepted = _scaled(table[~rejected].reset_index(drop=True), args.um_per_pixel)
    write_table(args.quality, accepted[["image_id", *QUALITY_COLUMNS, "scale_source", *SAMPLES]])
    aspect = pd.array([args.aspect] * len(accepted), "Float64")
    bits = pd.array([args.bits] * len(accepted), "Int64")
    write_table(args.files, accepted.assign(aspect=aspect, bits=bits)[FILES])
    write_table(args.manifest, accepted[MANIFEST])
    log.info("%d images accepted, %d rejected", len(accepted), rejected.sum())
    _warn_of_exposure(accepted)


def _warn_of_exposure(table: pd.DataFrame) -> None:
    for kind, count in implausible(table).value_counts().items():
        log.warning("%d of %d images are %s", count, len(table), kind)
    if bits := bits_filled(table):
        log.warning(
            "samples of 16-bit files reach no more than %d: if the camera has %d bits, set the cohort's bits: %d",
            table.loc[table["top"] == FULL, "greatest"].max(), bits, bits,
        )  # fmt: skip
    ranges = table.loc[table["top"] > 255, "top"].value_counts()
    if len(ranges) > 1:
        text = ", ".join(f"{count} by {top:,}" for top, count in ranges.items())
        log.warning("deep images are scaled by different ranges, as their files state: %s", text)


def _scaled(table: pd.DataFrame, um_per_pixel: float | None) -> pd.DataFrame:
    """The scale of every image: as given, its own, its cohort's, or assumed."""
    if um_per_pixel is not None:
        return table.assign(um_per_pixel=um_per_pixel, scale_source="given")
    settled = settle(table)
    unknown = settled["um_per_pixel"].isna()
    if unknown.any():
        log.warning("no image shows whole red cells: a scale is assumed; give the cohort's um_per_pixel if it is known")
        assumed = [assumed_um_per_pixel(*size) for size in settled.loc[unknown, ["width", "height"]].to_numpy(int)]
        settled.loc[unknown, "um_per_pixel"] = assumed
    return settled


if __name__ == "__main__":
    run(main)
