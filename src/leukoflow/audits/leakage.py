"""What leaks are worth: accuracy under loose and strict splits, and on copies of learnt images and the rest."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from leukoflow.config.evaluation import Evaluation
from leukoflow.config.protocols import in_order
from leukoflow.core.runs import is_baseline
from leukoflow.stats.bootstrap import newcombe_interval, wilson_interval
from leukoflow.stats.shares import intervals, stratum

COLUMNS = [
    "cohort", "task", "view", "model", "protocol", "target", "part", "runs", "images", "units",
    "accuracy", "low", "high", "interval",
    "against", "difference", "difference_low", "difference_high", "difference_interval",
    "shared", "paired_difference", "paired_low", "paired_high",
]  # fmt: skip
LOOSE = "image"
EVERY, COPIES, REST = "all", "copies", "rest"
LEAST_SHARED = 50
"""Images in both test sets from which a difference is also measured on those alone."""
SUMS = ["right", "runs", "seen", "seen_right"]
DIFFERENCE = ["difference", "difference_low", "difference_high"]
ANSWERS = ["image_id", "group", "right", "seen"]


@dataclass(frozen=True)
class Tally:
    """Answers of a model's runs under one protocol, by image."""

    table: pd.DataFrame
    """Index image_id; group; runs and right (how many runs tested the image, were right), and of these runs those that
    had learnt a copy of it: seen, seen_right."""
    runs: int


def tally(runs: Sequence[pd.DataFrame]) -> Tally:
    """Sum up the runs' answers: tables with `ANSWERS` (right and seen bool), labelled images only."""
    every = pd.concat(runs, ignore_index=True)
    every = every.assign(runs=1.0, right=every["right"].astype(float), seen=every["seen"].astype(float))
    every["seen_right"] = every["right"] * every["seen"]
    sums = every.groupby("image_id")[["runs", "right", "seen", "seen_right"]].sum()
    return Tally(sums.assign(group=every.groupby("image_id")["group"].first()), len(runs))


def protocols(tallies: Mapping[tuple[str, str], Tally], settings: Evaluation) -> pd.DataFrame:
    """Rows of part `all`: a model's accuracy under each protocol, and the difference to `image`.

    `tallies` by model and protocol. Accuracy pools folds and averages seeds. Test sets of two protocols share some of
    their images. The difference is that of the two accuracies; for its interval, units that hold together whatever
    either split keeps together are drawn from both test sets at once, so that images in both count as pairs and the
    others as independent samples. If the answers on either side do not vary, it is Newcombe's.
    `paired_difference` is measured on the images in both sets alone, if there are at least `LEAST_SHARED`.
    """
    rows = []
    loose: dict[str, dict[str, Any]] = {}
    models = _in_order({model for model, _ in tallies})
    # The one that others are compared with goes first.
    for protocol in sorted(in_order(name for _, name in tallies), key=lambda name: name != LOOSE):
        here = [model for model in models if (model, protocol) in tallies]
        if not here:
            continue
        accuracies = _accuracies([tallies[model, protocol].table for model in here], settings)
        both = [model for model in here if (model, LOOSE) in tallies and protocol != LOOSE]
        apart = dict(zip(both, _differences(both, protocol, tallies, settings), strict=True)) if both else {}
        for model, row in zip(here, accuracies, strict=True):
            facts = {"model": model, "protocol": protocol, "part": EVERY, "runs": tallies[model, protocol].runs}
            if protocol == LOOSE:
                loose[model] = row
            rows.append(facts | row | _widened(apart.get(model, {}), row, loose.get(model, {})))
    return pd.DataFrame(rows, columns=COLUMNS[3:])


def copies(tallies: Mapping[tuple[str, str], Tally], settings: Evaluation) -> pd.DataFrame:
    """Rows of parts `all`, `copies` and `rest`: all images, those of which a run has learnt a copy, and the others.

    The difference is what `copies` and `all` are better than `rest`. Its interval is a bootstrap over the protocol's
    groups, or, where the answers of a part do not vary, Newcombe's from Wilson's limits; that of `all` is the share of
    copies times that of `copies`. Models and protocols without a copy have no rows.
    """
    rows: list[dict[str, Any]] = []
    for protocol in in_order(name for _, name in tallies):
        models = _in_order({model for model, name in tallies if name == protocol})
        models = [model for model in models if tallies[model, protocol].table["seen"].sum()]
        if not models:
            continue
        tables = [tallies[model, protocol].table for model in models]
        index = tables[0].index
        units = pd.factorize(tables[0]["group"])[0]
        sums = [table[SUMS].reindex(index, fill_value=0.0) for table in tables]
        tops = [part.to_numpy() for table in sums for part in _parts(table["right"], table["seen_right"])]
        bottoms = [part.to_numpy() for table in sums for part in _parts(table["runs"], table["seen"])]
        pairs = [(3 * number + 1, 3 * number + 2) for number in range(len(models))]
        estimates = intervals({0: stratum(units, tops, bottoms)}, settings, pairs)
        described = _described(estimates, units, bottoms, settings)
        for number, model in enumerate(models):
            facts: dict[str, Any] = {"model": model, "protocol": protocol, "runs": tallies[model, protocol].runs}
            every, seen, rest = (facts | row for row in described[3 * number : 3 * number + 3])
            seen |= _gain(seen, rest, *(float(limits[3 * len(models) + number]) for limits in estimates[1:]))
            share = float(bottoms[3 * number + 1].sum() / bottoms[3 * number].sum())
            if rest["images"]:
                every |= {"against": REST, "difference_interval": seen["difference_interval"]}
                every |= {name: share * seen[name] for name in DIFFERENCE}
            rows += [every | {"part": EVERY}, seen | {"part": COPIES}, rest | {"part": REST}]
    return pd.DataFrame(rows, columns=COLUMNS[3:])


def _in_order(models: set[str]) -> list[str]:
    return sorted(models, key=lambda name: (not is_baseline(name), name))


def _parts(every: pd.Series, seen: pd.Series) -> tuple[pd.Series, pd.Series, pd.Series]:
    return every, seen, every - seen


def _gain(seen: Mapping[str, Any], rest: Mapping[str, Any], low: float, high: float) -> dict[str, Any]:
    """What copies are better than the rest; nothing if there is no rest."""
    if not rest["images"]:
        return {}
    kind = rest["interval"]
    if "wilson" in (seen["interval"], rest["interval"]):
        low, high = newcombe_interval(*((part["accuracy"], part["low"], part["high"]) for part in (seen, rest)))
        kind = "newcombe"
    row = {"against": REST, "difference": seen["accuracy"] - rest["accuracy"], "difference_low": low}
    return row | {"difference_high": high, "difference_interval": kind}


def _accuracies(tables: Sequence[pd.DataFrame], settings: Evaluation) -> list[dict[str, Any]]:
    """Accuracy of each model on the same test images; groups are drawn."""
    index = tables[0].index
    units = pd.factorize(tables[0]["group"])[0]
    tops, bottoms = ([table[name].reindex(index, fill_value=0.0).to_numpy() for table in tables] for name in SUMS[:2])
    return _described(intervals({0: stratum(units, tops, bottoms)}, settings), units, bottoms, settings)


def _described(
    estimates: tuple[np.ndarray, np.ndarray, np.ndarray],
    units: np.ndarray,
    bottoms: Sequence[np.ndarray],
    settings: Evaluation,
) -> list[dict[str, Any]]:
    """images, units, accuracy and its interval of each share; Wilson's where a bootstrap has nothing to vary."""
    rows = []
    for bottom, value, low, high in zip(bottoms, *(values[: len(bottoms)] for values in estimates), strict=True):
        counted = bottom > 0
        images, number = int(counted.sum()), len(np.unique(units[counted]))
        kind = "groups" if number < images else "images"
        if not low < high:
            low, high = wilson_interval(value * images, images, settings.confidence)
            kind = "wilson"
        limits = {"low": low, "high": high, "interval": kind if low < high else ""}
        rows.append({"images": images, "units": number, "accuracy": value} | limits)
    return rows


def _differences(
    models: Sequence[str], protocol: str, tallies: Mapping[tuple[str, str], Tally], settings: Evaluation
) -> list[dict[str, Any]]:
    """The accuracy of each model under a protocol less that under `image`."""
    strict, loose = tallies[models[0], protocol].table, tallies[models[0], LOOSE].table
    index = strict.index.union(loose.index)
    units = _held_together(strict["group"].reindex(index), loose["group"].reindex(index))
    shared = index.isin(strict.index) & index.isin(loose.index)
    sides = [
        [tallies[model, side].table[SUMS].reindex(index, fill_value=0.0) for model in models]
        for side in (protocol, LOOSE)
    ]
    rows: list[dict[str, Any]] = [{"against": LOOSE, "shared": int(shared.sum())} for _ in models]
    pairs = [(number, number + len(models)) for number in range(len(models))]
    for kept, prefix in ((np.ones(len(index), bool), ""), (shared, "paired_")):
        if prefix and kept.sum() < LEAST_SHARED:
            continue
        tops, bottoms = ([table[name].to_numpy(float)[kept] for side in sides for table in side] for name in SUMS[:2])
        drawn = {0: stratum(pd.factorize(units[kept])[0], tops, bottoms)}
        apart = (values[2 * len(models) :] for values in intervals(drawn, settings, pairs))
        for row, value, low, high in zip(rows, *apart, strict=True):
            limits = ("low", "high") if prefix else ("difference_low", "difference_high")
            row |= {f"{prefix}difference": value, f"{prefix}{limits[0]}": low, f"{prefix}{limits[1]}": high}
            if not prefix:
                row["difference_interval"] = "groups" if low < high else ""
    return rows


def _widened(apart: dict[str, Any], strict: Mapping[str, Any], loose: Mapping[str, Any]) -> dict[str, Any]:
    """The difference with Newcombe's limits if all are right on either side, which a bootstrap takes for certain."""
    if not apart or "wilson" not in (strict["interval"], loose["interval"]):
        return apart
    low, high = newcombe_interval(*((side["accuracy"], side["low"], side["high"]) for side in (strict, loose)))
    return apart | {"difference_low": low, "difference_high": high, "difference_interval": "newcombe"}


def _held_together(one: pd.Series, other: pd.Series) -> np.ndarray:
    """Unit of each image, [n] int: what either grouping keeps together is in one unit; an image may be in one alone."""
    count = len(one)
    images, nodes, offset = [], [], count
    for groups in (one, other):
        numbers, names = pd.factorize(groups)
        images.append(np.flatnonzero(numbers >= 0))
        nodes.append(numbers[numbers >= 0] + offset)
        offset += len(names)
    ends = np.concatenate(images), np.concatenate(nodes)
    links = coo_array((np.ones(len(ends[0])), ends), shape=(offset, offset))
    return np.asarray(connected_components(links, directed=False)[1][:count])
