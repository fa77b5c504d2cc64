"""Section on explanations: where the networks look, and what their heat maps are worth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number, records

FAMILIES = ("explain", "explain_scores")
PANEL = ["cohort", "task", "view", "protocol"]
METHODS = {
    "gradcam": "Grad-CAM", "gradcam_1": "Grad-CAM, first trunk", "gradcam_2": "Grad-CAM, second trunk",
    "attention": "Attention", "rollout": "Attention rollout",
    "stack_1": "Self-attention, first trunk", "stack_2": "Self-attention, second trunk",
    "uniform": "(uniform)", "centre": "(centre)", "edges": "(edges)",
}  # fmt: skip
ALIKE = 0.5
"""Rank correlation from which a map counts as unchanged by scrambled weights."""
LEAST_GAIN = 0.002
"""Gain of an order, in probability, below which there is none."""
OFTEN_EMPTY = 0.2
"""Share of maps without heat that is said."""
Scores = Mapping[str, Mapping[str, float]]
"""Row of each score of one model and method."""


@dataclass(frozen=True)
class Panel:
    """The networks of one cohort, task, view and protocol."""

    title: str
    images: int
    wrong: int
    pictures: tuple[Picture, ...]
    readings: dict[str, list[str]]
    table: Grid
    reference_maps: Grid


@dataclass(frozen=True)
class Explanations:
    """The whole section."""

    panels: tuple[Panel, ...]
    cells: bool
    """Whether the study knows where white cells are."""


def explanations_section(
    study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> Explanations | None:
    """The section from table `explanations`; None if nothing was explained."""
    table = tables["explanations"]
    if table.empty:
        return None
    panels = []
    for key, part in table.groupby(PANEL, sort=False):
        figures = [picture for picture in pictures if picture.family in FAMILIES and picture.parts == tuple(key)]
        figures.sort(key=lambda picture: FAMILIES.index(picture.family))
        most = part[part["score"] == "probability"].groupby("subset")["images"].max()
        title = f"{key[0]}, {key[1]}, {key[2]} view, {key[3]} split"
        whole = part[part["subset"] == "all"]
        counts = int(most["all"]), int(most.get("wrong", 0))
        panels.append(Panel(title, *counts, tuple(figures), readings(whole), networks(whole), reference_maps(whole)))
    return Explanations(tuple(panels), bool(table.loc[table["score"] == "cells", "value"].notna().any()))


def scores_of(part: pd.DataFrame) -> dict[tuple[str, str], Scores]:
    """Scores of each model and method, by name."""
    scores_by_map: dict[tuple[str, str], Scores] = {}
    for (model, method), rows in records(part, "model", "method").items():
        scores_by_map[str(model), str(method)] = {
            row["score"]: {name: row[name] for name in ("value", "low", "high")} for row in rows
        }
    return scores_by_map


def networks(part: pd.DataFrame) -> Grid:
    """A row for each model and each of its own methods."""
    rows = []
    for (model, method), scores in scores_of(part[~part["reference_map"].astype(bool)]).items():
        cells = [Cell(model), Cell(METHODS[method])]
        cells += [_pair(scores["probability"], scores["blurred"]), _pair(scores["cells"], scores["cells_area"])]
        cells += [_times(scores[name]) for name in ("cells_ratio", "nuclei_ratio")]
        cells += [_decimal(scores[name]) for name in ("deletion_gain", "insertion_gain")]
        cells += [_decimal(scores[name]) for name in ("rank_head", "rank_all", "rank_edges")]
        rows.append(Row(tuple(cells)))
    columns = ["Model", "Method", "Its answer", "Heat in cells", "Heat / area, cells"]
    columns += ["Heat / area, nuclei", "Deletion gain", "Insertion gain", "Likeness, head", "Likeness, all"]
    caption = (
        "Its answer: mean probability, below with every shape blurred; heat in cells: below, their area. Intervals."
    )
    return grid(caption, [*columns, "Likeness, edges"], rows, best="Heat / area, cells")


def readings(part: pd.DataFrame) -> dict[str, list[str]]:
    """What the scores say in words, and of which models and methods, in the table's order."""
    every = scores_of(part)
    by_text: dict[str, list[str]] = {}
    for (model, method), scores in scores_of(part[~part["reference_map"].astype(bool)]).items():
        references = [every[model, name]["cells_ratio"]["value"] for name in ("centre", "edges")]
        text = reading(scores, max(references))
        if text != words.NONE:
            by_text.setdefault(text, []).append(f"{model} ({METHODS[method]})")
    return by_text


def reference_maps(part: pd.DataFrame) -> Grid:
    """The maps that know no network: shares of the first model's images, gains as means over models."""
    rows = []
    references = part[part["reference_map"].astype(bool)]
    for method, group in references.groupby("method", sort=False):
        means = group.groupby("score")["value"].mean()
        texts = [words.percent(means["cells"]), *(_ratio(means[name]) for name in ("cells_ratio", "nuclei_ratio"))]
        texts += [_signed(words.decimal(means[name], 2)) for name in ("deletion_gain", "insertion_gain")]
        names = ("cells", "cells_ratio", "nuclei_ratio", "deletion_gain", "insertion_gain")
        cells = [number(means[name], text) for name, text in zip(names, texts, strict=True)]
        rows.append(Row((Cell(METHODS[str(method)].strip("()").capitalize()), *cells)))
    columns = ["Map", "Heat in white cells", "Heat / area, cells", "Heat / area, nuclei", "Deletion gain"]
    return grid("Maps that know no network; means over the models.", [*columns, "Insertion gain"], rows)


def reading(scores: Scores, reference: float) -> str:
    """What the scores of one map say, in a few words; `reference` is the best ratio of a reference map."""
    said = []
    ratio = scores["cells_ratio"]
    if not words.missing(ratio["low"]):
        if ratio["high"] < 1:
            said.append("looks next to the cells")
        elif ratio["low"] <= 1:
            said.append("no more in cells than chance")
        elif ratio["low"] <= reference:
            said.append("more in cells than chance, no more than a map that knows no network")
        else:
            said.append("more in cells than a map that knows no network")
    gain = scores["insertion_gain"]
    if not words.missing(gain["low"]) and gain["low"] <= LEAST_GAIN:
        worse = gain["high"] < -LEAST_GAIN
        said.append("its order is worse than chance" if worse else "its order is no better than chance")
    if scores["rank_all"]["value"] >= ALIKE:
        said.append("stays the same with scrambled weights: explains the picture, not the network")
    if scores["empty"]["value"] >= OFTEN_EMPTY:
        said.append(f"{words.percent(scores['empty']['value'], 0)} of the maps are empty")
    return "; ".join(said).capitalize() if said else words.NONE


def _pair(row: Mapping[str, float], other: Mapping[str, float]) -> Cell:
    return number(row["value"], words.percent(row["value"], 0), words.percent(other["value"], 0))


def _decimal(row: Mapping[str, float]) -> Cell:
    return number(row["value"], _signed(words.decimal(row["value"], 2)), _limits(row))


def _times(row: Mapping[str, float]) -> Cell:
    return number(row["value"], _ratio(row["value"]), _limits(row))


def _ratio(value: float) -> str:
    return words.NONE if words.missing(value) else f"{value:.2f}\N{MULTIPLICATION SIGN}"


def _limits(row: Mapping[str, float]) -> str:
    if words.missing(row["low"]):
        return ""
    return _signed(f"{row['low']:.2f} to {row['high']:.2f}")


def _signed(text: str) -> str:
    return text.replace("-0.00", "0.00").replace("-", "\N{MINUS SIGN}")
