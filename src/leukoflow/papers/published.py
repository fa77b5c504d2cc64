"""What the papers publish next to what a study reproduces: under the same protocol, and under the strictest it has."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config import published_checks as checks
from leukoflow.config.models import METRICS, Model
from leukoflow.config.protocols import LEAKY, in_order, is_leaky
from leukoflow.config.published import Number, Paper
from leukoflow.config.study import Study
from leukoflow.papers import plausible
from leukoflow.papers.checks import POSSIBLE, VERDICTS
from leukoflow.papers.comparable import Facts, compare
from leukoflow.stats.bootstrap import wilson_interval
from leukoflow.stats.curves import MACRO, MICRO

SAME = "image"
"""What every paper divided: images at random."""
COSTS = {
    "parameters": ("parameters", 1.0),
    "training_seconds": ("seconds", 1.0),
    "seconds_per_image": ("latency_p50_ms", 1e-3),
    "gpu_seconds_per_image": ("gpu_latency_p50_ms", 1e-3),
    "images_per_second": ("gpu_images_per_second", 1.0),
    "megabytes": ("bytes", 1e-6),
    "memory_megabytes": ("peak_memory_mb", 1.0),
    "gpu_memory_megabytes": ("gpu_peak_memory_mb", 1.0),
}
"""Metrics that stand in the table efficiency: their columns there, and the factor to the papers' unit."""
ASSESSED = {
    "ece": ("calibration", "none", "ece"),
    "adaptive_ece": ("calibration", "none", "adaptive_ece"),
    "mce": ("calibration", "none", "mce"),
    "brier": ("calibration", "none", "brier"),
    "loss": ("calibration", "none", "nll"),
    "ece_scaled": ("calibration", "temperature", "ece"),
    "temperature": ("calibration", "temperature", "temperature"),
    "micro_auc": ("discrimination", "", "auc"),
    "micro_ap": ("discrimination", "", "ap"),
    "ap": ("discrimination", "", "ap"),
    "partial_auc": ("discrimination", "", "partial_auc"),
    "separation": ("discrimination", "", "separation"),
    "class_temperature": ("calibration", "class temperature", "temperature"),
    **{name: ("errors", "", name) for name in ("nmi", "error_entropy", "top3", "confidence_right", "confidence_wrong")},
    **{name: ("calibration", "none", name) for name in (
        "reliability", "resolution", "uncertainty", "sharpness", "ici", "classwise_ece",
    )},
}  # fmt: skip
"""Metrics that stand in the tables of calibration, discrimination and errors: table, calibrator and column there."""
COLUMNS = [
    "paper", "system", "number", "what", "metric", "task", "class", "dataset", "where", "published_protocol",
    "published", "published_low", "published_high", "published_interval", "cohort", "target", "view", "model",
    "protocol", "reproduced", "low", "high", "difference", "strictest_protocol", "strictest", "strictest_low",
    "strictest_high", "strictest_difference", "size", "recipe", "weights", "epochs", "parameters", "images", "runs",
    "counted", "comparable", "differences", "unsaid", "reason", "verdict", "note",
]  # fmt: skip
ABSENT = "not run in this study"
UNMEASURED = "run, but this study has no table of it"


def reproduction(
    study: Study, papers: Mapping[str, Paper], tables: Mapping[str, pd.DataFrame], checked: pd.DataFrame, facts: Facts
) -> pd.DataFrame:
    """One row for each published number, `COLUMNS`.

    `tables` are the study's leaderboard, external, scores, efficiency and cohorts, and, where it has them, calibration,
    discrimination, errors, robustness and sample_size; `checked` is the table of checks; `facts` are what the runs
    really were.
    `reproduced` is under the paper's protocol (the ready one of its name, with its leaks if that was run, or images
    divided at random), `strictest` under the strictest other one without leaks;
    both with their intervals. `comparable` is one of `comparable.GRADES`, `differences` are what about the run is not
    as published, `unsaid` the conditions that the paper does not say. `reason` says why a number has no counterpart.
    `verdict` is the gravest of the number's checks.
    """
    rows = []
    for paper in papers.values():
        for number in paper.numbers:
            row: dict[str, Any] = dict.fromkeys(COLUMNS, np.nan)
            row |= dict.fromkeys(("cohort", "target", "view", "model", "protocol", "strictest_protocol", "recipe"), "")
            row |= {"size": "", "weights": "", "comparable": "", "differences": "", "unsaid": "", "reason": ABSENT}
            row |= _published(paper, number) | _verdict(paper, number, checked)
            rows.append(row | _ours(study, paper, number, tables, facts))
    table = pd.DataFrame(rows, columns=COLUMNS)
    table["difference"] = table["reproduced"] - table["published"]
    table["strictest_difference"] = table["strictest"] - table["published"]
    return table


def _published(paper: Paper, number: Number) -> dict[str, Any]:
    row: dict[str, Any] = {"paper": paper.paper, "system": paper.system, "number": number.key, "what": number.what}
    row |= {"metric": number.metric, "task": number.task or "", "class": number.label, "where": number.where}
    row |= {"dataset": paper.datasets[number.target or number.dataset].name, "published_protocol": number.protocol}
    row |= {"published": number.value, "counted": np.nan if number.counted is None else number.counted}
    if number.low is not None:
        return row | {"published_low": number.low, "published_high": number.high, "published_interval": "as published"}
    for check in paper.checks:
        if isinstance(check, checks.WholeImages) and check.number == number.key:
            counts = plausible.possible_counts(number.value, check.images, number.digits)
            if counts:
                low, high = wilson_interval(counts[0], check.images, 0.95)
                row |= {"published_low": low, "published_high": high, "published_interval": "Wilson"}
    return row


def _verdict(paper: Paper, number: Number, checked: pd.DataFrame) -> dict[str, Any]:
    failed = checked[(checked["paper"] == paper.paper) & (checked["verdict"] != POSSIBLE)]
    failed = failed[[number.key in str(keys).split() for keys in failed["numbers"]]]
    if failed.empty:
        return {"verdict": "", "note": number.note}
    gravest = min(failed["verdict"], key=list(VERDICTS).index)
    notes = [
        number.note,
        *(f"{row['check'][0].upper()}{row['check'][1:]}: {row['arithmetic']}" for _, row in failed.iterrows()),
    ]
    return {"verdict": gravest, "note": " ".join(filter(None, notes))}


def _ours(
    study: Study, paper: Paper, number: Number, tables: Mapping[str, pd.DataFrame], facts: Facts
) -> dict[str, Any]:
    """What the study has of a number; empty if it ran nothing that corresponds."""
    for name in counterparts(study, number):
        pair = _board_and_costs(study, paper, number, name, tables)
        if pair is None:
            continue
        board, costs = pair
        first = board.iloc[0]
        row: dict[str, Any] = {key: str(first[key]) for key in ("cohort", "view", "model")}
        row["target"] = str(first["target"]) if number.target else ""
        row |= {key: str(costs.get(key, "")) for key in ("size", "recipe", "weights")}
        row |= {key: costs.get(key, np.nan) for key in ("epochs", "parameters")}
        row |= {"images": int(first["images"]), "runs": int(first["runs"])}
        if number.metric in COSTS:  # no matter of how the images are divided
            column, factor = COSTS[number.metric]
            row["reproduced"] = factor * float(costs.get(column, np.nan))
            return row | _said(study, paper, number, row, board, facts)
        paper_protocol = own_protocol(paper, board)
        others = [name for name in board["protocol"] if name != paper_protocol and not is_leaky(name)]
        same, strict = board[board["protocol"] == paper_protocol], board[board["protocol"].isin(others)]
        for part, protocol, (value, low, high), unseen in (
            (same, "protocol", ("reproduced", "low", "high"), False),
            (strict[-1:], "strictest_protocol", ("strictest", "strictest_low", "strictest_high"), True),
        ):
            if len(part):
                row[protocol] = str(part.iloc[0]["protocol"])
                measured = _measured(number, part.iloc[0], tables, unseen)
                row |= dict(zip((value, low, high), measured, strict=True))
        return row | _said(study, paper, number, row, board, facts)
    return {}


def _said(
    study: Study, paper: Paper, number: Number, row: Mapping[str, Any], board: pd.DataFrame, facts: Facts
) -> dict[str, str]:
    """Whether a run is comparable, and why not: the one under the paper's protocol, if there is one."""
    if all(np.isnan(row.get(name, np.nan)) for name in ("reproduced", "strictest")):
        return {"reason": UNMEASURED}
    protocols = list(board["protocol"])
    setting = {"task": str(board.iloc[0]["task"]), "protocol": own_protocol(paper, board) or str(protocols[-1])}
    comparison = compare(study, paper, number, {**row, **setting}, facts)
    said = {"differences": "; ".join(comparison.differences), "unsaid": ", ".join(comparison.unsaid)}
    return {"comparable": comparison.grade, "reason": "", **said}


def own_protocol(paper: Paper, board: pd.DataFrame) -> str:
    """The protocol of a board that is the paper's: its own with its leaks, its own without, or images divided at
    random; empty if it has none of these."""
    known = set(board["protocol"])
    return next((name for name in (f"{LEAKY}{paper.paper}", paper.paper, SAME) if name in known), "")


def counterparts(study: Study, number: Number) -> list[str]:
    """Models of the study that correspond to a number, the best first.

    Exact ones have its architecture and options, and among them the one with published figures of its own and its own
    recipe comes first, variants of sweeps and ablations last; none trained on a share of the images. Where other
    options may stand in (`loose`), models follow that have the same options with other values, the nearest first.
    """
    candidates = []
    for index, (name, model) in enumerate(study.models.items()):
        if model.architecture != number.architecture or model.training.share < 1:
            continue
        exact = model.options == number.options
        if exact or (number.loose and set(model.options) == set(number.options)):
            changed = model.variant is not None
            candidates.append(
                (
                    not exact,
                    _distance(model, number),
                    changed,
                    model.recipe is not None,
                    not model.published,
                    index,
                    name,
                )
            )
    return [candidate[-1] for candidate in sorted(candidates)]


def _distance(model: Model, number: Number) -> float:
    pairs = [(model.options[key], value) for key, value in number.options.items() if key in model.options]
    return sum(abs(a - b) if isinstance(a, (int, float)) and isinstance(b, (int, float)) else a != b for a, b in pairs)


def _board_and_costs(
    study: Study, paper: Paper, number: Number, model: str, tables: Mapping[str, pd.DataFrame]
) -> tuple[pd.DataFrame, Mapping[Any, Any]] | None:
    """Rows of the leaderboard (of the external cohorts) for a model on one cohort and view, protocols from loose to
    strict, and its row of the efficiency table; None if it was not run on the task.

    The paper's own images are preferred, then views of its kind, plain views, and the view with most protocols.
    """
    rows = tables["external" if number.target else "leaderboard"]
    rows = rows[(rows["model"] == model) & (rows["task"] == number.task)]
    if number.target:
        rows = rows[[_is_dataset(study, paper, number.target, str(name)) for name in rows["target"]]]
    if rows.empty:
        return None
    blocks = []
    for index, (key, part) in enumerate(rows.groupby(["cohort", "view"], sort=False)):
        cohort, view = map(str, key)
        same_dataset, kind = _is_dataset(study, paper, number.dataset, cohort), study.views[view].kind
        alike = kind in paper.conditions.same_views
        blocks.append((not same_dataset, not alike, kind != "plain", -part["protocol"].nunique(), index, part))
    board = min(blocks, key=lambda block: block[:5])[-1]
    board = board.sort_values("protocol", key=lambda names: names.map(in_order(names).index), kind="stable")
    costs = tables["efficiency"]
    first = board.iloc[0]
    for name in ("cohort", "task", "view", "model"):
        costs = costs[costs[name] == first[name]]
    return board, (costs.to_dict("records")[0] if len(costs) else {})


def _is_dataset(study: Study, paper: Paper, dataset: str, cohort: str) -> bool:
    return paper.dataset_of(cohort, study.cohorts[cohort]) == dataset


def _measured(
    number: Number, row: pd.Series, tables: Mapping[str, pd.DataFrame], unseen: bool
) -> tuple[float, float, float]:
    """Value and limits of a number in a row of the leaderboard, or, of external cohorts, without what was seen."""
    if number.perturbation:
        return _of_rows(
            row, tables.get("robustness"), metric=number.metric, perturbation=number.perturbation, level=number.level
        )
    if number.share < 1:
        return _of_rows(
            row,
            tables.get("sample_size"),
            metric=number.metric.removeprefix("macro_"),
            share=number.share,
            **{"class": number.label},
        )
    if number.metric in ASSESSED:
        return assessed(number, row, tables)
    if number.label:
        return _of_class(number, row, tables["scores"])
    name = "accuracy" if number.metric == "one_vs_rest_accuracy" else number.metric
    if name not in METRICS:
        return np.nan, np.nan, np.nan
    start = "unseen_" if number.target and unseen else ""
    low, high = row[f"{start}{name}_group_low"], row[f"{start}{name}_group_high"]
    if name == "accuracy":
        low, high = row[f"{start}low"], row[f"{start}high"]
    elif np.isnan(low):
        low, high = row[f"{start}{name}_low"], row[f"{start}{name}_high"]
    figures = float(row[f"{start}{name}"]), float(low), float(high)
    if number.metric == "one_vs_rest_accuracy":
        classes = len(tables["scores"].loc[_runs(row, tables["scores"]), "class"].replace("", np.nan).dropna().unique())
        figures = tuple(plausible.one_vs_rest_accuracy(figure, classes) for figure in figures)  # type: ignore[assignment]
    return figures


def _of_rows(row: pd.Series, table: pd.DataFrame | None, **where: str | float | None) -> tuple[float, float, float]:
    """Value and limits in a long table (columns metric, value, low, high) for the model of a row of the leaderboard."""
    if table is None or table.empty:
        return np.nan, np.nan, np.nan
    wanted = {name: row[name] for name in ("cohort", "task", "view", "protocol", "model")} | where
    mask = pd.Series(True, table.index)
    for name, value in wanted.items():
        mask &= table[name] == value
    rows = table[mask]
    return tuple(rows[name].mean() for name in ("value", "low", "high"))  # type: ignore[return-value]


def _runs(row: pd.Series, scores: pd.DataFrame) -> pd.Series:
    """Scores of a row's runs on the test role of its own cohort."""
    mask = (scores["role"] == "test") & (scores["subset"] == "all")
    for name in ("cohort", "task", "view", "protocol", "model"):
        mask &= scores[name] == row[name]
    return mask


def _of_class(number: Number, row: pd.Series, scores: pd.DataFrame) -> tuple[float, float, float]:
    rows = scores[_runs(row, scores)]
    rows = rows[(rows["metric"] == number.metric) & (rows["class"] == number.label)]
    for kind in ("groups", "images", "wilson"):
        part = rows[rows["resampling"] == kind]
        low, high = part["low"].mean(), part["high"].mean()
        if low < high:
            return float(part["value"].mean()), float(low), float(high)
    return float(rows["value"].mean()) if len(rows) else np.nan, np.nan, np.nan


def assessed(number: Number, row: pd.Series, tables: Mapping[str, pd.DataFrame]) -> tuple[float, float, float]:
    """Value and limits of a number for a row of the leaderboard, means over its runs; NaN if a study has no such table.

    Tables have the columns of a run, target, role and class ("" for the whole), and COLUMN, COLUMN_low, COLUMN_high.
    """
    name, calibrator, column = ASSESSED.get(number.metric, ("", "", ""))
    if name not in tables:
        return np.nan, np.nan, np.nan
    table = tables[name]
    averages = {"micro_auc": MICRO, "micro_ap": MICRO, "separation": MACRO}
    mask = (table["role"] == "test") & (table["target"] == row["cohort"])
    if "class" in table:
        mask &= table["class"] == (number.label or averages.get(number.metric, ""))
    for key in ("cohort", "task", "view", "protocol", "model"):
        mask &= table[key] == row[key]
    if calibrator:
        mask &= table["calibrator"] == calibrator
    rows = table[mask]
    limits = [rows[f"{column}_{end}"].mean() if f"{column}_{end}" in rows else np.nan for end in ("low", "high")]
    return float(rows[column].mean()) if len(rows) else np.nan, float(limits[0]), float(limits[1])
