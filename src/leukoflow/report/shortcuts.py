"""The shortcut audit as the report shows it, and what of it a reader must know."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.embed import Picture
from leukoflow.report.findings import Finding
from leukoflow.report.grid import Cell, Grid, Row, grid, number

PANEL = ["cohort", "task", "view", "protocol"]
TONES = {"explained": "bad", "no skill": "warn", "partly": "warn", "silent": "good"}
LEVELS = {
    "explained": "no better than a shortcut",
    "no skill": "no skill to explain",
    "partly": "partly explained",
    "silent": "nothing found",
}
KINDS = {
    "no cell": "no white cell",
    "colours": "colours, no shapes",
    "cells": "size and number of cells",
    "file": "the file alone",
}
CHANGES = {
    "common_scale": "all at one magnification",
    "cells_only": "white cells on a flat ground",
    "gaussian_blur": "all blurred alike",
    "jpeg": "all compressed alike",
}


@dataclass(frozen=True)
class Audited:
    """One cohort, task, view and protocol."""

    title: str
    verdicts: tuple[tuple[str, str, str, str], ...]
    """Models, tone, level, sentence."""
    models: Grid
    stains: Grid | None
    neutralised: Grid | None
    pictures: list[Picture]


@dataclass(frozen=True)
class Content:
    """The section."""

    planted: list[Picture]
    probes: Grid
    panels: list[Audited]


def shortcuts_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> Content | None:
    """The content of the section; None if nothing was audited."""
    audit = tables["shortcut_audit"]
    if audit.empty:
        return None
    panels = []
    for key, part in audit.groupby(PANEL, sort=False):
        panel = tuple(str(name) for name in key)
        stains, neutral = (_of(tables[name], panel) for name in ("stain_swap", "neutralised"))
        panels.append(
            Audited(
                f"{panel[0]}, {panel[1]}: {panel[3]} split, {panel[2]} view",
                _verdicts(part),
                _models(part),
                _stains(stains) if len(stains) else None,
                _neutralised(neutral) if len(neutral) else None,
                [picture for picture in pictures if picture.family == "shortcuts" and picture.parts == panel],
            )
        )
    return Content([picture for picture in pictures if picture.family == "planted"], _probes(tables["probes"]), panels)


def shortcut_findings(tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """One for each cohort, task, view and protocol: the verdict on its best network, and how the others did."""
    findings = []
    audit = tables["shortcut_audit"]
    networks = audit[~audit["model"].map(is_baseline).astype(bool)]
    for key, part in networks.groupby(PANEL, sort=False):
        best = part.sort_values(["accuracy", "model"], ascending=[False, True], kind="stable").iloc[0]
        title = f"Shortcut audit: {key[0]}, {key[1]}, {key[2]} view, {key[3]} split"
        text = f"{best['model']} is right on {words.percent(best['accuracy'])}. {best['verdict']}"
        if len(part) > 1:
            counts = part["level"].value_counts()
            phrases = [f"{counts[level]} {meaning}" for level, meaning in LEVELS.items() if level in counts]
            text += f" Of {len(part)} networks: {words.listed(phrases)}."
        action = ""
        if TONES[best["level"]] == "bad":
            action = f"Do not claim that the networks read cells in {key[0]} ({key[1]}). First test them on images "
            action += "without the shortcut, such as another view or another laboratory's images."
        findings.append(Finding(TONES[best["level"]], title, text, "shortcuts", action))
    return findings


def _verdicts(table: pd.DataFrame) -> tuple[tuple[str, str, str, str], ...]:
    """Models with the same verdict share one sentence."""
    verdicts = []
    for (level, text), part in table.groupby(["level", "verdict"], sort=False):
        verdicts.append((words.listed(part["model"]), TONES[str(level)], LEVELS[str(level)], str(text)))
    return tuple(verdicts)


def _of(table: pd.DataFrame, panel: tuple[str, ...]) -> pd.DataFrame:
    return table[(table[PANEL] == list(panel)).all(axis=1)]


def _share(row: Mapping, name: str, digits: int = 1) -> Cell:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    return number(row[name], words.percent(row[name], digits), words.interval(low, high, digits))


def _models(table: pd.DataFrame) -> Grid:
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["model"]), Cell(LEVELS[row["level"]]), _share(row, "accuracy")]
        cells += [
            Cell(row["no_cell_probe"].replace("_", " ")),
            _share(row, "no_cell_accuracy"),
            _share(row, "no_cell_share", 0),
        ]
        cells += [_share(row, "colour_share", 0)]
        cells += [_share(row, f"swap_{name}") for name in ("flips", "accuracy", "own_accuracy")]
        cells += [number(row["groups"], words.count(row["groups"]))]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = [
        "Model", "Verdict", "Accuracy", "Best probe without a cell", "Its accuracy", "Share explained without a cell",
        "Share explained by colours", "Predictions changed by another class' stain", "Accuracy in it",
        "Accuracy in the own class' stain", "Groups",
    ]  # fmt: skip
    chance = words.percent(table["chance"].iloc[0])
    caption = f"Chance (always the most frequent class) is {chance}. Shares are of the accuracy above it. Small "
    return grid(caption + "figures are intervals over groups.", columns, rows, best="Accuracy")


def _stains(table: pd.DataFrame) -> Grid:
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["model"]), Cell(row["to"]), number(row["images"], words.count(row["images"]))]
        cells += [number(row["accuracy_before"], words.percent(row["accuracy_before"]))]
        cells += [_share(row, name) for name in ("accuracy", "flips", "taken")]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = ["Model", "Recoloured to", "Images", "Accuracy before", "Accuracy after", "Predictions changed"]
    caption = "Test images in other stains. Clusters stand for acquisitions (slides)."
    return grid(caption, [*columns, "Named the class whose stain it is"], rows, best="Accuracy after")


def _neutralised(table: pd.DataFrame) -> Grid:
    rows = []
    for row in table.to_dict("records"):
        limits = words.points_interval(row["difference_low"], row["difference_high"])
        cells = [Cell(row["model"]), Cell(CHANGES[row["change"]])]
        cells += [number(row["accuracy_before"], words.percent(row["accuracy_before"])), _share(row, "accuracy")]
        cells += [number(row["difference"], words.points(row["difference"]), limits)]
        cells += [number(row["flips"], words.percent(row["flips"]))]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = ["Model", "Test images", "Accuracy before", "Accuracy after", "Difference, points", "Predictions changed"]
    caption = "Shortcuts taken away from the test images. A fall may also be the unwonted look of such pictures."
    return grid(caption, columns, rows, best="Accuracy after")


def _probes(table: pd.DataFrame) -> Grid:
    rows = []
    for row in table.to_dict("records"):
        above = row["low"] > row["chance"]
        cells = [Cell(row["cohort"]), Cell(row["task"]), Cell(row["protocol"]), Cell(row["probe"].replace("_", " "))]
        cells += [Cell(KINDS[row["kind"]])]
        cells += [number(row["accuracy"], words.percent(row["accuracy"]), words.interval(row["low"], row["high"]))]
        cells += [number(row["chance"], words.percent(row["chance"])), Cell("yes" if above else "no")]
        rows.append(Row(tuple(cells)))
    columns = ["Cohort", "Task", "Split", "Probe", "Sees", "Accuracy", "Chance", "Above chance"]
    caption = "Probes: random forests on a few numbers of each image. Small figures are intervals."
    return grid(caption, columns, rows, best="Accuracy")
