"""The summary: what was asked, the best networks beside the colour baseline, what the audits found, what to do next."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.report.alike import alike_findings
from leukoflow.report.cell_findings import cell_findings
from leukoflow.report.embed import Picture
from leukoflow.report.findings import Finding, findings, gravest_first
from leukoflow.report.headlines import Headline, baselines_alone, headlines
from leukoflow.report.leakage import leakage_findings
from leukoflow.report.next_steps import next_steps
from leukoflow.report.published import published_findings
from leukoflow.report.questions import asked
from leukoflow.report.shortcuts import shortcut_findings

FINDERS: tuple[Callable[[Study, Mapping[str, pd.DataFrame]], list[Finding]], ...] = (
    lambda study, tables: shortcut_findings(tables),
    lambda study, tables: leakage_findings(study, tables["leakage"]),
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
    found = gravest_first([each for finder in FINDERS for each in finder(study, tables)])
    cards = headlines(study, tables["leaderboard"])
    leading = _leading(cards)
    problems = [each for each in found if each.tone == "bad"]
    steps = next_steps(study, cards, found)
    return {
        "asked": asked(study, tables["leaderboard"]),
        "headlines": leading,
        "more_headlines": [each for each in cards if each not in leading],
        "alone": baselines_alone(study, tables["leaderboard"]),
        "problems": problems[:MOST_PROBLEMS],
        "more_problems": problems[MOST_PROBLEMS:],
        "notes": [each for each in found if each.tone == "warn"],
        "in_order": [each for each in found if each.tone == "good"],
        "steps": steps[:MOST_STEPS],
        "more_steps": steps[MOST_STEPS:],
    }


def _leading(cards: Sequence[Headline]) -> list[Headline]:
    """The first card of each experiment, which is of its strictest split, then further ones; in their order."""
    firsts = list({each.experiment: each for each in reversed(cards)}.values())
    chosen = [*[each for each in cards if each in firsts], *[each for each in cards if each not in firsts]][:MOST_CARDS]
    return [each for each in cards if each in chosen]


def tally(content: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    """Numbers of problems and notes that the summary has of each section, by section and tone."""
    counts: dict[str, dict[str, int]] = {}
    for each in (*content["problems"], *content["more_problems"], *content["notes"]):
        own = counts.setdefault(each.section, {"bad": 0, "warn": 0})
        own[each.tone] += 1
    return counts
