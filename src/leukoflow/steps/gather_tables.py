"""Put the parts of tables together: all CSV files of a folder's subfolders that have a table's name, in one.

PARTS/WHAT/NAME.csv of every WHAT given becomes OUTPUT/NAME.csv, the parts in the given order.
"""

from pathlib import Path

import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.step import parser, run


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--parts", type=Path, required=True, help="folder of folders of parts")
    arguments.add_argument("--of", nargs="+", required=True, help="the folders, in order")
    arguments.add_argument("--outputs", nargs="+", type=Path, required=True, help="tables to write (CSV)")
    args = arguments.parse_args(argv)
    for path in args.outputs:
        parts = [read_table(args.parts / folder / path.name) for folder in args.of]
        if len({tuple(part.columns) for part in parts}) > 1:
            raise LeukoFlowError(f"{args.parts}: columns of parts of {path.name} differ; remove them and run again")
        # An empty part has no types to speak for.
        filled = [part for part in parts if len(part)] or parts[:1]
        write_table(path, pd.concat(filled, ignore_index=True))


if __name__ == "__main__":
    run(main)
