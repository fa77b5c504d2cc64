"""Draw accuracy against the number of features."""

from pathlib import Path

from leukoflow.config.base import Section
from leukoflow.config.models import Model
from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.feature_count import feature_count_chart
from leukoflow.figures.style import save


class Panel(Section):
    """What the figure depends on."""

    cohort: str
    """Cohort trained and tested on."""
    task: str
    """Task predicted."""
    view: str
    """View that the features are of."""
    models: dict[str, Model]
    """Models that read features."""


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Panel), required=True, help="what is drawn, as JSON")
    arguments.add_argument("--leaderboard", type=Path, required=True, help="table leaderboard.csv of the study")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    board, panel = read_table(given.leaderboard), given.settings
    own = (board["cohort"] == panel.cohort) & (board["task"] == panel.task) & (board["view"] == panel.view)
    save(*feature_count_chart(board[own], panel.models), given.output)


if __name__ == "__main__":
    run(main)
