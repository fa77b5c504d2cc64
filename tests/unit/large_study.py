"""A report's inputs for a thousand runs, made from those of a small made-up study by repeating its rows."""

from itertools import product
from pathlib import Path

import pandas as pd
from fake_study import FakeStudy

from leukoflow.config.study import Study
from leukoflow.core.runs import is_baseline

COPIES = 63
FAMILIES = ("confusion", "roc", "pr", "reliability", "reliability_classes", "confidence", "shortcuts", "robustness")
"""Families of figures that each panel has."""


def enlarged(fake: FakeStudy, tables: dict[str, pd.DataFrame]) -> tuple[Study, dict[str, pd.DataFrame]]:
    """The study and its tables with `COPIES` times the networks, each on every view: over 1,000 runs."""
    names = [name for name in fake.models if not is_baseline(name)]
    copies = {name: [name, *(f"{name}_{number:02d}" for number in range(1, COPIES))] for name in names}
    whole = fake.study.model_dump(mode="json")
    whole["models"] |= {copy: whole["models"][name] for name in names for copy in copies[name]}
    experiment = whole["experiments"]["main"]
    experiment["models"] = [copy for name in experiment["models"] for copy in copies.get(name, [name])]
    experiment["views"] = list(fake.views)
    larger = {name: _repeated(table, copies, fake.views) for name, table in tables.items()}
    return Study.model_validate(whole), larger


def _repeated(table: pd.DataFrame, copies: dict[str, list[str]], views: tuple[str, ...]) -> pd.DataFrame:
    """A table with the rows of the plain view for every view, and those of a network for each of its copies."""
    if "view" in table and len(table):
        plain = table[table["view"] == "plain"]
        table = pd.concat([table[table["view"] != "plain"], *(plain.assign(view=view) for view in views)])
    if "model" not in table:
        return table.reset_index(drop=True)
    parts = [
        rows.assign(model=copy)
        for name, rows in table.groupby("model", sort=False, dropna=False)
        for copy in copies.get(str(name), [name])
    ]
    return pd.concat(parts, ignore_index=True) if parts else table


def many_figures(drawing: Path, views: tuple[str, ...], protocols: tuple[str, ...]) -> list[Path]:
    """Copies of one figure (PNG and SVG) under the names that the figures of every panel have."""
    paths = []
    for family, view, protocol in product(FAMILIES, views, protocols):
        path = drawing.with_name(f"{family}.demo.subtype.{view}.{protocol}.png")
        if path != drawing:
            path.write_bytes(drawing.read_bytes())
            path.with_suffix(".svg").write_bytes(drawing.with_suffix(".svg").read_bytes())
        paths.append(path)
    return paths
