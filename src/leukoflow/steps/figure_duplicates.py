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
    arguments.add_argument("--views", nargs="+", type=Path, required=True, help="view.json of each cohort")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    by_cohort = {view_of(each.parent)[0]: shards_in(each.parent) for each in given.views}
    save(*duplicate_pairs(read_table(given.duplicates), by_cohort), given.output)


if __name__ == "__main__":
    run(main)
