"""Sections of the report on accuracy: leaderboards, external cohorts, and the detail behind them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.protocols import in_order
from leukoflow.config.study import Study
from leukoflow.report import grid
from leukoflow.report.comparison import comparison
from leukoflow.report.embed import Picture
from leukoflow.report.headlines import rows_of

CURVES = ("confusion", "roc", "pr")
OWN_RECIPES = "Each by its own recipe"
ONE_RECIPE = "On equal terms: one recipe for all"


@dataclass(frozen=True)
class Board:
    """The leaderboard of one experiment."""

    name: str
    where: str
    """Cohort and task."""
    board: grid.Grid
    comparison: grid.Grid | None
    pictures: list[Picture]


@dataclass(frozen=True)
class Part:
    """A protocol and view within an experiment."""

    title: str
    pictures: list[Picture]
    classes: grid.Grid


@dataclass(frozen=True)
class Detail:
    """What lies behind the leaderboard of one experiment."""

    name: str
    where: str
    learning: list[Picture]
    parts: list[Part]


def leaderboards_section(
    study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> dict[str, Any]:
    """The figure of all models, and by kind of recipe the leaderboard and comparison of each experiment."""
    groups: dict[str, list[Board]] = {OWN_RECIPES: [], ONE_RECIPE: []}
    for name, experiment in study.experiments.items():
        several = len(experiment.views) > 1
        compared = tables["comparisons"][tables["comparisons"]["experiment"] == name]
        shown = [picture for picture in pictures if picture.family == "comparison" and picture.parts == (name,)]
        board = Board(
            name,
            f"{experiment.cohort}, {experiment.task}",
            grid.leaderboard(rows_of(experiment, tables["leaderboard"]), several),
            comparison(compared, several),
            shown if len(compared) else [],
        )
        groups[ONE_RECIPE if experiment.recipe else OWN_RECIPES].append(board)
    figure = [picture for picture in pictures if picture.family == "leaderboard"]
    return {"figure": figure, "groups": {title: boards for title, boards in groups.items() if boards}}


def external_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> dict[str, Any]:
    """Results on images from elsewhere; a section of its own says so if there are none."""
    return {"table": grid.external(tables["external"]) if len(tables["external"]) else None}


def details_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> list[Detail]:
    """Learning curves of each experiment, and matrices, curves and classes under each protocol."""
    details = []
    for name, experiment in study.experiments.items():
        rows = rows_of(experiment, tables["leaderboard"])
        key = (experiment.cohort, experiment.task)
        figures = [
            picture
            for picture in pictures
            if picture.parts[:2] == key and picture.parts[2:3] and picture.parts[2] in experiment.views
        ]
        classes = rows_of(experiment, tables["class_report"])
        parts = []
        for protocol in reversed(in_order(rows["protocol"])):
            for view in experiment.views:
                here = rows[(rows["protocol"] == protocol) & (rows["view"] == view)]
                if len(here):
                    shown = [
                        picture
                        for picture in figures
                        if picture.parts[2:] == (view, protocol) and picture.family in CURVES
                    ]
                    part = classes[(classes["protocol"] == protocol) & (classes["view"] == view)]
                    title = f"{protocol} split, {view} view"
                    shown.sort(key=lambda picture: CURVES.index(picture.family))
                    parts.append(Part(title, shown, grid.per_class(part, list(here["model"]))))
        learning = [picture for picture in figures if picture.family == "learning"]
        details.append(Detail(name, f"{experiment.cohort}, {experiment.task}", learning, parts))
    return details
