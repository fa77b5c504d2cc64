"""Show what the papers' figures show, under their numbers: drawn for their own models, or copied from the study's.

Writes FIGURES/PAPER/NUMBER_WHAT.{png,svg,csv}, and the table of all of them with why any is missing.
"""

import shutil
from argparse import Namespace
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from leukoflow.config.paper_figures import Shown, paper_figures
from leukoflow.config.study import Study
from leukoflow.core.files import atomic, read_json, read_table, write_table
from leukoflow.core.step import parser, progress, run
from leukoflow.figures.confusion import confusion_matrices
from leukoflow.figures.learning import learning_curves
from leukoflow.figures.published import class_points, metric_points, points_chart, time_points
from leukoflow.figures.robustness import robustness_chart
from leukoflow.figures.sample_size import class_sizes_chart, sample_size_chart
from leukoflow.figures.style import save

COLUMNS = ["paper", "system", "figure", "shows", "file", "copy_of", "differs", "reason"]
SUFFIXES = (".png", ".svg", ".csv")


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--study", type=Path, required=True, help="resolved config of the study (JSON)")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the study's runs")
    arguments.add_argument("--scores", type=Path, required=True, help="folder of what scoring wrote for every panel")
    arguments.add_argument("--tables", type=Path, required=True, help="folder of the study's tables")
    arguments.add_argument("--figures", type=Path, required=True, help="folder of the study's figures")
    arguments.add_argument("--have", nargs="*", default=[], help="names of the study's figures")
    arguments.add_argument("--output", type=Path, required=True, help="table of the papers' figures (CSV)")
    args = arguments.parse_args(argv)
    study = Study.model_validate(read_json(args.study))
    shown = paper_figures(study, args.have)
    drawing = [entry for entry in shown if entry.file]
    for entry in progress(drawing, len(drawing), "figure"):
        target = args.figures / f"{entry.file}.png"
        if entry.source:
            _copy(args.figures / f"{entry.source}.png", target)
        else:
            save(*_draw(entry, study, args), target)
    rows = [
        (
            entry.paper.paper, entry.paper.system, entry.figure.number, entry.figure.shows,
            f"{args.figures.name}/{entry.file}" if entry.file else "", entry.source, entry.differs, entry.reason,
        )
        for entry in shown
    ]  # fmt: skip
    write_table(args.output, pd.DataFrame(rows, columns=COLUMNS))


def _copy(source: Path, target: Path) -> None:
    """The same bytes under another name."""
    for suffix in SUFFIXES:
        with atomic(target.with_suffix(suffix)) as path:
            shutil.copyfile(source.with_suffix(suffix), path)


def _draw(shown: Shown, study: Study, args: Namespace) -> tuple[Figure, pd.DataFrame]:
    draw = {
        "confusion": _confusion,
        "external_confusion": _confusion,
        "learning": _learning,
        "robustness": _robustness,
        "sample_size": _sample_size,
    }
    return draw.get(shown.figure.family or "", _points)(shown, study, args)


def _confusion(shown: Shown, study: Study, args: Namespace) -> tuple[Figure, pd.DataFrame]:
    panels = sorted({run.panel for run in shown.runs})
    table = pd.concat([read_table(args.scores / panel / "confusion.csv") for panel in panels])
    table = table.merge(pd.DataFrame([run.columns() for run in shown.runs]))
    if shown.target:
        # As if the other cohort were the runs' own.
        table = table[(table["target"] == shown.target) & (table["role"] == "external")]
        table = table.assign(cohort=shown.target, role="test")
    return confusion_matrices(table)


def _learning(shown: Shown, study: Study, args: Namespace) -> tuple[Figure, pd.DataFrame]:
    return learning_curves({run: read_table(args.runs / run.name / "history.csv") for run in shown.runs})


def _of_runs(table: pd.DataFrame, shown: Shown, *columns: str) -> pd.DataFrame:
    """Rows of a table of the study that are of the figure's runs, compared by these columns."""
    wanted = {tuple(getattr(run, name) for name in columns) for run in shown.runs}
    matching = [key in wanted for key in table[list(columns)].itertuples(index=False, name=None)]
    return table[matching].reset_index(drop=True)


def _robustness(shown: Shown, study: Study, args: Namespace) -> tuple[Figure, pd.DataFrame]:
    table = _of_runs(read_table(args.tables / "robustness.csv"), shown, "cohort", "task", "view", "protocol", "model")
    return robustness_chart(table[table["perturbation"].isin(["none", *shown.perturbations])])


def _sample_size(shown: Shown, study: Study, args: Namespace) -> tuple[Figure, pd.DataFrame]:
    table = read_table(args.tables / "sample_size.csv").astype({"class": object}).fillna({"class": ""})
    table = _of_runs(table, shown, "cohort", "task", "view", "protocol", "model")
    if "f1_by_class" in shown.figure.metrics:
        return class_sizes_chart(table)
    return sample_size_chart(table, shown.figure.metrics)


def _points(shown: Shown, study: Study, args: Namespace) -> tuple[Figure, pd.DataFrame]:
    first, models = shown.runs[0], list(dict.fromkeys(run.model for run in shown.runs))
    by_class = shown.figure.family == "per_class"
    table = read_table(args.tables / ("scores.csv" if by_class else "leaderboard.csv"))
    for name in ("cohort", "task", "view"):
        table = table[table[name] == getattr(first, name)]
    published = {
        (name, number.label or number.metric): number.value
        for number in shown.paper.numbers
        for name in models
        if number.task == first.task and number.of_test_images and bool(number.label) == by_class
        and (study.models[name].architecture, study.models[name].options) == (number.architecture, number.options)
        and (not number.label or number.metric == "f1")
    }  # fmt: skip
    if not by_class:
        points = metric_points(table, models, published)
        if shown.figure.family == "ablation":
            points = pd.concat([points, time_points(_minutes(shown, args), models)], ignore_index=True)
        return points_chart(points)
    table = table.assign(**{"class": table["class"].fillna("")})  # CSV reads an empty text as missing
    return points_chart(class_points(table, models, published), one_scale=True)


def _minutes(shown: Shown, args: Namespace) -> dict[tuple[str, str], float]:
    """Minutes of training by model and protocol, means over runs; none of a model without epochs."""
    spent: dict[tuple[str, str], list[float]] = {}
    for trained in shown.runs:
        seconds = read_table(args.runs / trained.name / "history.csv")["seconds"]
        if len(seconds):
            spent.setdefault((trained.model, trained.protocol), []).append(float(seconds.sum()) / 60)
    return {key: sum(minutes) / len(minutes) for key, minutes in spent.items()}


if __name__ == "__main__":
    run(main)
