"""Draw one figure: PNG, SVG, and the numbers behind it as CSV.

NAME is MODULE.FUNCTION below `leukoflow.figures`; the function takes the inputs and returns the figure and its table.
The catalogue (`leukoflow.outputs.figures`) says which figures there are, and what each is drawn from.
"""

import json
from pathlib import Path

from leukoflow.core.inputs import Inputs, function_below
from leukoflow.core.step import named_files, parser, run
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("name", metavar="NAME", help="function that draws, such as leaderboard.draw_leaderboard")
    arguments.add_argument("--inputs", nargs="*", default=[], metavar="NAME=FILE", help="what it is drawn from")
    arguments.add_argument("--settings", type=json.loads, default={}, help="what else it depends on, as JSON")
    arguments.add_argument("--output", type=Path, required=True, help="figure (PNG); SVG and CSV next to it")
    args = arguments.parse_args(argv)
    draw = function_below("leukoflow.figures", args.name)
    figure, table = draw(Inputs(named_files(args.inputs), args.settings))
    save(figure, table, args.output)


if __name__ == "__main__":
    run(main)
