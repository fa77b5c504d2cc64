"""Draw the leaderboard: accuracy of every model with its interval, protocols side by side."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.leaderboard import leaderboard_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--leaderboard", type=Path, required=True, help="table leaderboard (CSV)")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*leaderboard_chart(read_table(given.leaderboard)), given.output)


if __name__ == "__main__":
    run(main)
