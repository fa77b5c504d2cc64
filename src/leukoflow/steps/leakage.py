"""Measure what leaks are worth to the models of one cohort and task, on every view.

Accuracies under each protocol and their differences to protocol `image`; test images with a copy among those that the
run was trained on, and the others; the same of external cohorts. Everything comes from the predictions of the runs.
"""

from collections.abc import Iterator
from pathlib import Path

import pandas as pd

from leukoflow.audits.leakage import ANSWERS, COLUMNS, Tally, copies, protocols, tally
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.stats.compare import answered, tested
from leukoflow.stats.scores import seen_images

READ = ["cohort", "image_id", "group", "role", "y", "perturbation", "probabilities"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="runs of one cohort and task")
    arguments.add_argument("--external", nargs="*", default=[], help="cohorts that some of the runs were tested on")
    arguments.add_argument("--splits", nargs="+", type=Path, required=True, help="splits, COHORT.TASK.PROTOCOL.parquet")
    arguments.add_argument("--duplicates", type=Path, required=True, help="pairs of duplicates")
    arguments.add_argument("--output", type=Path, required=True, help="table (CSV)")
    args = arguments.parse_args(argv)
    splits = {path.stem.split(".")[2]: read_table(path, ["image_id", "fold", "role"]) for path in args.splits}
    for trained in args.of:
        if trained.protocol not in splits:
            raise LeukoFlowError(
                f"{trained.name}: its split is missing; name that of {trained.protocol} among --splits"
            )
    duplicates = read_table(args.duplicates)
    by_view: dict[tuple[str, str], dict[tuple[str, str], list[pd.DataFrame]]] = {}
    for trained in progress(args.of, len(args.of), "run"):
        split = splits[trained.protocol]
        learnt = split[split["fold"] == trained.fold]
        for target, answers in _answers(args.runs, trained, args.external):
            seen = answers["image_id"].isin(seen_images(duplicates, learnt, trained.cohort, target))
            runs = by_view.setdefault((trained.view, target), {}).setdefault((trained.model, trained.protocol), [])
            runs.append(answers.assign(seen=seen)[ANSWERS])
    first = args.of[0]
    parts = [pd.DataFrame(columns=COLUMNS)]
    for (view, target), models in by_view.items():
        tallies: dict[tuple[str, str], Tally] = {key: tally(runs) for key, runs in models.items()}
        tables = [copies(tallies, args.settings)]
        if target == first.cohort:
            tables = [protocols(tallies, args.settings), tables[0][tables[0]["part"] != "all"]]
        facts = {"cohort": first.cohort, "task": first.task, "view": view, "target": target}
        parts += [table.assign(**facts)[COLUMNS] for table in tables if len(table)]
    write_table(args.output, pd.concat(parts, ignore_index=True) if len(parts) > 1 else parts[0])


def _answers(runs: Path, run: Run, external: list[str]) -> Iterator[tuple[str, pd.DataFrame]]:
    """Labelled answers on the run's own test images, and on those of each external cohort that it was tested on."""
    folder = runs / run.name / "predictions"
    yield run.cohort, tested(run, read_table(folder / f"{run.cohort}.parquet", READ))
    for target in external:
        path = folder / f"{target}.parquet"
        if target != run.cohort and path.exists():
            table = read_table(path, READ)
            table = table[(table["perturbation"] == "none") & (table["y"] >= 0)]
            if len(table):
                yield target, answered(table)


if __name__ == "__main__":
    run(main)
