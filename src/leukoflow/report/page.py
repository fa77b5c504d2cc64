"""The report: one HTML file that needs nothing else."""

import hashlib
import json
import platform
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, get_args

import pandas as pd
import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined

from leukoflow.config.splits import Protocol
from leukoflow.config.study import Study
from leukoflow.core.errors import LeukoFlowError
from leukoflow.report import grid, words
from leukoflow.report.cell_findings import cell_findings
from leukoflow.report.cells import cells_section
from leukoflow.report.comparison import comparison
from leukoflow.report.embed import Picture, picture
from leukoflow.report.explanations import explanations_section
from leukoflow.report.features import features_section
from leukoflow.report.findings import findings, gravest_first
from leukoflow.report.headlines import HELD_OUT, baselines_alone, headlines, rows_of

TABLES = (
    "scores", "leaderboard", "external", "cohorts", "audit", "efficiency", "comparisons",
    "segmentation", "instances", "cells", "selection", "stability", "neighbours",
    "explanations",
)  # fmt: skip
CURVES = ("confusion", "roc", "pr")
Builder = Callable[[Study, Mapping[str, pd.DataFrame], Sequence[Picture]], Any]
SECTIONS: dict[str, tuple[str, Builder]] = {
    "explanations": ("Where the networks look", explanations_section),
}
"""Sections after the results, in order: title, and what makes the `content` of the template of that name; a section
whose content is None is left out."""
PACKAGES = (
    "leukoflow", "numpy", "scipy", "pandas", "scikit-learn", "opencv-python-headless", "torch", "lightning",
    "spikingjelly", "timm", "matplotlib", "pydantic", "snakemake",
)  # fmt: skip


@dataclass(frozen=True)
class Section:
    """A section with a template of its own."""

    name: str
    title: str
    content: Any


@dataclass(frozen=True)
class Part:
    """A protocol and view within an experiment."""

    title: str
    pictures: list[Picture]
    classes: grid.Grid


def render(study: Study, tables: Mapping[str, pd.DataFrame], figures: Sequence[Path]) -> str:
    """The page as text. `tables` by name (`TABLES`); `figures` are PNG files, their SVG beside them."""
    lacking = [name for name in TABLES if name not in tables]
    if lacking:
        raise LeukoFlowError(f"report: the table {lacking[0]} is missing; name {lacking[0]}.csv among --tables")
    cohorts = list(study.cohorts)
    pictures = [picture(path, study.evaluation.confidence) for path in figures]
    pictures.sort(key=lambda each: cohorts.index(each.parts[0]) if each.parts[:1] and each.parts[0] in cohorts else -1)
    environment = Environment(
        loader=PackageLoader("leukoflow.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found = findings(study, *(tables[name] for name in ("leaderboard", "external", "cohorts", "audit")))
    return environment.get_template("report.html.j2").render(
        study=study,
        headlines=headlines(study, tables["leaderboard"]),
        alone=baselines_alone(study, tables["leaderboard"]),
        findings=gravest_first([*found, *cell_findings(study, tables)]),
        cells=cells_section(study, tables["cells"], tables["segmentation"], tables["instances"], pictures),
        features=features_section(study, tables["selection"], tables["stability"], tables["neighbours"], pictures),
        cohorts=_cohorts(study, tables["cohorts"], pictures),
        rejects=grid.rejects(tables["cohorts"]),
        duplicates=[each for each in pictures if each.family == "duplicates"],
        audit=grid.audit(tables["audit"]),
        views=[each for each in pictures if each.family == "views"],
        board=[each for each in pictures if each.family == "leaderboard"],
        experiments=_experiments(study, tables, pictures),
        external=grid.external(tables["external"]) if len(tables["external"]) else None,
        sections=_sections(study, tables, pictures),
        efficiency=grid.efficiency(tables["efficiency"]),
        held_out=HELD_OUT,
        config=yaml.safe_dump(study.model_dump(mode="json"), sort_keys=False, allow_unicode=True),
        digest=hashlib.sha256(json.dumps(study.model_dump(mode="json"), sort_keys=True).encode()).hexdigest()[:12],
        versions=_versions(),
        words=words,
    )


def _sections(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> list[Section]:
    made = [Section(name, title, builder(study, tables, pictures)) for name, (title, builder) in SECTIONS.items()]
    return [each for each in made if each.content is not None]


def _cohorts(study: Study, table: pd.DataFrame, pictures: list[Picture]) -> list[dict[str, Any]]:
    found = []
    for name, cohort in study.cohorts.items():
        facts = table[table["cohort"] == name]
        if facts.empty:
            continue
        whole = facts[facts["label"] == ""].set_index("fact")["measured"].to_dict()
        across = facts[(facts["fact"] == "images with a duplicate") & (facts["label"] != "")]
        found.append(
            {
                "name": name,
                "kind": cohort.kind,
                "facts": whole,
                "across": [(row.label, row.measured) for row in across.itertuples()],
                "labels": grid.cohort_labels(facts),
                "pictures": [each for each in pictures if each.family == "samples" and each.parts[0] == name],
                "citation": getattr(cohort, "citation", ""),
            }
        )
    return found


def _experiments(study: Study, tables: Mapping[str, pd.DataFrame], pictures: list[Picture]) -> list[dict[str, Any]]:
    found = []
    for name, experiment in study.experiments.items():
        rows = rows_of(experiment, tables["leaderboard"])
        place = (experiment.cohort, experiment.task)
        own = [
            each
            for each in pictures
            if each.parts[:2] == place and each.parts[2:3] and each.parts[2] in experiment.views
        ]
        scores = rows_of(experiment, tables["scores"])
        scores = scores[(scores["role"] == "test") & (scores["subset"] == "all")]
        compared = tables["comparisons"][tables["comparisons"]["experiment"] == name]
        parts = []
        for protocol in reversed(get_args(Protocol)):
            for view in experiment.views:
                here = rows[(rows["protocol"] == protocol) & (rows["view"] == view)]
                if len(here):
                    shown = [each for each in own if each.parts[2:] == (view, protocol) and each.family in CURVES]
                    part = scores[(scores["protocol"] == protocol) & (scores["view"] == view)]
                    title = f"{protocol} split, {view} view"
                    shown.sort(key=lambda each: CURVES.index(each.family))
                    parts.append(Part(title, shown, grid.per_class(part, here)))
        found.append(
            {
                "name": name,
                "experiment": experiment,
                "board": grid.leaderboard(rows, len(experiment.views) > 1),
                "comparison": comparison(compared, len(experiment.views) > 1),
                "compared": [each for each in pictures if each.family == "comparison" and each.parts == (name,)],
                "learning": [each for each in own if each.family == "learning"],
                "parts": parts,
            }
        )
    return found


def _versions() -> list[tuple[str, str]]:
    found = [("Python", platform.python_version())]
    for name in PACKAGES:
        try:
            found.append((name, version(name)))
        except PackageNotFoundError:
            continue
    return found
