"""What each experiment came to: its best network next to the colour baseline."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import pandas as pd

from leukoflow.config.experiments import Experiment
from leukoflow.config.protocols import groups_of, in_order, is_leaky
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline

FEW_IMAGES, FEW_GROUPS = 100, 20
_HELD_OUT = {
    "image": "images divided at random",
    "duplicate": "near-duplicates kept together",
    "blocks": "whole blocks of file numbers held out",
    "acquisition": "whole acquisitions held out",
    "patient": "whole patients held out",
    "laboratory": "whole laboratories held out",
}


def held_out(protocol: str) -> str:
    """How images were divided under a protocol, in words; its name if it is not one that section `splits` describes."""
    groups = groups_of(protocol)
    leaks = ", with leaks made on purpose" if is_leaky(protocol) else ""
    return f"{_HELD_OUT[groups]}{leaks}" + ("" if protocol == groups else f" ({protocol})")


@dataclass(frozen=True)
class Bar:
    """One model's accuracy on the scale of its headline, all in percent of that scale."""

    name: str
    text: str
    limits: str
    value: float
    low: float
    high: float
    random: bool


@dataclass(frozen=True)
class Headline:
    """One experiment under one protocol."""

    experiment: str
    cohort: str
    task: str
    view: str
    protocol: str
    how: str
    bars: tuple[Bar, ...]
    verdict: str
    tone: str
    """`good`, `warn` or `bad`."""
    sample: str
    start: str
    """Left end of the scale."""


def rows_of(experiment: Experiment, table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table (cohort, task, view, protocol, model) that belong to an experiment."""
    mask = (table["cohort"] == experiment.cohort) & (table["task"] == experiment.task)
    mask &= table["view"].isin(experiment.views) & table["protocol"].isin(experiment.protocols)
    return table[mask & table["model"].isin(experiment.models)]


@dataclass(frozen=True)
class Alone:
    """An experiment under one protocol in which the colour baseline is the only model."""

    experiment: str
    cohort: str
    task: str
    protocol: str
    views: tuple[tuple[str, str, str], ...]
    """View, accuracy, interval."""


def headlines(study: Study, leaderboard: pd.DataFrame) -> list[Headline]:
    """The strictest protocol first in each experiment, every view on which a network was trained."""
    return [_headline(name, part) for name, part in _parts(study, leaderboard) if best_of(part)[0] is not None]


def baselines_alone(study: Study, leaderboard: pd.DataFrame) -> list[Alone]:
    """What is left by `headlines`, the views of an experiment and protocol in one."""
    baselines: dict[tuple[str, str], Alone] = {}
    for name, part in _parts(study, leaderboard):
        best, baseline = best_of(part)
        if best is not None or baseline is None:
            continue
        view = (
            baseline["view"],
            words.percent(baseline["accuracy"]),
            words.interval(baseline["low"], baseline["high"]),
        )
        empty = Alone(name, baseline["cohort"], baseline["task"], baseline["protocol"], ())
        known = baselines.get((name, baseline["protocol"]), empty)
        baselines[name, baseline["protocol"]] = replace(known, views=(*known.views, view))
    return list(baselines.values())


def _parts(study: Study, leaderboard: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    for name, experiment in study.experiments.items():
        rows = rows_of(experiment, leaderboard)
        for protocol in reversed(in_order(rows["protocol"])):
            for view in experiment.views:
                part = rows[(rows["protocol"] == protocol) & (rows["view"] == view)]
                if len(part):
                    yield name, part


def best_of(part: pd.DataFrame) -> tuple[pd.Series | None, pd.Series | None]:
    """The network with the highest accuracy, and the colour baseline; None if there is none."""
    baseline = part["model"].map(is_baseline).astype(bool)
    networks = part[~baseline].sort_values(["accuracy", "model"], ascending=[False, True])
    return (networks.iloc[0] if len(networks) else None), (part[baseline].iloc[0] if baseline.any() else None)


def _headline(name: str, part: pd.DataFrame) -> Headline:
    best, baseline = best_of(part)
    shown = [row for row in (best, baseline) if row is not None]
    least = min(row["accuracy"] if words.missing(row["low"]) else row["low"] for row in shown)
    start = max(0.0, int(10 * (least - 0.05)) / 10)
    first = shown[0]
    verdict, tone = verdict_of(best, baseline)
    return Headline(
        name,
        first["cohort"],
        first["task"],
        first["view"],
        first["protocol"],
        held_out(first["protocol"]),
        tuple(_bar(row, start) for row in shown),
        verdict,
        tone,
        _sample(first),
        words.percent(start, 0),
    )


def verdict_of(best: pd.Series | None, baseline: pd.Series | None) -> tuple[str, str]:
    """Whether the best network's interval lies above the colour baseline's accuracy, in words, and the tone."""
    if best is None:
        return "Only the colour baseline was run; no network was trained here.", "warn"
    if baseline is None:
        return "No colour baseline was run with it, so nothing says whether this is more than colour.", "warn"
    if best["low"] > baseline["accuracy"]:
        return "Above the colour baseline: the whole interval lies over the baseline's accuracy.", "good"
    if best["accuracy"] > baseline["accuracy"]:
        text = "Higher than the colour baseline, but the interval includes the baseline's accuracy: it may be chance."
        return text, "warn"
    return "Not above the colour baseline, which sees colours alone and no shapes.", "bad"


def _bar(row: pd.Series, start: float) -> Bar:
    def position(value: float) -> float:
        return round(100 * (value - start) / (1 - start), 2)

    low, high = (row["accuracy"] if words.missing(row[end]) else row[end] for end in ("low", "high"))
    return Bar(
        row["model"],
        words.percent(row["accuracy"]),
        words.interval(row["low"], row["high"]),
        position(row["accuracy"]),
        position(low),
        position(high),
        row["weights"] == "random",
    )


def _sample(row: pd.Series) -> str:
    text = f"{words.plural(row['images'], 'test image')} in {words.plural(row['groups'], 'group')}"
    if row["runs"] > 1:
        text += f", mean of {words.plural(row['runs'], 'run')}"
    if row["images"] < FEW_IMAGES or row["groups"] < FEW_GROUPS:
        text += ": few, so read the interval rather than the value"
    return text
