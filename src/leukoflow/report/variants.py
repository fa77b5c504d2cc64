"""Section Ablations and sweeps of the report: what parts are worth, and which values validation images chose."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number

PLACE = ["cohort", "task", "view", "protocol"]


@dataclass(frozen=True)
class Part:
    """One experiment."""

    name: str
    grid: Grid
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Variants:
    """The whole section."""

    ablations: tuple[Part, ...]
    sweeps: tuple[Part, ...]


def variants_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> Variants | None:
    """The section from the tables ablation and sweeps; None for a study without either."""
    ablations = _parts("ablation", tables["ablation"], pictures, ablation_grid)
    sweeps = _parts("sweep", tables["sweeps"], pictures, sweep_grid)
    return Variants(ablations, sweeps) if ablations or sweeps else None


def _parts(family: str, table: pd.DataFrame, pictures: Sequence[Picture], made: Any) -> tuple[Part, ...]:
    parts = []
    for name, rows in table.groupby("experiment", sort=False):
        figures = tuple(picture for picture in pictures if picture.family == family and picture.parts == (name,))
        parts.append(Part(str(name), made(rows), figures))
    return tuple(parts)


def ablation_grid(table: pd.DataFrame) -> Grid:
    """Each part of one experiment: accuracy, macro F1 and their differences to the whole."""
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["model"]), Cell(row["part"].replace("_", " ")), Cell(row["view"]), Cell(row["protocol"])]
        cells += [number(row[name], words.percent(row[name])) for name in ("accuracy", "macro_f1")]
        for value, low, high in (("difference", "low", "high"), ("f1_difference", "f1_low", "f1_high")):
            limits = words.points_interval(row[low], row[high])
            cells.append(number(row[value], words.points(row[value]), limits))
        rows.append(Row(tuple(cells)))
    columns = ["Model", "Part", "View", "Split", "Accuracy", "Macro F1", "Accuracy less whole, points"]
    columns.append("Macro F1 less whole, points")
    over = next((unit for unit in table["resampling"] if isinstance(unit, str) and unit), "images")
    caption = "Differences are on the same test images; a part that helps has one below 0. "
    return grid(caption + f"Small figures are intervals over {over}.", columns, rows, "ablation")


def sweep_grid(table: pd.DataFrame) -> Grid:
    """The variants of one experiment, the chosen ones marked."""
    values = [json.loads(text) for text in table["values"]]
    keys = list(dict.fromkeys(key for settings in values for key in settings))
    rows = []
    for row, settings in zip(table.to_dict("records"), values, strict=True):
        cells = [Cell(row["model"], chip="chosen" if row["chosen"] else ""), Cell(row["view"]), Cell(row["protocol"])]
        cells += [_value(settings.get(key)) for key in keys]
        cells.append(number(row["validation_accuracy"], words.percent(row["validation_accuracy"])))
        cells.append(number(row["validation_loss"], words.decimal(row["validation_loss"])))
        note = "" if row["chosen"] else "not chosen"
        cells += [number(row[name], words.percent(row[name]), note) for name in ("accuracy", "macro_f1")]
        rows.append(Row(tuple(cells)))
    columns = ["Model", "View", "Split", *(key.rpartition(".")[2].replace("_", " ").capitalize() for key in keys)]
    columns += ["Validation accuracy", "Validation loss", "Test accuracy", "Test macro F1"]
    caption = "The variant of the highest accuracy on validation images is chosen; its numbers on test images are the "
    return grid(caption + "result. Those of the others chose nothing.", columns, rows, "sweeps")


def _value(value: Any) -> Cell:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return number(value, f"{value:g}")
    return Cell(value if isinstance(value, str) else json.dumps(value))


def without_unchosen(leaderboard: pd.DataFrame, sweeps: pd.DataFrame) -> pd.DataFrame:
    """The leaderboard without variants of sweeps that validation images did not choose."""
    left_out = set(sweeps.loc[~sweeps["chosen"].astype(bool), [*PLACE, "variant"]].itertuples(index=False, name=None))
    keys = leaderboard[[*PLACE, "model"]].itertuples(index=False, name=None)
    return leaderboard[[key not in left_out for key in keys]]
