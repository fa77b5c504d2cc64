"""What leaks are worth, as the report says it: splits side by side, copies apart, and the findings."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from leukoflow.config.protocols import in_order, is_leaky
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.embed import Picture
from leukoflow.report.findings import Finding
from leukoflow.report.grid import Cell, Grid, Row, grid, number, records
from leukoflow.report.headlines import FEW_GROUPS, held_out

LOOSE = "image"
PLACE = ["cohort", "task", "view"]
INTERVALS = {"groups": "", "images": "", "wilson": "Wilson", "newcombe": "Newcombe"}


@dataclass(frozen=True)
class Block:
    """One cohort, task and view."""

    title: str
    grids: list[Grid]
    pictures: list[Picture]
    networks: bool
    """Whether a network was run here, and not the colour baseline alone."""


def leak_findings(study: Study, table: pd.DataFrame) -> list[Finding]:
    """That some protocols have leaks on purpose, and what these are worth by table `leaks`; nothing without such."""
    names = in_order(
        name for experiment in study.experiments.values() for name in experiment.protocols if is_leaky(name)
    )
    if not names:
        return []
    one = len(names) == 1
    text = (
        f"{words.listed(names)} {'divides' if one else 'divide'} as papers did, with leaks made on purpose. Whatever "
    )
    text += f"stands under {'this name' if one else 'these names'}, in any table or figure, is too good. "
    worth = table[table["metric"] == "accuracy"]
    for leaks, part in worth.groupby("leaks", sort=False):
        row = part.sort_values("difference").iloc[-1]
        limits = words.points_interval(row["low"], row["high"])
        over = f", the most of {words.plural(len(part), 'comparison')}" if len(part) > 1 else ""
        text += f"{leaks}: {words.points(row['difference'])} points of accuracy ({row['model']}, {row['protocol']}"
        text += f"{'; interval ' + limits if limits else '; no answer differs'}{over}). "
    if worth.empty:
        text += "No run without them is there to measure them against."
    action = f"Do not quote results of {words.listed(names, 'or')}; quote those of the same division without leaks."
    return [Finding("bad", "Leaks made on purpose", text.strip(), "leakage", action)]


def leakage_section(
    study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> list[Block] | None:
    """A block for each cohort, task and view that has several splits or test images with a learnt copy."""
    blocks = []
    for key, part in tables["leakage"].groupby(PLACE, sort=False):
        made = [_protocols(part), _copies(part), _external(part)]
        grids = [grid for grid in made if grid is not None]
        drawn = [picture for picture in pictures if picture.family == "leakage" and picture.parts == key]
        if grids:
            networks = not part["model"].map(is_baseline).all()
            blocks.append(Block(f"{key[0]}, {key[1]}, {key[2]} view", grids, drawn, networks))
    return sorted(blocks, key=lambda block: not block.networks) or None


def _share(row: Mapping, images: bool = True) -> list[Cell]:
    note = words.interval(row["low"], row["high"])
    kind = INTERVALS.get(row["interval"], "")
    cells = [number(row["accuracy"], words.percent(row["accuracy"]), f"{note} {kind}".strip())]
    return [*cells, number(row["images"], words.count(row["images"]))] if images else cells


def _gain(row: Mapping, prefix: str = "difference", low: str = "difference_low", high: str = "difference_high") -> Cell:
    return number(row[prefix], words.points(row[prefix]), words.points_interval(row[low], row[high]))


def _protocols(part: pd.DataFrame) -> Grid | None:
    every = part[(part["part"] == "all") & (part["target"] == part["cohort"])]
    if every["protocol"].nunique() < 2:
        return None
    paired = every["paired_difference"].notna().any()
    rows = []
    for row in every.to_dict("records"):
        cells = [Cell(row["model"]), Cell(row["protocol"]), *_share(row)]
        cells += [number(row["units"], words.count(row["units"])), _gain(row)]
        cells.append(number(row["shared"], words.count(row["shared"])))
        if paired:
            cells.append(_gain(row, "paired_difference", "paired_low", "paired_high"))
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = ["Model", "Split", "Accuracy", "Test images", "Groups", "Less split image, points"]
    columns += ["Images in both test sets", *(["On those alone, points"] if paired else [])]
    return grid("Accuracy by split. Small figures are intervals.", columns, rows, best="Accuracy")


def _copies(part: pd.DataFrame) -> Grid | None:
    return _apart(part[part["target"] == part["cohort"]], "Test images with a copy among the images trained on.", "")


def _external(part: pd.DataFrame) -> Grid | None:
    outside = part[part["target"] != part["cohort"]]
    return _apart(outside, "Images from elsewhere, with and without those of which a copy was trained on.", "Tested on")


def _apart(part: pd.DataFrame, caption: str, target: str) -> Grid | None:
    rows = []
    for trio in records(part, "target", "protocol", "model").values():
        by_part = {row["part"]: row for row in trio}
        if "copies" not in by_part:
            continue
        copies, rest = by_part["copies"], by_part["rest"]
        cells = [Cell(copies["model"]), *([Cell(copies["target"])] if target else []), Cell(copies["protocol"])]
        cells += [*_share(by_part["all"]), *_share(copies), *_share(rest), _gain(copies)]
        if target:
            cells.append(_gain(by_part["all"]))
        rows.append(Row(tuple(cells), is_baseline(copies["model"])))
    columns = ["Model", *([target] if target else []), "Split", "Accuracy, all", "Images", "Copies", "Images"]
    columns += ["Others", "Images", "Copies less others, points", *(["All less others, points"] if target else [])]
    return grid(caption, columns, rows, best="Accuracy, all") if rows else None


def leakage_findings(study: Study, table: pd.DataFrame) -> list[Finding]:
    """What stricter splits cost, and what copies are worth, of the best network of each cohort, task and view."""
    findings: list[Finding] = []
    for _, whole in table[table["target"] == table["cohort"]].groupby(PLACE[:2], sort=False):
        # Other views of the colour baseline stand in the tables; here they would bury the networks.
        networks = whole[~whole["model"].map(is_baseline).astype(bool)]
        for key, part in whole.groupby(PLACE, sort=False):
            if networks.empty or key[2] in set(networks["view"]):
                where = ", ".join(map(str, key))
                findings += [*_cost(where, part), *_worth(where, part)]
    return findings


def _cost(where: str, table: pd.DataFrame) -> Iterator[Finding]:
    every = table[table["part"] == "all"]
    used = in_order(every["protocol"])
    strict = every[(every["protocol"] == used[-1]) & every["difference"].notna()] if used else every[:0]
    best = _best(strict)
    if best is None or best["difference"] > -0.005:
        return
    loose = every[(every["protocol"] == LOOSE) & (every["model"] == best["model"])].iloc[0]
    text = f"{best['model']} is right on {words.percent(loose['accuracy'])} with {held_out(LOOSE)}, and on "
    text += f"{words.percent(best['accuracy'])} with {held_out(used[-1])}: {_lost(best['difference'])}"
    spread = words.points_interval(best["difference_low"], best["difference_high"])
    text += f" (interval {spread} points)." if spread else "."
    if len(strict) > 1:
        text += f" Over all {words.plural(len(strict), 'model')} the median is {_lost(strict['difference'].median())}."
    if best["units"] < FEW_GROUPS:
        text += f" The strict test set has {words.plural(best['units'], 'group')}: the loss is known only roughly."
    tone = "bad" if best["difference_high"] < 0 else "warn"
    strictest, cohort = used[-1], table["cohort"].iloc[0]
    action = f"Quote the accuracy with {held_out(strictest)} ({strictest} split) as the main result of {cohort}."
    yield Finding(tone, f"Accuracy depends on the split: {where}", text, "leakage", action if tone == "bad" else "")


def _worth(where: str, table: pd.DataFrame) -> Iterator[Finding]:
    apart = table[table["protocol"] == LOOSE]
    known = set(apart.loc[apart["part"] == "copies", "model"])
    first = _best(apart[(apart["part"] == "all") & apart["model"].isin(known)])
    if first is None:
        return
    best = apart[(apart["part"] == "copies") & (apart["model"] == first["model"])].iloc[0]
    rest = apart[(apart["part"] == "rest") & (apart["model"] == best["model"])].iloc[0]
    number, others = int(best["images"]), int(rest["images"])
    text = f"{number} of {words.plural(number + others, 'test image')} under split image have a copy among the images "
    text += f"trained on. {best['model']} is right on {words.percent(best['accuracy'])} "
    text += f"({words.interval(best['low'], best['high'])}) of the copies and on {words.percent(rest['accuracy'])} "
    text += f"({words.interval(rest['low'], rest['high'])}) of the others."
    if others:
        share = number / (number + others)
        text += f" The copies change its accuracy by {words.points(share * best['difference'])} points."
    yield Finding("warn", f"Copies in the test set: {where}", text, "leakage")


def _lost(difference: float) -> str:
    return f"{100 * abs(difference):.1f} points {'less' if difference < 0 else 'more'}"


def _best(rows: pd.DataFrame) -> pd.Series | None:
    """The network with the highest accuracy, else the colour baseline; None if there is no row."""
    if rows.empty:
        return None
    order = rows.assign(_first=rows["model"].map(is_baseline), _fall=-rows["accuracy"])
    return order.sort_values(["_first", "_fall", "model"]).iloc[0]
