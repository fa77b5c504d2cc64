"""Draw what the shortcut audit finds against how much was planted."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.planted import planted_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--planted", nargs="+", required=True, help="COHORT=CONFOUNDING of each synthetic cohort")
    arguments.add_argument("--audit", type=Path, required=True, help="table shortcut_audit (CSV)")
    arguments.add_argument("--probes", type=Path, required=True, help="table probes (CSV)")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    planted = {name: float(level) for name, level in (each.split("=") for each in given.planted)}
    save(*planted_chart(read_table(given.audit), read_table(given.probes), planted), given.output)


if __name__ == "__main__":
    run(main)
