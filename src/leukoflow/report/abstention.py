"""Section Abstention and novelty of the report: what a model should refuse, and at what price."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.protocols import strictest
from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number, records
from leukoflow.report.headlines import rows_of

PLACE = ["cohort", "task", "view", "protocol", "model"]
SCORES = {"mahalanobis": "Mahalanobis", "neighbours": "neighbours", "energy": "energy", "softmax": "1 - confidence"}
NON_SMEARS = "non-smears"
MEASURES = {
    "focus": "Focus (sharpness of the cells)",
    "exposure": "Mean brightness, 0 to 1",
    "dark_fraction": "Share of pixels without light",
    "bright_fraction": "Share of pixels burnt out",
    "saturation": "Saturation of the cells, 0 to 1",
    "foreground_fraction": "Share of the area that is cells",
    "background_L_mean": "Empty field: lightness L, 0 to 100",
    "background_a_mean": "Empty field: green (-) to red (+), a",
    "background_b_mean": "Empty field: blue (-) to yellow (+), b",
}
ROLES = {
    "train": "training", "validation": "validation", "test": "test", "external": "external",
    "damaged": "damaged test images", "non-smear": "non-smear",
}  # fmt: skip
FAMILIES = ("risk_coverage", "conformal", "novelty", "gate")


@dataclass(frozen=True)
class Abstention:
    """The whole section."""

    sentences: tuple[str, ...]
    """What the numbers say."""
    unsure: tuple[Grid, ...]
    sets: tuple[Grid, ...]
    novelty: tuple[Grid, ...]
    gate: tuple[Grid, ...]
    pictures: dict[str, tuple[Picture, ...]]
    """By family."""


def abstention_section(
    study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> Abstention | None:
    """The section from its tables; None if there is nothing to abstain from."""
    if tables["abstention"].empty:
        return None
    abstention, sets, novelty = (_means(tables[name]) for name in ("abstention", "conformal", "novelty"))
    gate, accuracy = tables["gate"].assign(measure=tables["gate"]["measure"].fillna("")), tables["gate_accuracy"]
    told = sentences(study, abstention, sets, novelty, gate, accuracy, tables["held_out_calibration"])
    gates = [refused_grid(gate), limits_grid(gate), accuracy_grid(_means(accuracy))]
    return Abstention(
        tuple(told),
        tuple(table for table in (cost_grid(abstention), elsewhere_grid(abstention)) if table),
        tuple(table for table in (sets_grid(sets), held_out_grid(tables["held_out_calibration"])) if table),
        (novelty_grid(novelty),) if len(novelty) else (),
        tuple(gates),
        {name: tuple(picture for picture in pictures if picture.family == name) for name in FAMILIES},
    )


def _means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over folds and seeds, the colour baseline first within each panel."""
    if table.empty:
        return table
    names = ["target", "role", "subset", "kind", "score", "measure", "level", "method", "class"]
    keys = [*PLACE, *(name for name in names if name in table)]
    table = table.assign(**{name: table[name].fillna("") for name in ("class",) if name in table})
    numbers = [column for column in table.select_dtypes("number") if column not in [*keys, "fold", "seed"]]
    made = table.groupby(keys, sort=False, dropna=False)[numbers].mean().reset_index()
    order = made.assign(network=[not is_baseline(name) for name in made["model"]])
    return order.sort_values([*PLACE[:4], "network"], kind="stable").drop(columns="network").reset_index(drop=True)


def _start(row: Any) -> list[Cell]:
    return [Cell(row["model"]), Cell(row["cohort"]), Cell(row["protocol"]), Cell(row["view"])]


START = ["Model", "Trained on", "Split", "View"]


def _share(row: Any, name: str = "value", low: str = "low", high: str = "high") -> Cell:
    limits = words.interval(row[low], row[high]) if row[low] != row[high] else ""
    return number(row[name], words.percent(row[name]), limits)


def _measures(part: Sequence[Mapping]) -> Callable[[str, float], Cell]:
    """Looks up a measure at a level among one model's rows."""
    rows: dict[tuple[str, float], Any] = {}
    for row in part:
        rows.setdefault((row["measure"], round(row["level"], 9)), row)

    def cell(measure: str, level: float) -> Cell:
        row = rows.get((measure, round(level, 9)))
        return _share(row) if row else Cell(words.NONE)

    return cell


def cost_grid(table: pd.DataFrame) -> Grid:
    """Accuracy on the test images that a model is surest of, and how many it can answer at an accuracy."""
    test = table[table["role"] == "test"]
    coverages = sorted(test.loc[test["measure"] == "accuracy at coverage", "level"].unique(), reverse=True)
    accuracies = sorted(test.loc[test["measure"] == "coverage at accuracy", "level"].unique())
    rows = []
    for part in records(test, *PLACE).values():
        row, measure = part[0], _measures(part)
        cells = _start(row) + [measure("accuracy at coverage", level) for level in coverages]
        cells += [measure("coverage at accuracy", level) for level in accuracies]
        areas = {record["measure"]: record["value"] for record in part}
        cells += [number(areas[name], words.decimal(areas[name])) for name in ("aurc", "excess aurc")]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = START + [
        "Accuracy, all answered" if level == 1 else f"... surest {words.percent(level, 0)}" for level in coverages
    ]
    columns += [f"Answered at {words.percent(level, 0)} accuracy" for level in accuracies] + ["AURC", "Excess AURC"]
    caption = "Test images: accuracy when the least sure answers are held back. AURC is the mean error over all shares "
    caption += "answered, its excess that over a model which is always less sure where it is wrong."
    return grid(caption, columns, rows, best="-AURC")


def elsewhere_grid(table: pd.DataFrame) -> Grid | None:
    """What confidence thresholds chosen on validation do on test images and on external cohorts."""
    levels = sorted(table.loc[table["measure"] == "kept", "level"].unique())
    rows = []
    for part in records(table, *PLACE, "target", "role").values():
        row, measure = part[0], _measures(part)
        where = Cell(f"{row['target']}, {'without overlap' if row['subset'] != 'all' else row['role']}")
        cells = [*_start(row), where, measure("accuracy at coverage", 1.0)]
        for level in levels:
            cells += [measure(name, level) for name in ("kept", "accuracy of kept")]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = [*START, "Images of", "Accuracy, all answered"]
    for level in levels:
        columns += [f"Answered by threshold for {words.percent(level, 0)}", "Accuracy of these"]
    caption = "The least confidence that gave the accuracy on the validation images, met by other images."
    return grid(caption, columns, rows, best="Accuracy, all answered") if rows else None


def sets_grid(table: pd.DataFrame) -> Grid:
    """Measured coverage and size of prediction sets."""
    whole, rows = table[table["class"] == ""], []
    within_classes = table[(table["method"] == "class-conditional") & (table["class"] != "")]
    classes = records(within_classes, *PLACE, "target", "level")
    for part in records(whole, *PLACE, "target", "role", "level").values():
        by_method = {row["method"]: row for row in part}
        row, within = by_method["split"], by_method["class-conditional"]
        cells = [
            *_start(row),
            Cell(f"{row['target']}, {row['role']}"),
            number(row["level"], words.percent(row["level"], 0)),
        ]
        cells += [_share(row, "coverage"), _share(within, "coverage")]
        cells += [number(record["size"], words.decimal(record["size"], 2)) for record in (row, within)]
        cells += [number(row[name], words.percent(row[name])) for name in ("single", "empty")]
        lowest = _few(classes.get(tuple(row[name] for name in (*PLACE, "target", "level"))))
        rows.append(Row((*cells, lowest), is_baseline(row["model"])))
    columns = [*START, "Images of", "Promised", "Covered", "Covered, by class", "Mean size", "Mean size, by class"]
    columns += ["Of one class", "Empty", "Fewest calibrated on"]
    caption = (
        "Sets of classes that are to hold the true one: the share that does. By class: calibrated within each class. "
    )
    caption += (
        "The last column is the smallest class of the validation images; where it is below what the finite-sample "
    )
    return grid(caption + "correction asks, that class is in every set.", columns, rows)


def held_out_grid(table: pd.DataFrame) -> Grid | None:
    """Calibration on groups that no network saw, by what it was calibrated on; None if no protocol has folds."""
    if table.empty:
        return None
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["model"]), Cell(row["cohort"]), Cell(row["protocol"]), Cell(row["view"])]
        cells += [_share(row, "accuracy", *_limits("accuracy"))]
        cells += [Cell(row["calibrated_on"]), number(row["temperature"], f"{row['temperature']:.2f}")]
        limits = f"{row['ece_low']:.3f}{words.DASH}{row['ece_high']:.3f}"
        cells += [number(row["ece"], words.decimal(row["ece"], 3), limits)]
        cells += [number(row["level"], words.percent(row["level"], 0)), _share(row, "coverage", *_limits("coverage"))]
        cells += [number(row["size"], words.decimal(row["size"], 2))]
        cells += [_share(row, name, *_limits(name)) for name in ("confident", "confident_accuracy")]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = [
        *START,
        "Accuracy",
        "Calibrated on",
        "Temperature",
        "Calibration error",
        "Promised",
        "Covered",
        "Mean size",
    ]
    columns += ["Answered", "Accuracy of these"]
    caption = (
        "Calibration on the test images of all folds, so on groups that no network saw. Groups left out: temperature "
        "and limits come from the test images of the other folds. Answered: above the least confidence that gave the "
        "promised accuracy where it was calibrated."
    )
    return grid(caption, columns, rows)


def _limits(name: str) -> tuple[str, str]:
    return f"{name}_low", f"{name}_high"


def _few(part: Sequence[Mapping] | None) -> Cell:
    """The class with the fewest calibration images, marked if it has too few."""
    if part is None:
        return Cell(words.NONE)
    fewest = min(part, key=lambda row: row["calibration"])
    text = f"{words.count(fewest['calibration'])} ({fewest['class']})"
    chip = f"needs {words.count(fewest['needed'])}" if fewest["calibration"] < fewest["needed"] else ""
    return Cell(text, key=float(fewest["calibration"]), chip=chip)


def novelty_grid(table: pd.DataFrame) -> Grid:
    """AUROC of each score, and what its threshold refuses: external cohorts and all non-smears."""
    shown = table[(table["role"] != "non-smear") | (table["kind"] == NON_SMEARS)]
    used = [name for name in SCORES if (shown["score"] == name).any()]
    rows = []
    for part in records(shown, *PLACE, "role", "kind").values():
        by_score = {row["score"]: row for row in part}
        row = part[0]
        cells = [*_start(row), Cell(row["kind"] if row["role"] != "test" else f"{row['kind']}, test")]
        for name in used:
            record = by_score.get(name)
            known = record is not None and not words.missing(record["auroc"])
            limits = f"{record['auroc_low']:.2f}{words.DASH}{record['auroc_high']:.2f}" if record and known else ""
            cells.append(
                number(record["auroc"], words.decimal(record["auroc"], 2), limits) if record else Cell(words.NONE)
            )
        for name in used:
            record = by_score.get(name)
            cells.append(_share(record, "refused", "refused_low", "refused_high") if record else Cell(words.NONE))
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = [*START, "Images of", *(f"AUROC: {SCORES[name]}" for name in used)]
    caption = (
        "Scores of how strange an image is to a model: how well they tell it from test images (AUROC: 0.5 is chance, "
    )
    caption += "below it such images look more familiar than test images), and the share refused by a threshold that "
    return grid(
        caption + "accepts the wanted share of validation images.",
        [*columns, *(f"Refused: {SCORES[n]}" for n in used)],
        rows,
        best=f"AUROC: {SCORES[used[0]]}" if used else "",
    )


def refused_grid(gate: pd.DataFrame) -> Grid:
    """Share of each kind of image that the gate refuses, and by which measure most."""
    rows = []
    for _, part in gate.groupby(["cohort", "task", "protocol", "role", "kind"], sort=False):
        whole, single = part[part["measure"] == ""], part[part["measure"] != ""]
        row = whole.iloc[0].to_dict() | whole[["refused", "low", "high"]].mean().to_dict()
        by_measure = single.groupby("measure", sort=False)["refused"].mean().sort_values(ascending=False, kind="stable")
        most = [f"{name} ({words.percent(value, 0)})" for name, value in by_measure.head(2).items() if value > 0]
        cells = [Cell(row["cohort"]), Cell(row["protocol"]), Cell(ROLES[row["role"]]), Cell(row["kind"])]
        images = whole["images"].sum()
        rows.append(
            Row((*cells, number(images, words.count(images)), _share(row, "refused"), Cell(words.listed(most))))
        )
    columns = ["Gate of", "Split", "Images", "Kind", "Number", "Refused", "Mostly for"]
    return grid("What the gate on image quality refuses.", columns, rows, best="Refused")


def limits_grid(gate: pd.DataFrame) -> Grid:
    """The limits, and the middle 90 % of the training images (first fold)."""
    train = gate[(gate["role"] == "train") & (gate["measure"] != "") & (gate["fold"] == gate["fold"].min())]
    rows = []
    for row in train.to_dict("records"):
        cells = [Cell(row["cohort"]), Cell(row["protocol"]), Cell(MEASURES.get(row["measure"], row["measure"]))]
        names = ("limit_low", "q05", "median", "q95", "limit_high")
        rows.append(Row((*cells, *(number(row[name], f"{row[name]:.3g}") for name in names))))
    columns = ["Gate of", "Split", "Measure", "Lowest accepted", "5 % of training", "Median", "95 % of training"]
    return grid("Limits of the gate, from the training images.", [*columns, "Highest accepted"], rows)


def accuracy_grid(table: pd.DataFrame) -> Grid:
    """Accuracy on accepted and on refused images."""
    rows = []
    for row in table.to_dict("records"):
        cells = [*_start(row), Cell(f"{row['target']}, {row['role']}")]
        for part in ("accepted", "refused"):
            images = row[f"{part}_images"]
            cells += [number(images, words.count(round(images)))]
            cells += [_share(row, f"{part}_accuracy", f"{part}_low", f"{part}_high")]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = [*START, "Images of", "Accepted", "Accuracy of accepted", "Refused", "Accuracy of refused"]
    caption = "Accuracy on the images that the gate accepts and on those it refuses."
    return grid(caption, columns, rows, best="Accuracy of accepted")


COST = "accuracy at coverage"


def sentences(
    study: Study,
    abstention: pd.DataFrame,
    sets: pd.DataFrame,
    novelty: pd.DataFrame,
    gate: pd.DataFrame,
    accuracy: pd.DataFrame,
    held_out: pd.DataFrame,
) -> Iterator[str]:
    """For each experiment, under its strictest split: price of abstaining, sets, novelty; then each gate.

    `held_out` has a row for each seed; all other tables but the gate's are means over folds and seeds.
    """
    for name in study.experiments:
        here = _strictest(study, name, abstention)
        networks = here[[not is_baseline(model) for model in here["model"]]] if len(here) else here
        if networks.empty:
            continue
        yield from _price(name, networks)
        yield from _sets(name, _networks(_strictest(study, name, sets)))
        yield from _left_out(name, _networks(_strictest(study, name, held_out)))
        yield from _novelty(name, _networks(_strictest(study, name, novelty)))
    yield from _gate(gate)


def _strictest(study: Study, experiment: str, table: pd.DataFrame) -> pd.DataFrame:
    """Rows of an experiment's models on its first view, under the strictest of its splits."""
    asked = study.experiments[experiment]
    rows = rows_of(asked, table) if len(table) else table
    rows = rows[rows["view"] == asked.views[0]] if len(rows) else rows
    return rows[rows["protocol"] == strictest(rows["protocol"])] if len(rows) else rows


def _networks(table: pd.DataFrame) -> pd.DataFrame:
    return table[[not is_baseline(model) for model in table["model"]]] if len(table) else table


def _price(name: str, table: pd.DataFrame) -> Iterator[str]:
    """What the network with the best accuracy gains by holding answers back, and what its threshold does elsewhere."""
    whole = table[(table["role"] == "test") & (table["measure"] == COST) & (table["level"] == 1)]
    if whole.empty:
        return
    best = whole.sort_values("value").iloc[-1]
    test = table[(table["model"] == best["model"]) & (table["role"] == "test")]
    fewer = test[(test["measure"] == COST) & (test["level"] < 1)].sort_values("level")
    text = f"{name}: {best['model']} is right on {_with_limits(best)} of the test images when it answers all"
    if len(fewer):
        row = fewer.iloc[0]
        text += f", and on {_with_limits(row)} of the {words.percent(row['level'], 0)} it is surest of"
    reached = test[test["measure"] == "coverage at accuracy"].sort_values("level")
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
    test, others = part[part["role"] == "test"], part[part["role"] == "external"]
    text = f"{name}: sets of classes that are to hold the true one {words.percent(level, 0)} of the time hold it "
    text += f"{_range(test['coverage'])} of the time on test images ({_sizes(test['size'])} "
    text += "classes a set)"
    for target, rows in others.groupby("target", sort=False):
        text += f", and {_range(rows['coverage'])} on {target}"
    yield text + "."
    broken = others["coverage"].max() < level - 0.05 if len(others) else False
    if broken:
        text = "the promise does not carry over to another hospital; it must be calibrated again on images from there."
        yield f"{name}: {text}"


def _left_out(name: str, table: pd.DataFrame) -> Iterator[str]:
    """What calibration on groups left out changes, of the network with the best accuracy."""
    if table.empty:
        return
    best = table[table["model"] == table.sort_values("accuracy")["model"].iloc[-1]]
    best = best[(best["seed"] == best["seed"].iloc[0]) & (best["level"] == best["level"].min())]
    rows = {row["calibrated_on"]: row for row in best.to_dict("records")}
    usual, groups = rows["validation images"], rows["groups left out"]
    limits = [_share(row, "coverage", *_limits("coverage")) for row in (usual, groups)]
    yield (
        f"{name}: on groups that it never saw, sets of {groups['model']} that promise "
        f"{words.percent(groups['level'], 0)} hold the true class in {limits[0].text} if they are calibrated on "
        f"validation images, and in {limits[1].text} if on other groups left out; the "
        f"expected calibration error is {usual['ece']:.3f} and {groups['ece']:.3f}."
    )


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
