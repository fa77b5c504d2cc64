"""Join the images of several cohorts to one: manifest, quality and files, each image with its laboratory.

Names of images, patients and slides get the cohort's name in front, so that those of two laboratories never meet.
Paths begin where the step is run.
"""

from pathlib import Path

import pandas as pd

from leukoflow.core.files import read_table, write_table
from leukoflow.core.step import log, parser, run
from leukoflow.quality.pool import pooled


def main(argv: list[str] | None) -> None:
    """Parse the arguments, join, write."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--cohort", nargs=3, action="append", required=True, metavar=("NAME", "FOLDER", "ROOT"),
        help="a cohort that is joined: its name, the folder of its tables, and what the paths of its files begin at",
    )  # fmt: skip
    arguments.add_argument("--manifest", type=Path, required=True, help="Parquet")
    arguments.add_argument("--quality", type=Path, required=True, help="Parquet")
    arguments.add_argument("--files", type=Path, required=True, help="what the images are read by")
    args = arguments.parse_args(argv)
    tables: dict[str, list[pd.DataFrame]] = {"manifest": [], "quality": [], "files": []}
    for name, folder, root in args.cohort:
        for kind, parts in tables.items():
            part = pooled(read_table(Path(folder) / f"{kind}.parquet"), name)
            if "path" in part:
                part = part.assign(path=[str(Path(root) / path) for path in part["path"]])
            if kind == "manifest":
                part = part.assign(site=name)
            parts.append(part)
        log.info("%d images of %s", len(tables["manifest"][-1]), name)
    for kind, parts in tables.items():
        write_table(getattr(args, kind), pd.concat(parts, ignore_index=True))


if __name__ == "__main__":
    run(main)
