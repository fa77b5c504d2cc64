"""Calibration and discrimination, as the report shows them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number

PLACE = ["cohort", "task", "view", "protocol"]
FIGURES = ("reliability", "reliability_classes", "confidence", "thresholds")
AFTER = ("temperature", "class temperature", "isotonic")


@dataclass(frozen=True)
class Panel:
    """The models trained on one cohort, task, view and protocol."""

    title: str
    sentences: list[str]
    grids: list[Grid]
    more: list[Grid]
    """Long tables, folded away."""
    pictures: list[Picture]


@dataclass(frozen=True)
class Content:
    """What the section's template shows."""

    panels: list[Panel]
    bins: int
    partial: str


def assessment_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> Content | None:
    """The section's content: a panel for every combination with a network; None if there is none."""
    calibration = tables["calibration"]
    panels = []
    for key, part in calibration[calibration["role"] == "test"].groupby(PLACE, sort=False):
        if all(is_baseline(name) for name in part["model"]):
            continue
        panel_tables = {name: _at(table, key) for name, table in tables.items() if set(PLACE) <= set(table.columns)}
        shown = [picture for picture in pictures if picture.parts == key and picture.family in FIGURES]
        shown.sort(key=lambda picture: FIGURES.index(picture.family))
        panels.append(_panel(key, panel_tables, shown))
    partial = words.percent(study.evaluation.assessment.partial, 0)
    return Content(panels, study.evaluation.assessment.bins, partial) if panels else None


def _at(table: pd.DataFrame, key: tuple) -> pd.DataFrame:
    """The rows of one panel."""
    here = (table[PLACE] == list(key)).all(axis=1)
    return table[here]


def _panel(key: tuple, tables: Mapping[str, pd.DataFrame], pictures: list[Picture]) -> Panel:
    cohort, task, view, protocol = key
    calibration = tables["calibration"]
    whole = calibration[calibration["class"] == ""]
    test, outside = whole[whole["role"] == "test"], whole[whole["role"] == "external"]
    areas, errors, points, mixes = (
        tables[name][tables[name]["role"] == "test"]
        for name in ("discrimination", "errors", "operating_points", "prevalence")
    )
    grids = [calibration_grid(test), discrimination_grid(areas, errors)]
    curve, pairs = (tables[name][tables[name]["role"] == "test"] for name in ("precision_recall", "pairs"))
    more = [operating_grid(points), prevalence_grid(mixes), precision_recall_grid(curve), pairs_grid(pairs)]
    if len(outside):
        more.insert(0, outside_grid(outside))
    title = f"{cohort}, {task}: {protocol} split, {view} view"
    return Panel(title, sentences(test, areas, errors), grids, more, pictures)


def means_by(table: pd.DataFrame, *keys: str) -> pd.DataFrame:
    """Means of all numbers over runs, the colour baseline first, otherwise in the table's order."""
    means = table.groupby([*keys], sort=False).mean(numeric_only=True).reset_index()
    order = sorted(range(len(means)), key=lambda index: not is_baseline(str(means["model"].iloc[index])))
    return means.iloc[order].reset_index(drop=True)


def _ranged(row: Mapping, name: str, digits: int = 3) -> Cell:
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    note = "" if words.missing(low) else f"{low:.{digits}f}{words.DASH}{high:.{digits}f}"
    return number(row[name], words.decimal(row[name], digits), note)


def _shared(row: Mapping, name: str) -> Cell:
    """A share as a percentage with its interval."""
    return number(row[name], words.percent(row[name]), words.interval(row[f"{name}_low"], row[f"{name}_high"]))


def _confidence(row: Mapping) -> list[Cell]:
    cells = [number(row[name], words.percent(row[name])) for name in ("observed", "predicted")]
    limits = f"{100 * row['bias_low']:+.1f} to {100 * row['bias_high']:+.1f}".replace("-", "\N{MINUS SIGN}")
    note = "" if words.missing(row["bias_low"]) else f"{limits} points"
    return [*cells, number(row["bias"], bias_word(row["bias_low"], row["bias_high"]), note)]


def calibration_grid(test: pd.DataFrame) -> Grid:
    """Every model as trained, and its ECE after each calibrator; `test` holds rows of the whole (class "")."""
    by = {
        str(name): {str(row["model"]): row for row in means_by(part, "model").to_dict("records")}
        for name, part in test.groupby("calibrator", sort=False)
    }
    rows = []
    for model, row in by["none"].items():
        cells = [Cell(model), *_confidence(row), _ranged(row, "ece")]
        cells.append(number(row["ece_chance"], words.decimal(row["ece_chance"]), f"up to {row['ece_chance_high']:.3f}"))
        for name in AFTER:
            after = by[name][model]
            known = not words.missing(after["ece"])
            note = f"T {after['temperature']:.2f}" if name == "temperature" and known else ""
            cells.append(number(after["ece"], words.decimal(after["ece"]) if known else "undetermined", note))
        cells += [number(row[name], words.decimal(row[name])) for name in ("mce_filled", "adaptive_ece", "ici")]
        cells += [
            _ranged(row, "brier"),
            _ranged(row, "nll", 2),
            number(row["sharpness"], words.decimal(row["sharpness"])),
        ]
        rows.append(Row(tuple(cells), is_baseline(model)))
    columns = ["Model", "Accuracy", "Mean confidence", "Confidence is", "ECE", "ECE by chance"]
    columns += [f"ECE, {name}" for name in AFTER]
    columns += ["MCE (filled bins)", "Adaptive ECE", "ICI", "Brier (0 to 2)", "Log loss", "Sharpness"]
    caption = "Calibration on test images, calibrators fitted on validation images alone."
    return grid(caption, columns, rows, best="-ECE")


def discrimination_grid(areas: pd.DataFrame, errors: pd.DataFrame) -> Grid:
    """Areas, agreement, and where errors gather."""
    macro, micro = (
        {str(row["model"]): row for row in means_by(areas[areas["class"] == name], "model").to_dict("records")}
        for name in ("macro average", "micro average")
    )
    pairs = errors.groupby("model")["pairs"].first()
    rows = []
    for row in means_by(errors, "model").to_dict("records"):
        name = row["model"]
        cells = [Cell(name), _ranged(macro[name], "auc"), _ranged(micro[name], "auc")]
        cells += [_ranged(macro[name], column) for column in ("partial_auc", "ap")]
        cells += [_ranged(row, column) for column in ("kappa", "mcc", "nmi")]
        cells.append(number(row["errors"], words.decimal(row["errors"], 0)))
        most = f"of {row['error_entropy_most']:.2f}"
        cells.append(number(row["error_entropy"], words.decimal(row["error_entropy"], 2), most))
        first = pairs.get(name)
        cells.append(number(row["top3"], words.percent(row["top3"], 0), first if isinstance(first, str) else ""))
        cells += [_shared(row, column) for column in ("confidence_right", "confidence_wrong")]
        cells.append(number(macro[name]["separation"], words.decimal(macro[name]["separation"])))
        rows.append(Row(tuple(cells), is_baseline(name)))
    columns = ["Model", "Macro AUC", "Micro AUC", "Partial AUC", "Macro AP", "Kappa", "MCC", "NMI", "Errors"]
    columns += ["Error entropy, bits", "Errors in 3 pairs", "Confidence of right", "of wrong", "Separation (JS)"]
    return grid("Discrimination on test images.", columns, rows, best="Macro AUC")


def outside_grid(outside: pd.DataFrame) -> Grid:
    """Calibration on other cohorts, as trained and with the temperature of the own validation images."""
    rows = []
    before, after = (
        means_by(outside[outside["calibrator"] == name], "model", "target").to_dict("records")
        for name in ("none", "temperature")
    )
    for row, later in zip(before, after, strict=True):
        value = later["ece"]
        cells = [Cell(row["model"]), Cell(row["target"]), number(row["n"], words.count(row["n"])), *_confidence(row)]
        cells += [_ranged(row, "ece"), number(value, "undetermined" if words.missing(value) else words.decimal(value))]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = ["Model", "Target", "Images", "Accuracy", "Mean confidence", "Confidence is", "ECE", "ECE, temperature"]
    caption = "Calibration on other cohorts, all labelled images, those seen before included."
    return grid(caption, columns, rows, best="-ECE")


def operating_grid(points: pd.DataFrame) -> Grid:
    """Sensitivity and specificity met on test images at thresholds chosen on validation images."""
    rules = list(dict.fromkeys(points["rule"]))
    by_rule = {rule: means_by(points[points["rule"] == rule], "model", "class") for rule in rules}
    rows = []
    for index, first in enumerate(by_rule[rules[0]].to_dict("records")):
        cells = [Cell(first["model"]), Cell(first["class"])]
        for table in by_rule.values():
            row = table.iloc[index].to_dict()
            cells += [_shared(row, "sensitivity"), _shared(row, "specificity")]
        rows.append(Row(tuple(cells), is_baseline(first["model"])))
    titles = [rule.capitalize() if rule.startswith("Y") else f"{rule} wanted" for rule in rules]
    columns = [text for title in titles for text in (f"Sensitivity, {title}", "Specificity met")]
    return grid("Operating points, each class against the rest.", ["Model", "Class", *columns], rows)


def prevalence_grid(mixes: pd.DataFrame) -> Grid:
    """How often the call of a class would be right, were the class rarer or more frequent."""
    levels = sorted(set(mixes["prevalence"]))
    by_level = {level: means_by(mixes[mixes["prevalence"] == level], "model", "class") for level in levels}
    rows = []
    for index, first in enumerate(by_level[levels[0]].to_dict("records")):
        cells = [Cell(first["model"]), Cell(first["class"]), number(first["share"], words.percent(first["share"], 0))]
        cells += [_shared(table.iloc[index].to_dict(), "ppv") for table in by_level.values()]
        rows.append(Row(tuple(cells), is_baseline(first["model"])))
    columns = ["Model", "Class", "Share here", *(f"Right calls at {100 * level:g} %" for level in levels)]
    return grid("Positive predictive value in other mixes of classes.", columns, rows)


CURVE = {
    "precision_at_recall": "Precision at recall {:g}",
    "sensitivity_at_false_rate": "Sensitivity at a false positive rate of {:g}",
    "ap": "AP",
    "ap_at_prevalence": "AP at a share of {:g}",
    "break_even": "Break-even",
    "f1": "F1, validation's threshold",
    "f1_threshold": "that threshold",
    "f1_most": "F1, best threshold here",
    "f1_range_low": "F1 of {:g} from",
    "f1_range_high": "F1 of {:g} to",
    "interpolation_error": "Interpolation error",
    "divergence": "KL, nats",
}
"""Measures of the precision-recall curve that are shown, with their titles."""


def precision_recall_grid(curve: pd.DataFrame) -> Grid:
    """What the precision-recall curve of each class says; means over runs. Of shares of a class the least is shown."""
    known = curve.assign(level=curve["level"].fillna(-1))
    known = known[(known["measure"] != "ap_at_prevalence") | (known["level"] == _least_share(known))]
    values = known.groupby(["model", "class", "measure", "level"], sort=False)["value"].mean()
    levels = [
        (measure, float(level), title.format(level))
        for measure, title in CURVE.items()
        for level in sorted(set(known.loc[known["measure"] == measure, "level"]))
    ]
    pairs = dict.fromkeys(zip(known["model"], known["class"], strict=True))
    rows = []
    for model, name in sorted(pairs, key=lambda pair: not is_baseline(pair[0])):
        cells = [Cell(model), Cell(name)]
        for measure, level, _ in levels:
            value = float(values.get((model, name, measure, level), float("nan")))
            cells.append(number(value, words.NONE if words.missing(value) else words.decimal(value)))
        rows.append(Row(tuple(cells), is_baseline(model)))
    columns = ["Model", "Class", *(title for *_, title in levels)]
    return grid("Precision and recall, each class against the rest.", columns, rows, "precision_recall")


def _least_share(curve: pd.DataFrame) -> float:
    return float(curve.loc[curve["measure"] == "ap_at_prevalence", "level"].min())


def pairs_grid(pairs: pd.DataFrame) -> Grid:
    """The three pairs of classes that each model confuses most; sums over runs."""
    keys = ["model", "class", "other"]
    sums = pairs.groupby(keys, sort=False)[["images", "taken", "taken_back", "errors"]].sum().reset_index()
    rows = []
    for model, part in sums.groupby("model", sort=False):
        wrong = part["errors"].sum()
        for row in part.sort_values("errors", ascending=False, kind="stable").head(3).to_dict("records"):
            of_all = row["errors"] / wrong if wrong else float("nan")
            cells = [Cell(str(model)), Cell(f"{row['class']} and {row['other']}")]
            cells += [number(row[name], words.count(row[name])) for name in ("images", "taken", "taken_back")]
            cells += [number(row["errors"] / row["images"], words.percent(row["errors"] / row["images"], 2))]
            cells += [number(of_all, words.NONE if words.missing(of_all) else words.percent(of_all, 0))]
            rows.append(Row(tuple(cells), is_baseline(str(model))))
    rows.sort(key=lambda row: not row.baseline)
    columns = ["Model", "Pair", "Images of both", "First taken for second", "Second for first", "Share of both"]
    return grid("Pairs of classes most often confused.", [*columns, "Share of all errors"], rows, "pairs")


OVER, UNDER, FAIR = "too high", "too low", "not clearly off"


def bias_word(low: float, high: float) -> str:
    """What the interval of mean confidence less accuracy says."""
    if words.missing(low):
        return "no interval"
    return OVER if low > 0 else UNDER if high < 0 else FAIR


def sentences(test: pd.DataFrame, areas: pd.DataFrame, errors: pd.DataFrame) -> list[str]:
    """Sentences on the networks of one panel; rows of the test role, of calibration those of the whole."""
    networks = test[[not is_baseline(name) for name in test["model"]]]
    before, after = (_means(networks[networks["calibrator"] == name]) for name in ("none", "temperature"))
    return [*_bias(before), *_temperature(before, after), *_best(areas, errors)]


def _means(table: pd.DataFrame) -> pd.DataFrame:
    """Means over runs, a row for each model."""
    return table.groupby("model", sort=False).mean(numeric_only=True)


def _networks(number: int, total: int) -> str:
    return f"{words.count(number)} of {words.plural(total, 'network')}"


def _bias(trained: pd.DataFrame) -> list[str]:
    said = [bias_word(low, high) for low, high in zip(trained["bias_low"], trained["bias_high"], strict=True)]
    over, under, total = said.count(OVER), said.count(UNDER), len(said)
    text = f"As trained, confidence is too high in {_networks(over, total)} and too low in {words.count(under)}: "
    text += "the interval of mean confidence less accuracy lies wholly on one side of zero."
    name = str(trained["gap"].idxmax())
    row = trained.loc[name].to_dict()
    text += f" Furthest off is {name}: {words.percent(row['predicted'])} sure on average, right on "
    return [text + f"{words.percent(row['observed'])}."]


def _temperature(before: pd.DataFrame, after: pd.DataFrame) -> list[str]:
    fitted = after["ece"].notna()
    text, total = "", int(fitted.sum())
    if total:
        first, second = before.loc[fitted[fitted].index, "ece"], after.loc[fitted, "ece"]
        better = int((second < first).sum())
        text = f"A temperature fitted on validation images lowers the ECE of {_networks(better, total)} "
        text += f"(median {words.decimal(first.median())} before, {words.decimal(second.median())} after)."
        left = int((second > after.loc[fitted, "ece_chance_high"]).sum())
        text += f" {_networks(left, total)} still {'misses' if left == 1 else 'miss'} by more than chance explains."
        worse = total - better
        if 2 * worse > total:
            text += " Where it makes things worse, validation images are not like test images: what is trained on"
            text += " the one about confidence does not hold for the other."
    lacking = list(fitted[~fitted].index)
    if lacking:
        text += f" None could be determined for {words.listed(lacking)}, right on every validation image."
    return [text.strip()]


def _best(areas: pd.DataFrame, errors: pd.DataFrame) -> list[str]:
    networks = errors[[not is_baseline(name) for name in errors["model"]]]
    means = _means(networks)
    name = str(means["accuracy"].idxmax())
    row = means.loc[name].to_dict()
    macro = areas[(areas["model"] == name) & (areas["class"] == "macro average")]["auc"].mean()
    text = f"The most accurate network, {name}, tells the classes apart with a macro AUC of {words.decimal(macro)}"
    if not row["errors"]:
        return [f"{text} and makes no error."]
    text += f"; {words.percent(row['top3'], 0)} of its errors are between three pairs of classes"
    text += f" (an even spread would give {words.percent(row['top3_even'], 0)})."
    right, wrong = row["confidence_right"], row["confidence_wrong"]
    text += f" It is {words.percent(right, 0)} sure where it is right, and {words.percent(wrong, 0)} where it is wrong."
    return [text]
