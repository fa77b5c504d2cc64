"""Draw accuracy against cost, and speed by batch size, of all models on one cohort, task and view."""

import json
from pathlib import Path

from leukoflow.core.files import read_table
from leukoflow.core.step import parser, run
from leukoflow.figures.efficiency import pareto, throughput
from leukoflow.figures.style import save


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    for name in ("leaderboard", "efficiency", "speed"):
        arguments.add_argument(f"--{name}", type=Path, required=True, help=f"table {name} (CSV)")
    for name in ("cohort", "task", "view"):
        arguments.add_argument(f"--{name}", required=True)
    arguments.add_argument("--published", type=json.loads, required=True, help="published figures by model, as JSON")
    for name in ("pareto", "throughput"):
        arguments.add_argument(f"--{name}", type=Path, required=True, help="PNG; SVG and CSV are written beside it")
    given = arguments.parse_args(argv)
    tables = {}
    for name in ("leaderboard", "efficiency", "speed"):
        table = read_table(getattr(given, name))
        here = (table["task"] == given.task) & (table["view"] == given.view)
        tables[name] = table[here & (table["cohort"] == given.cohort)] if name != "speed" else table[here]
    save(*pareto(tables["leaderboard"], tables["efficiency"], given.published), given.pareto)
    save(*throughput(tables["speed"], given.published), given.throughput)


if __name__ == "__main__":
    run(main)
