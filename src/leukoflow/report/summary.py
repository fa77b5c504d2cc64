"""What a reader must know: the best networks beside the colour baseline, and what the audits found."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.report.alike import alike_findings
from leukoflow.report.cell_findings import cell_findings
from leukoflow.report.embed import Picture
from leukoflow.report.findings import Finding, findings, gravest_first
from leukoflow.report.headlines import baselines_alone, headlines
from leukoflow.report.leakage import leakage_findings
from leukoflow.report.published import published_findings
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

MOST_OPEN = 12
"""Notes up to which they are shown at once; more are folded, lest they hide the problems."""


def summary_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> dict[str, Any]:
    """Cards and findings by tone."""
    found = gravest_first([each for finder in FINDERS for each in finder(study, tables)])
    return {
        "headlines": headlines(study, tables["leaderboard"]),
        "alone": baselines_alone(study, tables["leaderboard"]),
        "problems": [each for each in found if each.tone == "bad"],
        "notes": [each for each in found if each.tone == "warn"],
        "in_order": [each for each in found if each.tone == "good"],
        "most_open": MOST_OPEN,
    }
