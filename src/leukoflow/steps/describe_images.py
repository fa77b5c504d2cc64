"""Describe a part of the images by what the search for duplicates compares: hashes, sketches, rings."""

from pathlib import Path

from leukoflow.core.step import parser, run
from leukoflow.quality.description import Images, add_cohorts, describe


def main(argv: list[str] | None) -> None:
    """Parse the arguments, describe, write."""
    arguments = parser(__doc__)
    add_cohorts(arguments)
    arguments.add_argument("--part", type=int, required=True, help="which part, from 0")
    arguments.add_argument("--parts", type=int, required=True)
    arguments.add_argument("--sketches", type=Path, required=True)
    arguments.add_argument("--output", type=Path, required=True)
    args = arguments.parse_args(argv)
    describe(Images.read(args.cohort), args.part, args.parts).save(args.output, args.sketches)


if __name__ == "__main__":
    run(main)
