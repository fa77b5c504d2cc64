"""Draw what leaks are worth to the models of one cohort, task and view."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.leakage import leakage_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--leakage", type=Path, required=True, help="leakage of the cohort and task (CSV)")
    arguments.add_argument("--view", required=True, help="view shown")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    table = read_table(given.leakage)
    save(*leakage_chart(table[table["view"] == given.view]), given.output)


if __name__ == "__main__":
    run(main)
