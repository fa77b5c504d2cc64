"""Compare a part of the images with all of them, for duplicates within and across cohorts."""

from pathlib import Path

from leukoflow.config.quality import Quality
from leukoflow.core.step import parser, run, settings
from leukoflow.quality.comparison import compare
from leukoflow.quality.description import Description, Images, add_cohorts


def main(argv: list[str] | None) -> None:
    """Parse the arguments, compare, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Quality), required=True, help="section quality, as JSON")
    add_cohorts(arguments)
    arguments.add_argument("--part", type=int, required=True, help="which part, from 0")
    arguments.add_argument("--described", nargs="+", type=Path, required=True, help="all parts, in order")
    arguments.add_argument("--sketches", nargs="+", type=Path, required=True, help="of all parts, in order")
    arguments.add_argument("--output", type=Path, required=True)
    args = arguments.parse_args(argv)
    images, described = Images.read(args.cohort), Description.load(args.described, args.sketches)
    compare(images, described, args.settings, args.part, len(args.described)).save(args.output)


if __name__ == "__main__":
    run(main)
