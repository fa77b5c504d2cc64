"""Make one table of the study from other tables (CSV).

NAME is MODULE.FUNCTION below `leukoflow`; the function takes the inputs and returns the table. The catalogue
(`leukoflow.outputs.tables`) says which tables there are, and what each is made from.
"""

import json
from pathlib import Path

from leukoflow.core.files import write_table
from leukoflow.core.inputs import Inputs, function_below
from leukoflow.core.step import named_files, parser, run


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("name", metavar="NAME", help="function, such as stats.leaderboard.leaderboard_table")
    arguments.add_argument("--inputs", nargs="*", default=[], metavar="NAME=FILE", help="what it is made from")
    arguments.add_argument("--settings", type=json.loads, default={}, help="what else it depends on, as JSON")
    arguments.add_argument("--output", type=Path, required=True, help="table (CSV)")
    args = arguments.parse_args(argv)
    make = function_below("leukoflow", args.name)
    write_table(args.output, make(Inputs(named_files(args.inputs), args.settings)))


if __name__ == "__main__":
    run(main)
