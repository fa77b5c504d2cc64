"""The summary: what was asked, the best networks with the colour baseline, what the audits found, what to do next."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.protocols import in_order
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.alike import alike_findings
from leukoflow.report.cell_findings import cell_findings
from leukoflow.report.embed import Picture
from leukoflow.report.findings import Finding, findings, gravest_first
from leukoflow.report.grid import Cell, Grid, Row, grid, number
from leukoflow.report.headlines import Headline, baselines_alone, headlines, held_out, rows_of
from leukoflow.report.leakage import leak_findings, leakage_findings
from leukoflow.report.published import published_findings
from leukoflow.report.shortcuts import shortcut_findings
from leukoflow.report.variants import without_unchosen

FINDERS: tuple[Callable[[Study, Mapping[str, pd.DataFrame]], list[Finding]], ...] = (
    lambda study, tables: shortcut_findings(tables),
    lambda study, tables: leakage_findings(study, tables["leakage"]),
    lambda study, tables: leak_findings(study, tables["leaks"]),
    alike_findings,
    findings,
    cell_findings,
    published_findings,
)
"""What findings come from; the gravest are shown first, whoever found them."""

MOST_CARDS, MOST_PROBLEMS, MOST_STEPS = 6, 6, 6
"""Cards, problems and steps that are shown at once; the others are folded, so that the summary stays short."""


def summary_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> dict[str, Any]:
    """Questions, cards, findings by tone, and steps."""
    findings = gravest_first([finding for finder in FINDERS for finding in finder(study, tables)])
    cards = headlines(study, without_unchosen(tables["leaderboard"], tables["sweeps"]))
    leading = _leading(cards)
    problems = [finding for finding in findings if finding.tone == "bad"]
    steps = next_steps(study, cards, findings)
    return {
        "asked": asked(study, tables["leaderboard"]),
        "headlines": leading,
        "more_headlines": [card for card in cards if card not in leading],
        "alone": baselines_alone(study, tables["leaderboard"]),
        "problems": problems[:MOST_PROBLEMS],
        "more_problems": problems[MOST_PROBLEMS:],
        "notes": [finding for finding in findings if finding.tone == "warn"],
        "in_order": [finding for finding in findings if finding.tone == "good"],
        "steps": steps[:MOST_STEPS],
        "more_steps": steps[MOST_STEPS:],
    }


def _leading(cards: Sequence[Headline]) -> list[Headline]:
    """The first card of each experiment, which is of its strictest split, then further ones; in their order."""
    firsts = list({card.experiment: card for card in reversed(cards)}.values())
    chosen = [*[card for card in cards if card in firsts], *[card for card in cards if card not in firsts]][:MOST_CARDS]
    return [card for card in cards if card in chosen]


def tally(content: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Numbers of problems and notes that the summary has of each section, by section and tone."""
    counts: dict[str, dict[str, int]] = {}
    for finding in (*content["problems"], *content["more_problems"], *content["notes"]):
        by_tone = counts.setdefault(finding.section, {"bad": 0, "warn": 0})
        by_tone[finding.tone] += 1
    return counts


@dataclass(frozen=True)
class Step:
    """One thing to do, and the sections that say why."""

    text: str
    sections: tuple[str, ...]


def next_steps(study: Study, headlines: Sequence[Headline], findings: Sequence[Finding]) -> list[Step]:
    """Actions without repeats: those of grave findings, of weak results, of other findings, and what is not tested."""
    grave = [(finding.action, finding.section) for finding in findings if finding.action and finding.tone == "bad"]
    other = [(finding.action, finding.section) for finding in findings if finding.action and finding.tone != "bad"]
    reasons: dict[str, list[str]] = {}
    for action, section in [*grave, *_weak(headlines), *other, *_untested(study)]:
        reasons.setdefault(action, []).append(section)
    return [Step(action, tuple(dict.fromkeys(filter(None, sections)))) for action, sections in reasons.items()]


def _weak(headlines: Sequence[Headline]) -> list[tuple[str, str]]:
    """Experiments whose best network does no more than colours do; the strictest split of each decides."""
    strictest = {headline.experiment: headline for headline in reversed(headlines)}
    weak = [
        headline.experiment
        for headline in headlines
        if headline.tone == "bad" and strictest[headline.experiment] is headline
    ]
    text = "Do not use the networks of experiment {}: none is above the colour baseline on the strictest split."
    return [(text.format(name), "leaderboards") for name in weak]


def _untested(study: Study) -> list[tuple[str, str]]:
    """Experiments that meet no images from elsewhere."""
    if any(experiment.external for experiment in study.experiments.values()):
        return []
    text = "Test the best models on images from another laboratory: no experiment of this study does (key external)."
    return [(text, "external")]


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
    pairs = list(dict.fromkeys((experiment.cohort, experiment.task) for experiment in study.experiments.values()))
    questions = [_question(study, *pair) for pair in pairs]
    return Asked(tuple(questions[:MOST_QUESTIONS]), len(questions[MOST_QUESTIONS:]), _experiments(study, leaderboard))


def _question(study: Study, cohort: str, task: str) -> str:
    experiments = [
        experiment
        for experiment in study.experiments.values()
        if (experiment.cohort, experiment.task) == (cohort, task)
    ]
    models = list(dict.fromkeys(name for experiment in experiments for name in experiment.models))
    networks = [name for name in models if not is_baseline(name)]
    who = words.plural(len(networks), "model") if networks else ""
    if len(networks) < len(models):
        who = f"{who} and the colour baseline" if who else "the colour baseline"
    splits = in_order(name for experiment in experiments for name in experiment.protocols)
    text = (
        f"How well do {who} tell {words.listed(study.tasks[task].classes)} apart in images of {cohort} (task {task})? "
    )
    if who == "the colour baseline":
        text = text.replace("How well do", "How well does", 1)
    text += f"Tested with {words.listed(held_out(name) for name in splits)}"
    outside = list(dict.fromkeys(name for experiment in experiments for name in experiment.external))
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
