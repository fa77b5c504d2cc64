"""Draw confusion matrices of all models on one cohort, task, view and protocol; folds and seeds are summed."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.confusion import confusion_matrices
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--counts", type=Path, required=True, help="confusion.csv of the panel")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*confusion_matrices(read_table(given.counts)), given.output)


if __name__ == "__main__":
    run(main)
