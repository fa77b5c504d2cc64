"""Draw the shortcut audit of every panel: OUTPUTS are named shortcuts.COHORT.TASK.VIEW.PROTOCOL.png."""

from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.shortcuts import PANEL, shortcut_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--audit", type=Path, required=True, help="table shortcut_audit (CSV)")
    arguments.add_argument("--probes", type=Path, required=True, help="table probes (CSV)")
    arguments.add_argument("--leaderboard", type=Path, required=True, help="table leaderboard (CSV)")
    arguments.add_argument("--outputs", nargs="+", type=Path, required=True, help="figures (PNG), SVG and CSV beside")
    given = arguments.parse_args(argv)
    audit, probes, board = (read_table(path) for path in (given.audit, given.probes, given.leaderboard))
    for path in given.outputs:
        panel = dict(zip(PANEL, path.stem.split(".")[1:], strict=True))
        save(*shortcut_chart(audit, probes, board, panel), path)


if __name__ == "__main__":
    run(main)
