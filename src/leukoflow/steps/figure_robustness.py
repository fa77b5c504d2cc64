"""Draw the accuracy of models on changed images."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.robustness import robustness_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--robustness", type=Path, required=True, help="robustness of one panel (CSV)")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*robustness_chart(read_table(given.robustness)), given.output)


if __name__ == "__main__":
    run(main)
