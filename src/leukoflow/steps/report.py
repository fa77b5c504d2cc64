"""Write the report: one HTML file with every table and figure of a study inside it."""

from pathlib import Path

from leukoflow.config.study import Study
from leukoflow.core.files import read_json, read_table, write_text
from leukoflow.core.step import parser, run
from leukoflow.report.page import render


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--study", type=Path, required=True, help="resolved config of the study (JSON)")
    arguments.add_argument("--tables", nargs="+", type=Path, required=True, help="all tables (CSV)")
    arguments.add_argument("--figures", nargs="+", type=Path, required=True, help="figures (PNG), SVG beside each")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="report (HTML)")
    given = arguments.parse_args(argv)
    tables = {path.stem: read_table(path) for path in given.tables}
    # CSV reads an empty text as missing.
    for table in tables.values():
        for column in {
            "label",
            "class",
            "resampling",
            "weights",
            "recipe",
            "reason",
            "note",
            "verdict",
            "comparable",
            "differences",
            "unsaid",
        } & set(table.columns):
            table[column] = table[column].fillna("")
    write_text(given.output, render(Study.model_validate(read_json(given.study)), tables, given.figures, given.threads))


if __name__ == "__main__":
    run(main)
