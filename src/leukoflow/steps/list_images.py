"""List the images of a folder or downloaded cohort with their labels, name what looks alike in it, and account for its
other files.

Listing and account are outputs of their own: a stray file changes the account, and not what is made of the images.
"""

import argparse
from collections import Counter
from pathlib import Path
from typing import Annotated

import pandas as pd
from pydantic import Field, RootModel

from leukoflow.cohorts.alike import names_alike
from leukoflow.cohorts.contents import check_contents
from leukoflow.cohorts.folder import Listing, list_folder, report_labels
from leukoflow.config.cohorts import DownloadCohort, FolderCohort
from leukoflow.core.files import write_table
from leukoflow.core.step import log, parser, run, settings


class Listed(RootModel[Annotated[FolderCohort | DownloadCohort, Field(discriminator="kind")]]):
    """A cohort that can be listed."""


def main(argv: list[str] | None) -> int | None:
    arguments = _arguments(argv)
    files = arguments.settings.root
    if arguments.contents:
        check_contents(arguments.root, arguments.contents, files)
    listing = list_folder(arguments.root, files)
    if arguments.output:
        report_labels(listing.images, files.expected)
        write_table(arguments.names, names_alike(listing.images, files.labels))
        write_table(arguments.output, listing.images)
    if arguments.left_out:
        _account(listing, arguments.left_out, arguments.warnings)
    return None


def _account(listing: Listing, left_out: Path, warnings: Path) -> None:
    counts = Counter(listing.left_out[["kind", "reason"]].itertuples(index=False, name=None))
    for (kind, reason), count in counts.items():
        log.info("left out as %s: %d%s", kind, count, f" ({reason})" if reason else "")
    for text in listing.warnings:
        log.warning("%s", text)
    write_table(left_out, listing.left_out)
    write_table(warnings, pd.DataFrame({"text": listing.warnings}, dtype="string"))


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Listed), required=True, help="the cohort's section, as JSON")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the paths are relative to")
    arguments.add_argument("--contents", type=Path, help="list of the unpacked files, CSV, to check first")
    arguments.add_argument("--output", type=Path, help="listing, Parquet; --names goes with it")
    arguments.add_argument("--names", type=Path, help="names that look alike, CSV")
    arguments.add_argument(
        "--left-out", type=Path, help="files that are no images of it, Parquet; --warnings goes with it"
    )
    arguments.add_argument("--warnings", type=Path, help="what of the config fits nothing, CSV")
    args = arguments.parse_args(argv)
    if (args.output is None) != (args.names is None) or (args.left_out is None) != (args.warnings is None):
        arguments.error("--output and --names go together, as do --left-out and --warnings")
    return args


if __name__ == "__main__":
    run(main)
