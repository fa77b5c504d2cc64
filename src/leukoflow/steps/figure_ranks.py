"""Draw the mean ranks of an experiment's models with the critical difference."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.ranks import critical_difference_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--ranks", type=Path, required=True, help="mean ranks of the experiment (CSV)")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*critical_difference_chart(read_table(given.ranks)), given.output)


if __name__ == "__main__":
    run(main)
