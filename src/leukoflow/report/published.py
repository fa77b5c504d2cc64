"""Section Published of the report: what the papers print, whether it can be, and what was reproduced."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from leukoflow.config.published import AMOUNTS, COSTS, Paper, papers
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.report.embed import Picture
from leukoflow.report.findings import Finding
from leukoflow.report.grid import Cell, Grid, Row, grid, number

VERDICTS = {
    "impossible": "cannot be",
    "contradiction": "contradicts itself",
    "odd": "read with care",
    "possible": "agrees",
}
TABLE, CHECKS, FIGURES, LITERATURE = "published_vs_reproduced", "published_checks", "paper_figures", "literature"
SOURCES = {
    "cited": "cited, not measured",
    "published": "published, not measured",
    "measured": "measured here",
}
"""Words of the sources of table `literature`."""


def published_section(
    study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> dict[str, Any] | None:
    """Checks, published next to reproduced, counts of parameters; None if the study has no system of the papers."""
    here = [paper.paper for paper in present(study)]
    if not here:
        return None
    rows, checks = (tables[name][tables[name]["paper"].isin(here)] for name in (TABLE, CHECKS))
    counts = rows["metric"] == "parameters"
    run = rows["model"].notna() & (rows["reproduced"].notna() | rows["strictest"].notna())
    return {
        "numbers": len(rows),
        "run": int(run.sum()),
        "comparable": int((rows["comparable"] == "yes").sum()),
        "unclear": int((rows["comparable"] == "unclear").sum()),
        "absent": [paper.system for paper in papers().values() if paper.paper not in here],
        "reproduced": reproduced(rows[run & ~counts]),
        "differing": differing(rows[run & ~counts]),
        "failed": checked(checks[checks["verdict"] != "possible"], "What cannot be, or cannot be together."),
        "passed": checked(checks[checks["verdict"] == "possible"], "What agrees."),
        "parameters": parameters(rows[counts]),
        "rest": rest(rows[~run & ~counts]),
        "figures": figures(tables[FIGURES]),
        "tables": paper_tables(present(study)),
        "literature": cited(tables[LITERATURE][tables[LITERATURE]["paper"].isin(here)]),
    }


def present(study: Study) -> list[Paper]:
    """The papers of which the study has a system."""
    architectures = {
        study.models[name].architecture for experiment in study.experiments.values() for name in experiment.models
    }
    return [paper for paper in papers().values() if architectures & set(paper.architectures)]


def published_findings(study: Study, tables: Mapping[str, pd.DataFrame]) -> list[Finding]:
    """What of each paper's numbers cannot be true."""
    findings = []
    for paper in present(study):
        checks = tables[CHECKS][tables[CHECKS]["paper"] == paper.paper]
        impossible, against = (checks[checks["verdict"] == verdict] for verdict in ("impossible", "contradiction"))
        if len(impossible) + len(against) == 0:
            continue
        text = "By its own figures: "
        text += (
            f"{words.plural(len(impossible), 'number')} cannot be true, {words.plural(len(against), 'contradiction')}. "
        )
        first = (impossible if len(impossible) else against).iloc[0]
        text += f"For one, {first['check']}: {first['arithmetic']}"
        action = (
            f"Do not use the numbers published for {paper.system} as targets before its authors have explained them."
        )
        findings.append(Finding("warn", f"Numbers published for {paper.system}", text, "published", action))
    return findings


def checked(checks: pd.DataFrame, caption: str) -> Grid | None:
    """Checks with their arithmetic; None if there are none."""
    rows = [
        Row(
            (
                Cell(row["check"], note=f"{row['system']}; {row['where']}", long=True),
                Cell(row["published"]),
                Cell(row["computed"]),
                Cell(VERDICTS[row["verdict"]]),
                Cell(row["arithmetic"], long=True),
            )
        )
        for row in checks.to_dict("records")
    ]
    columns = ["What, and where in the paper", "Published", "What follows", "Verdict", "Arithmetic"]
    return grid(caption, columns, rows, CHECKS) if rows else None


def reproduced(table: pd.DataFrame) -> Grid | None:
    """Numbers of which the study has a run: published, under the same protocol, under the strictest one."""
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["what"], note=f"{row['system']}; here {row['model']}")]
        cells.append(_value(row, "published", "published_low", "published_high"))
        cells += [_value(row, "reproduced", "low", "high"), _difference(row, "difference")]
        strict = _value(row, "strictest", "strictest_low", "strictest_high")
        cells.append(replace(strict, note=", ".join(filter(None, [strict.note, _said(row["strictest_protocol"])]))))
        cells += [_difference(row, "strictest_difference"), _text(row["comparable"])]
        cells.append(Cell(VERDICTS.get(_said(row["verdict"]), "")))
        rows.append(Row(tuple(cells)))
    columns = ["What, and our model", "Published", "Here, images at random", "Points", "Here, strictest split"]
    columns += ["Points, strictest", "Comparable", "The published number"]
    caption = (
        "Published next to reproduced, and the difference. Small figures are 95 % intervals (of published numbers as "
    )
    caption += "printed, or Wilson's where the count of images is known)."
    return grid(caption, columns, rows, TABLE) if rows else None


def differing(table: pd.DataFrame) -> Grid | None:
    """What about each run is not as published: one row for each model on each task."""
    rows = []
    measured = table[(table["comparable"] != "") & ~table["metric"].isin(COSTS)]
    for row in measured.drop_duplicates(["paper", "task", "target", "model"]).to_dict("records"):
        cells = [Cell(row["model"], note=f"{row['system']}, {row['task']}"), Cell(_said(row["comparable"]))]
        cells += [Cell(_said(row["differences"]), long=True), Cell(_said(row["unsaid"]), long=True)]
        cells += [number(row["images"], words.count(row["images"]))]
        cells += [number(row["runs"], words.count(row["runs"])), number(row["epochs"], words.decimal(row["epochs"], 0))]
        rows.append(Row(tuple(cells)))
    columns = ["Our model", "Comparable", "Not as published", "The paper does not say", "Test images", "Runs"]
    columns.append("Epochs trained")
    return grid("Our runs next to the publications.", columns, rows, TABLE) if rows else None


def parameters(table: pd.DataFrame) -> Grid | None:
    """Published counts of parameters next to those of our networks at the published size, and of the ones run here."""
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["system"]), Cell(row["what"])]
        cells += [number(row[name], words.count(row[name])) for name in ("published", "counted", "reproduced")]
        cells += [_text(row["size"]), Cell(_said(row["note"]), long=True)]
        rows.append(Row(tuple(cells)))
    columns = ["System", "What", "Published", "Counted, published size", "Counted, run here", "Size run here", "Note"]
    return grid("Parameters.", columns, rows, TABLE) if rows else None


def rest(table: pd.DataFrame) -> Grid | None:
    """Numbers of which the study has nothing."""
    rows = [
        Row(
            (
                Cell(row["system"]),
                Cell(row["what"]),
                _value(row, "published", "published_low", "published_high"),
                Cell(row["where"]),
                Cell(row["reason"]),
            )
        )
        for row in table.to_dict("records")
    ]
    columns = ["System", "What", "Published", "In the paper", "Here"]
    return grid("Numbers without a counterpart in this study.", columns, rows, TABLE) if rows else None


def figures(table: pd.DataFrame) -> Grid | None:
    """Figures of the papers and the files that show the same of this study."""
    rows = []
    for row in table.to_dict("records"):
        file = _said(row["file"])
        cells = [Cell(row["system"]), Cell(str(row["figure"])), Cell(row["shows"], long=True)]
        cells.append(Cell(file.rpartition("/")[2] or words.NONE, href=f"{file}.png" if file else ""))
        cells.append(Cell(_said(row["differs"]) if file else _said(row["reason"]), long=True))
        rows.append(Row(tuple(cells)))
    columns = ["System", "Figure", "Shows", "File, next to this page", "How it differs, or why there is none"]
    return grid("The papers' figures, drawn from this study.", columns, rows, FIGURES) if rows else None


def paper_tables(papers: Sequence[Paper]) -> Grid | None:
    """Tables of the papers and those of this study that stand for them."""
    rows = []
    for paper in papers:
        for table in paper.tables:
            for name in table.tables or ("",):
                cells = [Cell(paper.system), Cell(table.number), Cell(table.shows, long=True)]
                cells.append(Cell(name or words.NONE, href=f"tables/{name}.csv" if name else ""))
                rows.append(Row((*cells, Cell(table.differs, long=True))))
    columns = ["System", "Table", "Shows", "Ours, next to this page", "How it differs, or why there is none"]
    return grid("The papers' tables, and ours that stand for them.", columns, rows) if rows else None


def cited(table: pd.DataFrame) -> Grid | None:
    """What the papers print of other works, next to their own accuracies and ours."""
    rows = []
    for row in table.to_dict("records"):
        source = str(row["source"])
        cells = [Cell(row["system"]), Cell(row["whose"], note=_said(row["where"]), long=True)]
        limits = words.interval(row["low"], row["high"])
        cells.append(number(row["accuracy"], words.percent(row["accuracy"], 1 if source == "measured" else 2), limits))
        cells += [Cell(SOURCES[source]), _text(row["task"])]
        cells.append(Cell(_said(row["images"]) or words.NONE, note=_said(row["protocol"]), long=True))
        cells.append(number(row["parameters"], words.count(row["parameters"])))
        cells.append(Cell(_said(row["note"]) if source == "cited" else "", long=True))
        rows.append(Row(tuple(cells), source == "measured"))
    columns = ["Paper", "Whose", "Accuracy", "Source", "Task", "Images and split", "Parameters", "Note"]
    caption = "Accuracies as the papers tabulate them: of other works, their own, and ours."
    return grid(caption, columns, rows, LITERATURE) if rows else None


def _said(value: object) -> str:
    """A text, empty if CSV reads it as missing."""
    return "" if words.missing(value) else str(value)


def _text(value: object) -> Cell:
    return Cell(_said(value) or words.NONE)


def _value(row: Mapping[Any, Any], name: str, low: str, high: str) -> Cell:
    value, metric = row[name], row["metric"]
    if words.missing(value):
        return Cell(words.NONE)
    if metric.endswith(("training_seconds", "seconds_per_image")):
        return number(value, words.duration(value))
    if metric.endswith("megabytes"):
        return number(value, words.size(value * 1e6))
    if metric in AMOUNTS:
        return number(value, f"{value:,.4g}")
    limits = words.interval(row[low], row[high], 1) if row[low] < row[high] else ""
    return number(value, words.percent(value, 2 if name == "published" else 1), limits)


def _difference(row: Mapping[Any, Any], name: str) -> Cell:
    share = row["metric"] not in AMOUNTS
    return number(row[name], words.points(row[name])) if share else Cell(words.NONE)
