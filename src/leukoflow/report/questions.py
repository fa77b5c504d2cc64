"""What a study asks: its questions in words, and its experiments as a table."""

from dataclasses import dataclass

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.grid import Cell, Grid, Row, grid, number
from leukoflow.report.headlines import HELD_OUT, rows_of

MOST_QUESTIONS = 4


@dataclass(frozen=True)
class Asked:
    """The questions of a study."""

    questions: tuple[str, ...]
    """One for each cohort and task, at most `MOST_QUESTIONS`."""
    more: int
    """Cohorts and tasks that are left to the table."""
    experiments: Grid


def asked(study: Study, leaderboard: pd.DataFrame) -> Asked:
    """The questions, in the order of the experiments."""
    places = list(dict.fromkeys((each.cohort, each.task) for each in study.experiments.values()))
    questions = [_question(study, *place) for place in places]
    return Asked(tuple(questions[:MOST_QUESTIONS]), len(questions[MOST_QUESTIONS:]), _experiments(study, leaderboard))


def _question(study: Study, cohort: str, task: str) -> str:
    own = [each for each in study.experiments.values() if (each.cohort, each.task) == (cohort, task)]
    models = list(dict.fromkeys(name for each in own for name in each.models))
    networks = [name for name in models if not is_baseline(name)]
    who = words.plural(len(networks), "model") if networks else ""
    if len(networks) < len(models):
        who = f"{who} and the colour baseline" if who else "the colour baseline"
    splits = [name for name in HELD_OUT if any(name in each.protocols for each in own)]
    text = (
        f"How well do {who} tell {words.listed(study.tasks[task].classes)} apart in images of {cohort} (task {task})? "
    )
    if who == "the colour baseline":
        text = text.replace("How well do", "How well does", 1)
    text += f"Tested with {words.listed(HELD_OUT[name] for name in splits)}"
    outside = list(dict.fromkeys(name for each in own for name in each.external))
    return f"{text}, and on images of {words.listed(outside)}." if outside else f"{text}."


def _experiments(study: Study, leaderboard: pd.DataFrame) -> Grid:
    """One row for each experiment."""
    rows = []
    for name, experiment in study.experiments.items():
        runs = rows_of(experiment, leaderboard)["runs"].sum()
        cells = [Cell(name), Cell(experiment.cohort), Cell(experiment.task), Cell(words.listed(experiment.protocols))]
        cells += [Cell(words.listed(experiment.views)), Cell(words.listed(experiment.models), long=True)]
        cells += [Cell(experiment.recipe or "each its own"), Cell(words.listed(experiment.external) or words.NONE)]
        rows.append(Row((*cells, number(runs, words.count(runs)))))
    columns = ["Experiment", "Cohort", "Task", "Splits", "Views", "Models", "Recipe", "Also tested on", "Runs"]
    return grid("Experiments of this study.", columns, rows)
