"""Write what a study's runs reached into one CSV file: accuracy with its interval, and how it was measured.

    python -m leukoflow.steps.record --config workflow/studies/taleqani.yaml --output docs/results/taleqani.csv

One row for each model, view and division, and each cohort or laboratory that it was tested on. A row needs all folds
and seeds; of what has not all been trained the file keeps the rows that it has, if the study still asks for them.
Versions and machine are those of the record, which belong to the runs if both were made alike.
"""

import json
import logging
import platform
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pandas as pd

from leukoflow.config.load import load_study
from leukoflow.config.plan import all_runs
from leukoflow.config.study import Study
from leukoflow.core.content import digest
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.provenance import git_state, machine
from leukoflow.core.runs import Run
from leukoflow.core.step import parser, progress, run
from leukoflow.stats import scores
from leukoflow.stats.laboratories import by_laboratory
from leukoflow.stats.leaderboard import CELL, leaderboard, summary, summary_outside
from leukoflow.stats.samples import sample_of

log = logging.getLogger(__name__)
SCORES = ["images", "groups", "accuracy", "low", "high", "interval", "balanced_accuracy", "macro_f1"]
COLUMNS = [
    *CELL, "target", *SCORES, "published_accuracy", "published_macro_f1", "architecture", "title", "size", "options",
    "pixels", "parameters", "weights", "recipe", "epochs", "best_epochs", "runs", "minutes", "device", "threads",
    "precision", "trained", "weights_sha256", "processor", "cores", "python", "torch", "commit",
]  # fmt: skip
"""Columns of the file. `low` and `high` are the limits of the accuracy's interval, over what `interval` says; `minutes`
of training are the mean of the runs, whatever else the machine did; `trained` is the day of the last run."""


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--config", type=Path, required=True, help="the study (YAML)")
    arguments.add_argument("--results", type=Path, help="its folder of results; results/STUDY without this option")
    arguments.add_argument("--output", type=Path, required=True, help="record (CSV)")
    args = arguments.parse_args(argv)
    study = load_study(args.config)
    results = args.results or Path("results") / study.study
    table = record(study, results)
    if args.output.is_file():
        table = pd.concat([kept(pd.read_csv(args.output), table, study), table], ignore_index=True)
    write_table(args.output, table.sort_values([*CELL, "target"], kind="stable"))


def kept(earlier: pd.DataFrame, table: pd.DataFrame, study: Study) -> pd.DataFrame:
    """Rows of an earlier record of models that the study asks for and that are not in the new record `table`."""
    planned = {_cell(of) for of in all_runs(study)}
    recorded = set(table[CELL].itertuples(index=False, name=None))
    keys = list(earlier[CELL].itertuples(index=False, name=None))
    rows = earlier[[key in planned - recorded for key in keys]]
    if len(rows):
        log.info("%d rows are kept as they were: %s", len(rows), ", ".join(sorted(set(rows["model"]))))
    return rows


def record(study: Study, results: Path) -> pd.DataFrame:
    """The record of a study: a table of `COLUMNS`. Raises LeukoFlowError if none of its runs has been trained."""
    planned = all_runs(study)
    folders = {of: results / "runs" / of.name for of in planned}
    missing = {of for of, folder in folders.items() if not (folder / "model.json").is_file()}
    if len(missing) == len(planned):
        raise LeukoFlowError(f"{results}: none of the {len(planned)} runs of the study is there; run it first")
    if missing:
        log.warning(
            "%d of %d runs have not been trained; what they belong to is left out (%s)",
            len(missing), len(planned), ", ".join(sorted({of.model for of in missing})),
        )  # fmt: skip
    # The mean of three folds of five is no result of the five.
    partly = {_cell(of) for of in missing}
    trained = {of: folder for of, folder in folders.items() if _cell(of) not in partly}
    if not trained:
        raise LeukoFlowError(f"{results}: no model has all its folds and seeds yet; run the study first")
    facts = {of: read_json(folder / "model.json") for of, folder in trained.items()}
    scored = pd.concat(
        [_scores(of, trained[of], study) for of in progress(list(trained), len(trained), "run")], ignore_index=True
    )
    published = {name: model.published for name, model in study.models.items()}
    at_home = leaderboard(scored, facts, published)
    table = at_home.assign(target=at_home["cohort"])
    left_out = by_laboratory(scored, {name: study.laboratories(name) for name in study.cohorts})
    if len(left_out):
        left_out = left_out.assign(target=left_out["laboratory"])
        table = pd.concat([table, summary(left_out, [*CELL, "target"])], ignore_index=True)
    if len(outside := scored[scored["role"] == "external"]):
        table = pd.concat([table, summary_outside(outside, [*CELL, "target"])], ignore_index=True)
    rows = [row | _facts(row, facts, trained, study) for row in table.to_dict("records")]
    return pd.DataFrame(rows).assign(**_environment()).reindex(columns=COLUMNS)


def _cell(of: Run) -> tuple[str, ...]:
    return tuple(getattr(of, name) for name in CELL)


def _scores(of: Run, folder: Path, study: Study) -> pd.DataFrame:
    """Scores of a run on the test images of its cohort and on other cohorts."""
    classes = study.tasks[of.task].classes
    parts = []
    for file in sorted((folder / "predictions").glob("*.parquet")):
        rows = read_table(file)
        rows = rows[rows["perturbation"] == "none"]
        for target, role in ((of.cohort, "test"), (file.stem, "external")):
            chosen = rows[(rows["cohort"] == target) & (rows["role"] == role)]
            if len(chosen):
                parts.append(scores.score(sample_of(of, chosen, classes, target, role), classes, study.evaluation))
    return scores.with_run(of, parts, scores.SCORE_COLUMNS)


def _facts(
    row: Mapping[Any, Any], facts: Mapping[Run, Mapping[str, Any]], folders: Mapping[Run, Path], study: Study
) -> dict[str, Any]:
    """What is said of the runs of a row."""
    runs = [of for of in facts if all(getattr(of, name) == row[name] for name in CELL)]
    first, settings = facts[runs[0]], study.models[row["model"]]
    last = max((folders[of] / "model.json").stat().st_mtime for of in runs)
    return {
        "architecture": settings.architecture,
        "title": first.get("title", settings.architecture),
        "size": settings.size,
        "options": json.dumps(settings.options, sort_keys=True) if settings.options else "",
        "pixels": study.views[row["view"]].size,
        "parameters": first["parameters"],
        "weights": first["weights"],
        "epochs": first.get("epochs"),
        "best_epochs": " ".join(str(facts[of].get("best_epoch")) for of in runs),
        "minutes": round(sum(facts[of]["seconds"] for of in runs) / len(runs) / 60, 2),
        "device": first["device"],
        "threads": first.get("threads"),
        "precision": first["precision"],
        "trained": datetime.fromtimestamp(last, UTC).date().isoformat(),
        "weights_sha256": " ".join(digest(folders[of] / "weights.safetensors")[:12] for of in runs),
    }


def _environment() -> dict[str, Any]:
    here, state = machine(), git_state(Path(__file__).parent) or {}
    return {
        "processor": here["processor"],
        "cores": here["cores"],
        "python": platform.python_version(),
        "torch": version("torch"),
        "commit": str(state.get("commit", ""))[:12],
    }


if __name__ == "__main__":
    run(main)
