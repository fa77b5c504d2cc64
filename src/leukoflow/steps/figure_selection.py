"""Draw the leading features of each entry of section features, and whether their choice is stable."""

from pathlib import Path

import pandas as pd

from leukoflow.core.files import read_table
from leukoflow.core.runs import run_of
from leukoflow.core.step import parser, run
from leukoflow.figures.selection import selection_chart
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--rankings", nargs="+", type=Path, required=True, help="ranking.csv of each selection")
    arguments.add_argument("--stabilities", nargs="+", type=Path, required=True, help="stability.csv of each selection")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    save(*selection_chart(_by_entry(given.rankings), _by_entry(given.stabilities)), given.output)


def _by_entry(paths: list[Path]) -> dict[str, pd.DataFrame]:
    """Tables of all folds and seeds below one another; a selection's folder has its entry in the model's place."""
    parts: dict[str, list[pd.DataFrame]] = {}
    for path in paths:
        place = run_of(path)
        parts.setdefault(place.model, []).append(read_table(path).assign(fold=place.fold, seed=place.seed))
    return {name: pd.concat(tables, ignore_index=True) for name, tables in parts.items()}


if __name__ == "__main__":
    run(main)
