"""The report: one HTML file that needs nothing else."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.parallel import thread_map
from leukoflow.outputs.figures import FIGURES
from leukoflow.outputs.sections import GROUPS, QUESTIONS
from leukoflow.outputs.tables import NAMES, TABLES
from leukoflow.report import grid
from leukoflow.report.abstention import abstention_section
from leukoflow.report.assessment import assessment_section
from leukoflow.report.cells import cells_section
from leukoflow.report.cohorts import cohorts_section
from leukoflow.report.efficiency import efficiency_section
from leukoflow.report.embed import Picture, picture
from leukoflow.report.explanations import explanations_section
from leukoflow.report.features import features_section
from leukoflow.report.leakage import leakage_section
from leukoflow.report.methods import methods_section
from leukoflow.report.published import published_section
from leukoflow.report.results import details_section, external_section, leaderboards_section
from leukoflow.report.robustness import robustness_section
from leukoflow.report.shortcuts import shortcuts_section
from leukoflow.report.statistics import statistics_section
from leukoflow.report.summary import summary_section, tally
from leukoflow.report.variants import variants_section

Builder = Callable[[Study, Mapping[str, pd.DataFrame], Sequence[Picture]], Any]
SECTIONS: dict[str, Builder] = {
    "summary": summary_section,
    "leaderboards": leaderboards_section,
    "shortcuts": shortcuts_section,
    "leakage": leakage_section,
    "splits": lambda study, tables, pictures: grid.audit(tables["audit"]),
    "external": external_section,
    "assessment": assessment_section,
    "robustness": robustness_section,
    "abstention": abstention_section,
    "statistics": statistics_section,
    "published": published_section,
    "variants": variants_section,
    "details": details_section,
    "cells": cells_section,
    "features": features_section,
    "efficiency": efficiency_section,
    "explanations": explanations_section,
    "cohorts": cohorts_section,
    "views": lambda study, tables, pictures: [picture for picture in pictures if picture.family == "views"] or None,
    "methods": methods_section,
}
"""What makes the `content` of a section's template. A section without one has but the outputs that are shown as they
are; one with nothing to show is left out."""


@dataclass(frozen=True)
class Section:
    """A section with a template of its own."""

    name: str
    title: str
    content: Any
    """What its template shows; None if it has nothing to show."""
    tables: list[grid.Grid]
    """Tables that are shown as they are, below that."""
    pictures: list[Picture]
    """Figures that are."""


def render(study: Study, tables: Mapping[str, pd.DataFrame], figures: Sequence[Path], threads: int = 1) -> str:
    """The page as text. `tables` by name, those of the catalogue; `figures` are PNG files, their SVG next to them."""
    lacking = [name for name in NAMES if name not in tables]
    if lacking:
        raise LeukoFlowError(f"report: the table {lacking[0]} is missing; name {lacking[0]}.csv among --tables")
    cohorts = list(study.cohorts)
    pictures = list(thread_map(lambda path: picture(path, study.evaluation.confidence), figures, threads))
    pictures.sort(
        key=lambda picture: cohorts.index(picture.parts[0]) if picture.parts[:1] and picture.parts[0] in cohorts else -1
    )
    environment = Environment(
        loader=PackageLoader("leukoflow.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    groups = _sections(study, tables, pictures)
    sections = {section.name: section for group in groups.values() for section in group}
    shown = {name: section.title for name, section in sections.items()}
    counts = tally(sections["summary"].content)
    return environment.get_template("report.html.j2").render(
        study=study, groups=groups, shown=shown, questions=QUESTIONS, counts=counts, words=words
    )


def _sections(
    study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> dict[str, list[Section]]:
    """The sections that have something to show, by group, in the order of the page."""
    groups: dict[str, list[Section]] = {}
    for group, titles in GROUPS.items():
        sections = [_section(name, title, study, tables, pictures) for name, title in titles.items()]
        shown = [section for section in sections if section.content is not None or section.tables or section.pictures]
        groups |= {group: shown} if shown else {}
    return groups


def _section(
    name: str, title: str, study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> Section:
    content = SECTIONS[name](study, tables, pictures) if name in SECTIONS else None
    specs = [spec for spec in TABLES if spec.shown and spec.section == name and len(tables[spec.name])]
    drawn = {spec.name for spec in FIGURES if spec.shown and spec.section == name}
    grids = [grid.plain(spec.text, tables[spec.name], spec.name) for spec in specs]
    return Section(name, title, content, grids, [picture for picture in pictures if picture.family in drawn])
