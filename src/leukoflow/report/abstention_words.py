"""What the numbers on abstention and novelty say, in sentences for a laboratory."""

from collections.abc import Iterator
from typing import get_args

import pandas as pd

from leukoflow.config.splits import Protocol
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.headlines import rows_of

COST = "accuracy at coverage"


def sentences(
    study: Study,
    abstention: pd.DataFrame,
    sets: pd.DataFrame,
    novelty: pd.DataFrame,
    gate: pd.DataFrame,
    accuracy: pd.DataFrame,
) -> Iterator[str]:
    """For each experiment, under its strictest split: price of abstaining, sets, novelty; then each gate.

    All tables but the gate's are means over folds and seeds.
    """
    for name in study.experiments:
        here = _strictest(study, name, abstention)
        networks = here[[not is_baseline(model) for model in here["model"]]] if len(here) else here
        if networks.empty:
            continue
        yield from _price(name, networks)
        yield from _sets(name, _networks(_strictest(study, name, sets)))
        yield from _novelty(name, _networks(_strictest(study, name, novelty)))
    yield from _gate(gate)


def _strictest(study: Study, experiment: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of an experiment's models on its first view, under the strictest of its splits."""
    asked = study.experiments[experiment]
    rows = rows_of(asked, table) if len(table) else table
    rows = rows[rows["view"] == asked.views[0]] if len(rows) else rows
    return rows[rows["protocol"] == strictest(rows["protocol"])] if len(rows) else rows


def strictest(protocols: pd.Series) -> str:
    """The strictest of the protocols of a table."""
    return max(protocols, key=get_args(Protocol).index)


def _networks(table: pd.DataFrame) -> pd.DataFrame:
    return table[[not is_baseline(model) for model in table["model"]]] if len(table) else table


def _price(name: str, table: pd.DataFrame) -> Iterator[str]:
    """What the network with the best accuracy gains by holding answers back, and what its threshold does elsewhere."""
    whole = table[(table["role"] == "test") & (table["measure"] == COST) & (table["level"] == 1)]
    if whole.empty:
        return
    best = whole.sort_values("value").iloc[-1]
    own = table[(table["model"] == best["model"]) & (table["role"] == "test")]
    fewer = own[(own["measure"] == COST) & (own["level"] < 1)].sort_values("level")
    text = f"{name}: {best['model']} is right on {_with_limits(best)} of the test images when it answers all"
    if len(fewer):
        row = fewer.iloc[0]
        text += f", and on {_with_limits(row)} of the {words.percent(row['level'], 0)} it is surest of"
    reached = own[own["measure"] == "coverage at accuracy"].sort_values("level")
    for row in reached.head(1).to_dict("records"):
        text += f". To be right on {words.percent(row['level'], 0)} of its answers it must leave out "
        text += f"{words.percent(1 - row['value'])} of the images"
    yield text + "."
    kept = table[(table["model"] == best["model"]) & (table["role"] == "external")]
    for target, part in kept.groupby("target", sort=False):
        by = {row["measure"]: row for row in part.sort_values("level", ascending=False).to_dict("records")}
        share, right = by.get("kept"), by.get("accuracy of kept")
        if share and right and not words.missing(right["value"]):
            yield (
                f"{name}: the confidence that gave {words.percent(share['level'], 0)} accuracy on validation images "
                f"lets it answer {_with_limits(share)} of {target}, and there it is right on {_with_limits(right)}."
            )


def _with_limits(row: pd.Series | dict) -> str:
    limits = words.interval(row["low"], row["high"])
    return f"{words.percent(row['value'])}" + (f" ({limits})" if limits and row["low"] != row["high"] else "")


def _range(values: pd.Series, digits: int = 0) -> str:
    low, high = values.min(), values.max()
    if round(low, 2 + digits) == round(high, 2 + digits):
        return words.percent(high, digits)
    return f"{100 * low:.{digits}f} to {words.percent(high, digits)}"


def _sizes(sizes: pd.Series) -> str:
    """Mean sizes of sets: one, or from the least to the most of the models."""
    low, high = f"{sizes.min():.1f}", f"{sizes.max():.1f}"
    return low if low == high else f"{low} to {high}, by model,"


def _sets(name: str, table: pd.DataFrame) -> Iterator[str]:
    """How often sets of all networks hold the true class, at home and elsewhere."""
    if table.empty:
        return
    level = table["level"].min()
    part = table[(table["class"] == "") & (table["method"] == "split") & (table["level"] == level)]
    own, others = part[part["role"] == "test"], part[part["role"] == "external"]
    text = f"{name}: sets of classes that are to hold the true one {words.percent(level, 0)} of the time hold it "
    text += f"{_range(own['coverage'])} of the time on test images ({_sizes(own['size'])} "
    text += "classes a set)"
    for target, rows in others.groupby("target", sort=False):
        text += f", and {_range(rows['coverage'])} on {target}"
    yield text + "."
    broken = others["coverage"].max() < level - 0.05 if len(others) else False
    if broken:
        text = "the promise does not carry over to another hospital; it must be calibrated anew on images from there."
        yield f"{name}: {text}"


def _novelty(name: str, table: pd.DataFrame) -> Iterator[str]:
    """What thresholds on the networks' own features and confidence refuse."""
    for kind, title in (("external", ""), ("non-smears", "pictures that are no smears")):
        shown = table[(table["role"] == kind) | (table["kind"] == kind)] if len(table) else table
        for target, rows in shown.groupby("kind", sort=False):
            by_score = [
                f"{_range(rows.loc[rows['score'] == score, 'refused'])} {words_of}"
                for score, words_of in (
                    ("mahalanobis", "by distance in their features"),
                    ("softmax", "by low confidence"),
                )
                if (rows["score"] == score).any()
            ]
            if by_score:
                yield f"{name}: of {title or f'images from {target}'}, the networks refuse {words.listed(by_score)}."


def _gate(gate: pd.DataFrame) -> Iterator[str]:
    """What each gate refuses, by kind; of the strictest split."""
    for (cohort, task), part in gate[gate["measure"] == ""].groupby(["cohort", "task"], sort=False):
        part = part[part["protocol"] == strictest(part["protocol"])]
        shares = part.groupby(["role", "kind"], sort=False)["refused"].mean().reset_index()
        said = {role: shares.loc[shares["role"] == role] for role in ("test", "damaged", "non-smear")}
        text = f"The gate on image quality for {cohort} ({task}) refuses {_range(said['test']['refused'], 1)} "
        text += "of the test images"
        for row in shares[shares["role"] == "external"].to_dict("records"):
            text += f", {words.percent(row['refused'], 0)} of {row['kind']}"
        for role, noun in (("damaged", "blurred, darkened or brightened test images"), ("non-smear", "non-smears")):
            if len(said[role]):
                text += f", {_range(said[role]['refused'])} of {noun} (by kind)"
        yield text + "."
