"""Tests between the models of an experiment, as the report shows them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.comparison import p_value
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number
from leukoflow.report.headlines import rows_of

TOGETHER = ("Cochran Q", "Friedman")
KINDS = {
    "images": "images drawn",
    "stratified": "drawn within classes",
    "groups": "groups drawn",
    "wilson": "Wilson",
    "seeds": "t over seeds",
}
"""Titles of the kinds of intervals of table `intervals`."""
ANOVA = "ANOVA between tasks"


@dataclass(frozen=True)
class Tested:
    """One experiment."""

    name: str
    pairs: Grid | None
    together: list[str]
    tasks: list[str]
    intervals: Grid
    pictures: list[Picture]


def statistics_section(
    study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> list[Tested] | None:
    """Every experiment in which something was tested."""
    alpha = 1 - study.evaluation.confidence
    tested = []
    for name in study.experiments:
        part = tables["statistics"][tables["statistics"]["experiment"] == name]
        if part.empty:
            continue
        drawn = [
            picture for picture in pictures if picture.family == "critical_difference" and picture.parts == (name,)
        ]
        intervals = _intervals(rows_of(study.experiments[name], tables["intervals"]))
        tested.append(Tested(name, _pairs(part, alpha), list(_together(part)), list(_tasks(part)), intervals, drawn))
    return tested or None


def _intervals(table: pd.DataFrame) -> Grid:
    """Intervals of accuracy and macro F1 made in every way, a row for each model and a column for each kind."""
    kinds = [kind for kind in KINDS if kind in set(table["resampling"])]
    rows = []
    shown = table[table["metric"].isin(["accuracy", "macro_f1"])]
    for key, part in shown.groupby(["view", "protocol", "model", "metric"], sort=False):
        view, protocol, model, metric = map(str, key)
        limits = {str(row["resampling"]): row for row in part.to_dict("records")}
        value = float(part["value"].iloc[0])
        cells = [Cell(model), Cell(protocol), Cell(view), Cell(metric.replace("_", " ").replace("f1", "F1"))]
        cells.append(number(value, words.percent(value)))
        for kind in kinds:
            row = limits.get(kind, {"low": np.nan, "high": np.nan, "span": np.nan})
            cells.append(number(row["span"], words.interval(row["low"], row["high"]) or words.NONE))
        rows.append(Row(tuple(cells), is_baseline(model)))
    columns = ["Model", "Split", "View", "Metric", "Value", *(KINDS[kind].capitalize() for kind in kinds)]
    return grid("The same value with intervals made in different ways.", columns, rows, "intervals", best="Value")


def _pairs(part: pd.DataFrame, alpha: float) -> Grid | None:
    """A row for each model, split and view: the tests against the reference."""
    pairwise = part[part["test"].isin(["McNemar", "corrected t", "Wilcoxon", "DeLong", "DeLong over groups"])]
    if pairwise.empty:
        return None
    views = pairwise["view"].nunique() > 1
    rows = []
    for key, tests in pairwise.groupby(["view", "protocol", "model"], sort=False):
        view, protocol, model = map(str, key)
        by_test = {str(name): group for name, group in tests.groupby("test")}
        runs = by_test["McNemar"]
        cells = [Cell(model), Cell(protocol), *([Cell(view)] if views else [])]
        gain = float(runs["estimate"].mean())
        cells += [
            number(gain, words.points(gain)),
            number(len(runs), words.count(len(runs))),
            _share_below(runs, alpha),
        ]
        cells += [_single(by_test.get(name)) for name in ("corrected t", "Wilcoxon")]
        cells += [_share_below(by_test.get(name), alpha) for name in ("DeLong", "DeLong over groups")]
        rows.append(Row(tuple(cells), is_baseline(model)))
    columns = ["Model", "Split", *(["View"] if views else []), "Difference, points", "Runs", "McNemar"]
    columns += ["Corrected t over runs", "Wilcoxon over runs", "DeLong by class", "DeLong by class, over groups"]
    caption = f"Tests against {pairwise['against'].iloc[0]}: "
    caption += "p-values adjusted for the number of models (DeLong: and classes)."
    return grid(caption, columns, rows, best="Difference, points")


def _single(rows: pd.DataFrame | None) -> Cell:
    if rows is None or words.missing(rows["p_holm"].iloc[0]):
        return Cell(words.NONE)
    row = rows.iloc[0]
    note = "" if words.missing(row["least_p"]) else f"alone {p_value(row['p'])}, at least {p_value(row['least_p'])}"
    return number(row["p_holm"], p_value(row["p_holm"]), note)


def _share_below(rows: pd.DataFrame | None, alpha: float) -> Cell:
    """The p of one test, or how many of several are below the level."""
    known = rows["p_holm"].dropna() if rows is not None else pd.Series(dtype=float)
    if known.empty:
        return Cell(words.NONE)
    if rows is not None and len(rows) == 1:
        return number(known.iloc[0], p_value(known.iloc[0]))
    below = int((known <= alpha).sum())
    lost = len(rows) - len(known) if rows is not None else 0
    note = f"smallest {p_value(known.min())}" + (f"; {lost} undefined" if lost else "")
    return number(known.min(), f"{below} of {len(known)}", note)


def _together(part: pd.DataFrame) -> Iterator[str]:
    """Tests of all models at once, as sentences."""
    for row in part[part["test"].isin(TOGETHER)].to_dict("records"):
        where = "all views and splits" if row["view"] == "all" else f"{row['view']} view, {row['protocol']} split"
        if words.missing(row["p"]):
            yield f"{row['test']}, {where}: the models do not differ anywhere, so there is nothing to test."
            continue
        unit = words.plural(row["units"], row["unit"].removesuffix("s"))
        text = f"{row['test']}, {where}: {row['statistic']:.1f} over {unit}, p {_p(row['p'])}."
        if not words.missing(row["least_p"]):
            text += f" The smallest p that so many blocks can give is {_p(row['least_p'])} (exact)."
        yield text


def _tasks(part: pd.DataFrame) -> Iterator[str]:
    for row in part[part["test"] == ANOVA].to_dict("records"):
        text = f"{row['model']}, {row['view']} view, {row['protocol']} split: its own task against {row['against']}, "
        yield text + f"F {row['statistic']:.2f} over {words.plural(row['units'], 'run')}, p {_p(row['p'])}."


def _p(value: float) -> str:
    return p_value(value) if value < 0.001 else f"{np.round(value, 3):g}"
