"""Gather the measured white cells of a cohort's shards: one table of cells, and one with a row for each image."""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from leukoflow.cells.aggregate import COUNTS, aggregate
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_table, write_table
from leukoflow.core.step import log, parser, progress, run


def main(argv: list[str] | None) -> None:
    """Parse the arguments, gather, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--cells", nargs="+", type=Path, required=True, help="measured shards, in order")
    arguments.add_argument("--manifest", type=Path, required=True)
    arguments.add_argument(
        "--outputs", nargs=2, type=Path, required=True, metavar=("CELLS", "IMAGES"), help="both Parquet"
    )
    args = arguments.parse_args(argv)
    image_ids = read_table(args.manifest, ["image_id"])["image_id"]
    parts, cells = [], 0
    # A cohort of a million images has more cells than fit into memory: they pass shard by shard.
    with atomic(args.outputs[0]) as temporary:
        first = pa.Table.from_pandas(read_table(args.cells[0]), preserve_index=False).schema.remove_metadata()
        with pq.ParquetWriter(temporary, first, compression="zstd") as writer:
            for path in progress(args.cells, len(args.cells), "shard"):
                table = read_table(path)
                writer.write_table(pa.Table.from_pandas(table, schema=first, preserve_index=False))
                parts.append(aggregate(table, table["image_id"].drop_duplicates()))
                cells += len(table)
    images = pd.concat(parts, ignore_index=True)
    _check(images["image_id"], image_ids)
    images = images.set_index("image_id").reindex(pd.Index(image_ids, name="image_id")).reset_index()
    images[list(COUNTS)] = images[list(COUNTS)].fillna(0).astype("int64")
    write_table(args.outputs[1], images)
    log.info("%d white cells; %d of %d images have none", cells, (images["cells"] == 0).sum(), len(images))


def _check(with_cells: pd.Series, image_ids: pd.Series) -> None:
    """Raise LeukoFlowError naming an image whose cells are in two shards, or that is not in the manifest."""
    for wrong, why in (
        (with_cells.duplicated(), "two shards"),
        (~with_cells.isin(image_ids), "a shard but not the manifest"),
    ):
        if wrong.any():
            raise LeukoFlowError(
                f"{with_cells[wrong].iloc[0]}: its cells are in {why}; delete the shards and run again"
            )


if __name__ == "__main__":
    run(main)
