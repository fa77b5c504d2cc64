"""Gather all runs of a study into its tables.

Each file under --outputs is written by its name: scores, leaderboard, external, cohorts, label_conflicts, audit,
comparisons (CSV).
Cohorts are named by the folder of their files, splits by their file name.
"""

from pathlib import Path

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.step import parser, run
from leukoflow.quality import tables as cohort_tables
from leukoflow.stats import compare, leaderboard

NAMES = ("scores", "leaderboard", "external", "cohorts", "label_conflicts", "audit", "comparisons")


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--study", type=Path, required=True, help="resolved config of the study (JSON)")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of all runs")
    for name, text in {
        "manifests": "manifest.parquet of every cohort",
        "qualities": "quality.parquet of every cohort",
        "rejects": "rejects.csv of every cohort",
        "splits": "every split, COHORT.TASK.PROTOCOL.parquet",
        "scores": "scores.csv of every panel",
        "outputs": "tables to write",
    }.items():
        arguments.add_argument(f"--{name}", nargs="+", type=Path, required=True, help=text)
    for name, text in {
        "names": "names.csv of every cohort that was listed",
        "left-out": "left_out.parquet of the same",
        "warnings": "warnings.csv of the same",
    }.items():
        arguments.add_argument(f"--{name}", nargs="*", type=Path, default=[], help=text)
    arguments.add_argument("--duplicates", type=Path, required=True, help="pairs of duplicates")
    arguments.add_argument("--groups", type=Path, required=True, help="duplicate groups and acquisitions")
    arguments.add_argument("--comparisons", nargs="*", type=Path, default=[], help="of every experiment (CSV)")
    given = arguments.parse_args(argv)
    for path in given.outputs:
        if path.stem not in NAMES:
            raise LeukoFlowError(f"{path}: there is no table {path.stem}; known: {', '.join(NAMES)}")

    study = Study.model_validate(read_json(given.study))
    models = {each: read_json(given.runs / each.name / "model.json") for each in given.of}
    scores = leaderboard.gather([read_table(path) for path in given.scores])
    duplicates, manifests = read_table(given.duplicates), _by_folder(given.manifests)
    qualities, rejects = _by_folder(given.qualities), _by_folder(given.rejects)
    listed = [_by_folder(each) for each in (given.names, given.left_out, given.warnings)]
    files = {
        name: cohort_tables.CohortFiles(
            manifests[name], qualities[name], rejects[name], *(tables.get(name) for tables in listed)
        )
        for name in study.cohorts
        if name in manifests
    }
    counts = {name: getattr(cohort, "expected", {}) for name, cohort in study.cohorts.items()}
    published = {name: model.published for name, model in study.models.items()}
    splits = {_split_name(path): read_table(path) for path in given.splits}
    made = {
        "scores": scores,
        "leaderboard": leaderboard.leaderboard(scores, models, published),
        "external": leaderboard.external(scores, models),
        "cohorts": cohort_tables.cohorts(files, duplicates, counts, study.tasks),
        "label_conflicts": cohort_tables.label_conflicts(duplicates),
        "audit": cohort_tables.audit(splits, duplicates, read_table(given.groups), manifests),
        "comparisons": compare.gather([read_table(path) for path in given.comparisons]),
    }
    for path in given.outputs:
        write_table(path, made[path.stem])


def _by_folder(paths: list[Path]) -> dict[str, pd.DataFrame]:
    return {path.parent.name: read_table(path) for path in paths}


def _split_name(path: Path) -> tuple[str, str, str]:
    parts = path.stem.split(".")
    if len(parts) != 3:
        raise LeukoFlowError(f"{path}: is no split's name; expected COHORT.TASK.PROTOCOL.parquet")
    return parts[0], parts[1], parts[2]


if __name__ == "__main__":
    run(main)
