"""Draw examples of the duplicate pairs that were found, within and across cohorts."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.duplicates import duplicate_pairs
from leukoflow.figures.pictures import shards_in, view_of
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--duplicates", type=Path, required=True, help="pairs of duplicates")
    arguments.add_argument("--views", nargs="+", type=Path, required=True, help="folders of every cohort's plain view")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    by_cohort = {view_of(folder)[0]: shards_in(folder) for folder in given.views}
    save(*duplicate_pairs(read_table(given.duplicates), by_cohort), given.output)


if __name__ == "__main__":
    run(main)
