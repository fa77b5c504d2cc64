"""Draw what is left in modules of attention on changed images: information that maps share, and shifts of attention."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.modules import modules_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--modules", type=Path, required=True, help="modules of one panel (CSV)")
    text = "figure (PNG); SVG and CSV are written beside it"
    arguments.add_argument("--information", type=Path, required=True, help=text)
    arguments.add_argument("--attention", type=Path, required=True, help=text)
    given = arguments.parse_args(argv)
    table = read_table(given.modules)
    save(*modules_chart(table, "shared"), given.information)
    save(*modules_chart(table, "relative"), given.attention)


if __name__ == "__main__":
    run(main)
