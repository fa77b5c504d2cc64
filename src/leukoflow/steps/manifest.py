"""Gather the measured shards of a cohort: manifest and quality of the accepted images, and the rejects by reason."""

import logging
from pathlib import Path

import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.step import parser, run
from leukoflow.quality.measure import QUALITY_COLUMNS

log = logging.getLogger(__name__)
MANIFEST = ["image_id", "path", "sha256", "bytes", "width", "height", "label", "patient", "slide", "site", "mask"]


def main(argv: list[str] | None) -> None:
    """Parse the arguments, gather, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--measured", nargs="+", type=Path, required=True, help="measured shards, in order")
    arguments.add_argument("--manifest", type=Path, required=True)
    arguments.add_argument("--quality", type=Path, required=True)
    arguments.add_argument("--rejects", type=Path, required=True)
    args = arguments.parse_args(argv)
    table = pd.concat([read_table(path) for path in args.measured], ignore_index=True)
    rejected = table["reason"].notna()
    for reason, count in table["reason"].value_counts().items():
        log.warning("%d rejected: %s", count, reason)
    if rejected.all():
        example = f", for instance {table['path'].iloc[0]}: {table['reason'].iloc[0]}" if len(table) else ""
        raise LeukoFlowError(f"{args.manifest.parent.name}: none of {len(table)} images can be used{example}")
    accepted = table[~rejected].reset_index(drop=True)
    write_table(args.rejects, table.loc[rejected, ["path", "reason"]])
    write_table(args.quality, accepted[["image_id", *QUALITY_COLUMNS]])
    write_table(args.manifest, accepted[MANIFEST])
    log.info("%d images accepted, %d rejected", len(accepted), rejected.sum())


if __name__ == "__main__":
    run(main)
