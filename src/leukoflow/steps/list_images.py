"""List the images of a folder or downloaded cohort, with their labels, into a table; name what looks alike in it."""

import argparse
from pathlib import Path
from typing import Annotated

from pydantic import Field, RootModel

from leukoflow.cohorts.alike import names_alike
from leukoflow.cohorts.folder import check_contents, list_folder, report_labels
from leukoflow.config.cohorts import DownloadCohort, FolderCohort
from leukoflow.core.files import read_table, write_table
from leukoflow.core.step import parser, run, settings


class Listed(RootModel[Annotated[FolderCohort | DownloadCohort, Field(discriminator="kind")]]):
    """A cohort that can be listed."""


def main(argv: list[str] | None) -> int | None:
    arguments = _arguments(argv)
    files = arguments.settings.root
    if arguments.contents:
        check_contents(arguments.root, read_table(arguments.contents))
    listing = list_folder(arguments.root, files)
    report_labels(listing, files.expected)
    write_table(arguments.names, names_alike(listing, files.labels))
    write_table(arguments.output, listing)
    return None


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Listed), required=True, help="the cohort's section, as JSON")
    arguments.add_argument("--root", type=Path, required=True, help="folder that the paths are relative to")
    arguments.add_argument("--contents", type=Path, help="list of the unpacked files (path, bytes) to check first")
    arguments.add_argument("--names", type=Path, required=True, help="names that look alike, CSV")
    arguments.add_argument("--output", type=Path, required=True, help="listing, Parquet")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    run(main)
