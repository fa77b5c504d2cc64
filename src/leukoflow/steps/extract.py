"""Unpack a cohort's archive into a folder, all or nothing, and list what is in it."""

import argparse
from pathlib import Path

import pandas as pd

from leukoflow.cohorts.archive import safe_extract
from leukoflow.config.cohorts import DownloadCohort
from leukoflow.core.files import write_table
from leukoflow.core.step import parser, run, settings


def main(argv: list[str] | None) -> int | None:
    arguments = _arguments(argv)
    cohort = arguments.settings
    members = safe_extract(arguments.archive, arguments.folder, cohort.max_members, cohort.max_bytes, cohort.max_ratio)
    write_table(arguments.output, pd.DataFrame(members, columns=["path", "bytes", "sha256"]))
    return None


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(DownloadCohort), required=True, help="the cohort, as JSON")
    arguments.add_argument("--archive", type=Path, required=True, help="zip or tar archive")
    arguments.add_argument("--folder", type=Path, required=True, help="folder to make")
    arguments.add_argument("--output", type=Path, required=True, help="list of the files (path, bytes, sha256), CSV")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    run(main)
