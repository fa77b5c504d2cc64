"""Draw learning curves of runs on one cohort, task and view."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run
from leukoflow.figures.learning import learning_curves
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the runs shown")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    histories = {each: read_table(given.runs / each.name / "history.csv") for each in given.of}
    save(*learning_curves(histories), given.output)


if __name__ == "__main__":
    run(main)
