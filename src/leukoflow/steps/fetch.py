"""Download a cohort's archive, once; its SHA-256 is written next to it."""

import argparse
from pathlib import Path

from leukoflow.cohorts.download import download
from leukoflow.core.step import parser, run


def main(argv: list[str] | None) -> int | None:
    arguments = _arguments(argv)
    download(arguments.url, arguments.output, arguments.sha256)
    return None


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--url", required=True, help="HTTP(S) address of an archive, or kaggle:OWNER/DATASET")
    arguments.add_argument("--sha256", help="digest that the archive must have")
    arguments.add_argument("--output", type=Path, required=True, help="archive; OUTPUT.sha256 is written next to it")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    run(main)
