"""Bring the cell morphology of a cohort's images into a feature matrix."""

from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.cells.aggregate import feature_names
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_json
from leukoflow.core.step import parser, run
from leukoflow.features.matrix import blocks_of, write_matrix


def main(argv: list[str] | None) -> None:
    """Parse the arguments, take the columns that describe cells, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--images", type=Path, required=True, help="one row for each image: cell statistics")
    arguments.add_argument("--output", type=Path, required=True, help="matrix.json; 000.npy is written next to it")
    args = arguments.parse_args(argv)
    # Counts of cells are left out: they tell the field of view, not the cells.
    table = read_table(args.images, ["image_id", *feature_names()])
    if table.empty:
        raise LeukoFlowError(f"{args.images}: holds no measured images; check section segmentation")
    # An image without cells has no sizes: NaN, which the scaler fills in from the training role.
    rows = np.array(table[feature_names()].astype(np.float64).to_numpy(np.float32, na_value=np.nan))
    rows[~np.isfinite(rows)] = np.nan
    index = pd.DataFrame({"image_id": table["image_id"]})
    digest = write_matrix(
        args.output.parent / "000.npy", (rows[block] for block in blocks_of(len(rows))), len(rows), index
    )
    shards = [{"name": "000", "rows": len(rows), "digest": digest}]
    write_json(args.output, {"kind": "morphology", "names": feature_names(), "rows": len(rows), "shards": shards})


if __name__ == "__main__":
    run(main)
