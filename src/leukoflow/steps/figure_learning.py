"""Draw learning curves of runs on one cohort, task and view."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.runs import run_of
from leukoflow.core.step import parser, run
from leukoflow.figures.learning import learning_curves
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--histories", nargs="+", type=Path, required=True, help="history.csv of each run")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*learning_curves({run_of(path): read_table(path) for path in given.histories}), given.output)


if __name__ == "__main__":
    run(main)
