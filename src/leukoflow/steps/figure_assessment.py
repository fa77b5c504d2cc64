"""Draw how far the probabilities of a panel's models can be believed, and how well they tell the classes apart.

The family of each figure is the first part of its file's name.
"""

from collections.abc import Callable
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run, texts
from leukoflow.figures.curves import curves
from leukoflow.figures.reliability import class_reliability_chart, confidence_chart, reliability_chart
from leukoflow.figures.style import save

TABLES = ("calibration", "reliability", "errors", "curves")


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--tables", nargs="+", type=Path, required=True, help=f"{', '.join(TABLES)} (CSV)")
    arguments.add_argument("--classes", type=texts, required=True, help="classes of the task, in order, as a JSON list")
    arguments.add_argument("--fewest", type=int, required=True, help="images that a bin needs to be joined by a line")
    arguments.add_argument("--outputs", nargs="+", type=Path, required=True, help="figures (PNG); SVG and CSV beside")
    given = arguments.parse_args(argv)
    # Text alone may be missing: "" is the whole.
    tables = {path.stem: _named(read_table(path)) for path in given.tables}
    lacking = [name for name in TABLES if name not in tables]
    if lacking:
        raise LeukoFlowError(f"figure_assessment: the table {lacking[0]} is missing; name {lacking[0]}.csv in --tables")
    test = {name: table[table["role"] == "test"] for name, table in tables.items()}
    bins, classes = test["reliability"], given.classes
    families: dict[str, Callable[[], tuple[Figure, pd.DataFrame]]] = {
        "roc": lambda: curves("roc", test["curves"], classes),
        "pr": lambda: curves("pr", test["curves"], classes),
        "reliability": lambda: reliability_chart(bins, test["calibration"], given.fewest),
        "reliability_classes": lambda: class_reliability_chart(bins, test["calibration"], classes, given.fewest),
        "confidence": lambda: confidence_chart(bins, test["errors"]),
    }
    for path in given.outputs:
        family = path.name.split(".")[0]
        if family not in families:
            raise LeukoFlowError(f"{path}: is no figure of a known family; known: {', '.join(families)}")
        save(*families[family](), path)


def _named(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(**{"class": table["class"].fillna("")}) if "class" in table else table


if __name__ == "__main__":
    run(main)
