"""Draw how the models of an experiment differ from its reference."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.comparison import comparison_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--comparisons", type=Path, required=True, help="comparisons of the experiment (CSV)")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*comparison_chart(read_table(given.comparisons)), given.output)


if __name__ == "__main__":
    run(main)
