"""Hold what the papers publish against what the study measured, and against arithmetic.

Each file under --outputs is written by its name: published_vs_reproduced, published_checks (CSV).
"""

from pathlib import Path
from typing import Any

import pandas as pd

from leukoflow.config.published import papers
from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, run
from leukoflow.papers.checks import check_table
from leukoflow.papers.comparable import Facts
from leukoflow.papers.published import reproduction

NAMES = ("published_vs_reproduced", "published_checks")


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--study", type=Path, required=True, help="resolved config of the study (JSON)")
    for name, text in {
        "leaderboard": "one row for each model and protocol",
        "external": "models on other cohorts",
        "scores": "every metric of every run",
        "efficiency": "size and cost of each model",
        "cohorts": "images of each cohort",
    }.items():
        arguments.add_argument(f"--{name}", type=Path, required=True, help=f"table {name}: {text} (CSV)")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of all runs")
    text = "every split, COHORT.TASK.PROTOCOL.parquet"
    arguments.add_argument("--splits", nargs="+", type=Path, required=True, help=text)
    text = "further tables of ours that printed numbers may stand in, if there are any (CSV)"
    arguments.add_argument("--more", nargs="*", type=Path, default=[], help=text)
    arguments.add_argument("--outputs", nargs="+", type=Path, required=True, help="tables to write (CSV)")
    args = arguments.parse_args(argv)
    for path in args.outputs:
        if path.stem not in NAMES:
            raise LeukoFlowError(f"{path}: there is no table {path.stem}; known: {', '.join(NAMES)}")
    tables = {name: read_table(getattr(args, name)) for name in ("leaderboard", "external", "efficiency", "cohorts")}
    tables |= {path.stem: read_table(path) for path in (args.scores, *args.more)}
    # CSV reads an empty text as missing.
    for table in tables.values():
        for column in {"label", "class", "resampling", "weights", "recipe"} & set(table.columns):
            table[column] = table[column].fillna("")
    checked = check_table(papers())
    study = Study.model_validate(read_json(args.study))
    facts = Facts(_first_models(args.runs, args.of), _splits(args.splits), tables["cohorts"])
    reproduced = reproduction(study, papers(), tables, checked, facts)
    made = {"published_checks": checked, "published_vs_reproduced": reproduced}
    for path in args.outputs:
        write_table(path, made[path.stem])


def _first_models(folder: Path, runs: list[Run]) -> dict[tuple[str, str, str, str, str], dict[str, Any]]:
    """`model.json` of the first run (fold, seed) of each cohort, task, view, protocol and model."""
    first: dict[tuple[str, str, str, str, str], Run] = {}
    for trained in sorted(runs):
        first.setdefault((trained.cohort, trained.task, trained.view, trained.protocol, trained.model), trained)
    return {key: read_json(folder / trained.name / "model.json") for key, trained in first.items()}


def _splits(paths: list[Path]) -> dict[tuple[str, str, str], pd.DataFrame]:
    splits = {}
    for path in paths:
        cohort, task, protocol = path.stem.split(".")
        splits[cohort, task, protocol] = read_table(path, ["image_id", "label", "fold", "role"])
    return splits


if __name__ == "__main__":
    run(main)
