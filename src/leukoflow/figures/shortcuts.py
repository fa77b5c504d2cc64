"""The shortcut audit of one panel: models, the same models on other views, and probes, on one scale of accuracy."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from leukoflow.core.inputs import Inputs
from leukoflow.figures.style import INK, MUTED, PALETTE, Drawn, empty

PANEL = ["cohort", "task", "view", "protocol"]
COLUMNS = [*PANEL, "group", "name", "condition", "value", "low", "high", "chance"]
SEEN = {
    "no cell": ("No white cell in sight", PALETTE[1]),
    "colours": ("Colours, no shapes", PALETTE[4]),
    "cells": ("Size and number of cells", PALETTE[2]),
    "file": ("The file alone, which no network sees", PALETTE[7]),
}
STAINS = {
    "as it is": ("accuracy", "o", INK, INK),
    "stain of its own class": ("swap_own_accuracy", "o", MUTED, "white"),
    "stain of another class": ("swap_accuracy", "D", PALETTE[1], PALETTE[1]),
}
"""Column of the audit, marker, colour of its edge and face."""


def shortcut_chart(
    audit: pd.DataFrame, probes: pd.DataFrame, leaderboard: pd.DataFrame, panel: Mapping[str, str]
) -> tuple[Figure, pd.DataFrame]:
    """Accuracy with intervals of everything that was tested on the panel's test images, and the line of chance.

    A model's row holds its accuracy on the images as they are and recoloured to the stain of its own and of another
    class; models on other views follow, then probes by what they see.
    """
    rows = _rows(audit, probes, leaderboard, panel)
    if rows.empty:
        return empty("There is no model to audit."), rows
    groups = [(str(name), part) for name, part in rows.groupby("group", sort=False)]
    counts = [part["name"].nunique() for _, part in groups]
    figure = Figure(figsize=(8.2, sum(0.45 + 0.24 * count for count in counts) + 1.0), layout="constrained")
    grid = figure.subplots(
        len(groups), 1, squeeze=False, sharex=True, height_ratios=[0.5 + count for count in counts]
    ).ravel()
    chance = 100 * float(rows["chance"].iloc[0])
    for axes, (title, part) in zip(grid, groups, strict=True):
        names = list(dict.fromkeys(part["name"]))
        axes.axvline(chance, color=MUTED, linestyle=(0, (4, 3)), linewidth=1, zorder=1)
        for row in part.to_dict("records"):
            _mark(axes, names.index(row["name"]), row)
        axes.set_yticks(range(len(names)), [name.replace("_", " ") for name in names])
        axes.set_ylim(len(names) - 0.4, -0.6)
        axes.tick_params(axis="y", length=0)
        axes.grid(axis="x")
        axes.set_title(title)
    grid[-1].set_xlim(0, 101)
    grid[-1].set_xlabel("Accuracy on test images, %")
    figure.legend(handles=_handles(rows), loc="outside upper right", ncols=4)
    return figure, rows


def _mark(axes: Axes, y: int, row: dict) -> None:
    marker, edge, face = _style(row)
    shift = {"stain of its own class": -0.16, "stain of another class": 0.16}.get(row["condition"], 0.0)
    axes.plot([100 * row["low"], 100 * row["high"]], [y + shift] * 2, color=edge, linewidth=1.8)
    axes.plot(100 * row["value"], y + shift, marker, color=face, markeredgecolor=edge, markersize=5.5, zorder=3)


def _style(row: dict) -> tuple[str, str, str]:
    if row["condition"] in STAINS:
        _, marker, edge, face = STAINS[row["condition"]]
        return marker, edge, face
    colour = next((colour for title, colour in SEEN.values() if title == row["group"]), PALETTE[0])
    return "s", colour, colour


def _rows(
    audit: pd.DataFrame, probes: pd.DataFrame, leaderboard: pd.DataFrame, panel: Mapping[str, str]
) -> pd.DataFrame:
    records: list[dict] = []
    here = audit[(audit[PANEL] == pd.Series(panel)).all(axis=1)]
    for row in here.to_dict("records"):
        for condition, (name, *_) in STAINS.items():
            records.append({"group": "Models", "name": row["model"], "condition": condition} | _limits(row, name))
    if not records:
        return pd.DataFrame(columns=COLUMNS)
    chance = here["chance"].iloc[0]
    columns = [name for name in PANEL if name != "view"]
    board = leaderboard[(leaderboard[columns] == pd.Series({name: panel[name] for name in columns})).all(axis=1)]
    board = board[(board["view"] != panel["view"]) & board["model"].isin(here["model"])]
    for row in board.to_dict("records"):
        name = f"{row['model']}, {row['view']} view"
        facts = {"group": "The same models trained on other views", "name": name, "condition": "view"}
        records.append(facts | {"value": row["accuracy"], "low": row["low"], "high": row["high"]})
    keys = PANEL[:2] + PANEL[3:]
    part = probes[(probes[keys] == pd.Series({name: panel[name] for name in keys})).all(axis=1)]
    for kind, (title, _) in SEEN.items():
        for row in part[part["kind"] == kind].to_dict("records"):
            facts = {"group": title, "name": row["probe"], "condition": "probe"}
            records.append(facts | {"value": row["accuracy"], "low": row["low"], "high": row["high"]})
    table = pd.DataFrame(records).assign(**panel, chance=chance)
    return table[table["value"].notna()][COLUMNS].reset_index(drop=True)


def _limits(row: Mapping, name: str) -> dict[str, float]:
    low, high = (row[f"{name}_{end}"] for end in ("low", "high"))
    return {"value": row[name], "low": low, "high": high}


def _handles(rows: pd.DataFrame) -> list[Line2D]:
    used = [name for name in STAINS if name in set(rows["condition"])]
    handles = []
    for name in used:
        _, marker, edge, face = STAINS[name]
        handles.append(Line2D([], [], color=edge, marker=marker, markerfacecolor=face, label=f"model, {name}"))
    return [*handles, Line2D([], [], color=MUTED, linestyle=(0, (4, 3)), linewidth=1, label="chance")]


def draw_shortcuts(inputs: Inputs) -> Drawn:
    """The shortcut audit of a panel, from the tables `shortcut_audit`, `probes` and `leaderboard`."""
    audit, probes = inputs.table("shortcut_audit"), inputs.table("probes")
    return shortcut_chart(audit, probes, inputs.table("leaderboard"), inputs.panel)
