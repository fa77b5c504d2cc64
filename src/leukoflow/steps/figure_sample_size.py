"""Draw accuracy against the number of training images on one cohort, task and view."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.sample_size import sample_size_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--sizes", type=Path, required=True, help="table sample_size (CSV)")
    arguments.add_argument("--of", nargs=3, required=True, metavar=("COHORT", "TASK", "VIEW"))
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    table = read_table(given.sizes).astype({"class": object}).fillna({"class": ""})
    here = (table[["cohort", "task", "view"]] == given.of).all(axis=1)
    save(*sample_size_chart(table[here]), given.output)


if __name__ == "__main__":
    run(main)
