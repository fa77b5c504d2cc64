"""Draw all figures of abstention and novelty.

A figure is FAMILY.PANEL with the families risk_coverage, conformal and novelty, drawn from PARTS/abstention/PANEL, or
gate.COHORT.TASK, drawn from PARTS/gate of that cohort and task.
"""

from pathlib import Path

import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.abstention import conformal_chart, risk_coverage_chart
from leukoflow.figures.novelty import gate_chart, novelty_chart
from leukoflow.figures.style import save

CHARTS = {
    "risk_coverage": ("risk_curves", risk_coverage_chart),
    "conformal": ("conformal", conformal_chart),
    "novelty": ("novelty", novelty_chart),
}


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--parts", type=Path, required=True, help="folder of the parts of tables")
    arguments.add_argument("--of", nargs="+", required=True, help="names of the figures")
    arguments.add_argument("--output", type=Path, required=True, help="folder of figures (PNG, SVG and CSV of each)")
    given = arguments.parse_args(argv)
    for name in given.of:
        family, _, panel = name.partition(".")
        if family == "gate":
            parts = sorted((given.parts / "gate").glob(f"{panel}.*/gate.csv"))
            if not parts:
                raise LeukoFlowError(f"{given.parts / 'gate'}: there is no gate of {panel}; derive it first")
            drawn = gate_chart(pd.concat([read_table(path) for path in parts], ignore_index=True))
        elif family in CHARTS:
            table, chart = CHARTS[family]
            drawn = chart(read_table(given.parts / "abstention" / panel / f"{table}.csv"))
        else:
            raise LeukoFlowError(f"{name}: is no figure of abstention; known: gate, {', '.join(CHARTS)}")
        save(*drawn, given.output / f"{name}.png")


if __name__ == "__main__":
    run(main)
