"""Write the report: one HTML file with every table and figure of a study inside it."""

from pathlib import Path

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core.files import read_json, read_table, write_text
from leukoflow.core.step import parser, run
from leukoflow.report.page import render

TEXTS = (
    "label", "class", "resampling", "weights", "recipe", "reason", "note", "verdict", "comparable", "differences",
    "unsaid",
)  # fmt: skip
"""Columns of text that may be empty."""


def with_empty_texts(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Tables in which an empty text is one again: CSV reads it as missing."""
    return {
        name: table.fillna(dict.fromkeys((column for column in TEXTS if column in table), ""))
        for name, table in tables.items()
    }


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--study", type=Path, required=True, help="resolved config of the study (JSON)")
    arguments.add_argument("--tables", nargs="+", type=Path, required=True, help="all tables (CSV)")
    arguments.add_argument("--figures", nargs="+", type=Path, required=True, help="figures (PNG), SVG next to each")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="report (HTML)")
    args = arguments.parse_args(argv)
    tables = with_empty_texts({path.stem: read_table(path) for path in args.tables})
    write_text(args.output, render(Study.model_validate(read_json(args.study)), tables, args.figures, args.threads))


if __name__ == "__main__":
    run(main)
