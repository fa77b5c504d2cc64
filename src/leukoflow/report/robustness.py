"""Section Robustness of the report: what changed images do to the models, in plain words."""

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number, records

PANEL = ["cohort", "task", "view", "protocol"]
FAMILIES = {
    "gaussian_noise": ("Noise", "noise of variance {:g}"),
    "salt_pepper": ("Salt and pepper", "black or white pixels, {:.0%} of them"),
    "gaussian_blur": ("Blur", "a blur of {:g} pixels"),
    "defocus": ("Defocus", "a defocus of {:g} pixels"),
    "resolution": ("Resolution", "a resolution of {:.0%}"),
    "jpeg": ("JPEG", "JPEG quality {:.0f}"),
    "occlusion": ("Occlusion", "{:.0%} of the area covered"),
    "rotation": ("Rotation", "a turn of {:g} degrees"),
    "brightness": ("Brightness", "brightness {:+.0%}"),
    "contrast": ("Contrast", "contrast {:+.0%}"),
    "stain_shift": ("Stain", "a stain shift of {:+.0%}"),
}
"""Column title of each family, and a level of it in a sentence."""
MODULES = {
    "MultiScaleChannelAttention": "MSCA",
    "ContextualSpatialAttention": "CSA",
    "DynamicRecalibration": "DAR",
    "SpatialGate": "gate over positions",
    "F3": "F3, behind all",
}
MODULE_FIGURES = ("mutual_information", "frobenius", "information_images", "frobenius_images")
SUMMARIES = {"light": "Light and stain", "sharpness": "Sharpness and noise", "place": "Place", "all": "All changes"}
KINDS = {"none": "Unchanged", **SUMMARIES}
BREAKS, HOLDS = 0.10, 0.05
"""Drops of accuracy from which a model is said to break, and below which it is said to hold."""
PUBLISHED = {
    "neurallnet": (
        ("brightness", -0.25, 0.3620, "118 of 326 images"),
        ("brightness", 0.25, 0.7577, "247 of 326 images"),
        ("rotation", 20.0, 0.97, "said to stay above this"),
    )
}
"""Accuracies that papers give under a change, by architecture: family, level, accuracy, note (NeurALLNet: Hassan et al.
2026, doi 10.1177/20552076261466149; unchanged 98.16 %). The other papers give curves or words, no numbers."""


@dataclass(frozen=True)
class PanelContent:
    """One cohort, task, view and protocol."""

    title: str
    sentences: tuple[str, ...]
    """A sentence or two on each model."""
    worst: Grid
    pictures: tuple[Picture, ...]


@dataclass(frozen=True)
class Robustness:
    """The whole section."""

    panels: tuple[PanelContent, ...]
    published: Grid | None
    remedies: tuple[Grid, ...]
    """What models and views gain over the reference of their experiment."""
    modules: Grid | None
    """What is left in modules of attention."""
    module_pictures: tuple[Picture, ...]
    sizes: Grid | None
    """Accuracy against the number of training images."""
    size_pictures: tuple[Picture, ...]
    left_out: tuple[str, ...]
    """Models that could not be put through changed images."""


def robustness_section(
    study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]
) -> Robustness | None:
    """The section from its tables; None if no model was put through changed images, or trained on shares."""
    table = tables["robustness"]
    sizes = tables["sample_size"]
    if table.empty and sizes.empty:
        return None
    panels = []
    for key, part in table.groupby(PANEL, sort=False):
        cohort, task, view, protocol = map(str, key)
        figures = [picture for picture in pictures if picture.family == "robustness" and picture.parts == key]
        title = f"{cohort}, {task}: {view} view, {protocol} split"
        panels.append(PanelContent(title, sentences(part), worst(part), tuple(figures)))
    asked = {
        name
        for experiment in study.experiments.values()
        if "robustness" in experiment.checks
        for name in experiment.models
    }
    left = sorted(name for name in asked if _reads_cells(study, name))
    shown = tuple(picture for picture in pictures if picture.family == "sample_size")
    remedies = tuple(remedies_grid(part) for _, part in tables["remedies"].groupby("experiment", sort=False))
    return Robustness(
        tuple(panels),
        published(study, table),
        remedies,
        modules_grid(tables["modules"]),
        tuple(picture for picture in pictures if picture.family in MODULE_FIGURES),
        sizes_grid(sizes),
        shown,
        tuple(left),
    )


def _reads_cells(study: Study, model: str) -> bool:
    name = study.models[model].features
    return name is not None and study.features[name].kind == "morphology"


def sentences(table: pd.DataFrame) -> tuple[str, ...]:
    """What breaks each model of a panel, with the mildest level that does, and what it withstands."""
    texts = []
    by_metric = records(table, "model", "metric", "perturbation")
    for model in table["model"].unique():
        clean = by_metric[model, "accuracy", "none"][0]["value"]
        broken, held = [], []
        for family in (name for name in FAMILIES if (model, "drop", name) in by_metric):
            drops = by_metric[model, "drop", family]
            for sign in (-1, 1):
                side = [row for row in drops if sign * row["level"] > 0]
                falls = [row for row in side if row["value"] >= BREAKS and not row["low"] <= 0]
                if falls:
                    # The mildest level that breaks is that with the smallest fall.
                    mildest = min(falls, key=lambda row: row["value"])
                    left = words.percent(clean - mildest["value"])
                    most = max(row["value"] for row in side)
                    broken.append((most, f"{said(family, mildest['level'])} ({left})"))
            if max(row["value"] for row in drops) < HOLDS:
                held.append(FAMILIES[family][0].lower() if family != "jpeg" else "JPEG")
        start = f"{model} ({words.percent(clean)} of these images unchanged)"
        broken.sort(key=lambda pair: -pair[0])
        text = (
            f"{start} breaks under {words.listed(change for _, change in broken)}."
            if broken
            else (f"{start} breaks under none of the changes.")
        )
        if held:
            text += f" Within {100 * HOLDS:.0f} points at every level: {words.listed(held)}."
        texts.append(text)
    return tuple(texts)


def said(family: str, level: float) -> str:
    """A level of a family, in a sentence."""
    return FAMILIES[family][1].format(level).replace("-", "\N{MINUS SIGN}").replace("%", "\N{NO-BREAK SPACE}%")


def worst(table: pd.DataFrame) -> Grid:
    """Accuracy unchanged, means over kinds of changes, and the lowest accuracy within each family with its level."""
    accuracies = table[table["metric"] == "accuracy"]
    present = [name for name in FAMILIES if name in set(accuracies["perturbation"])]
    summaries = [name for name in SUMMARIES if name in set(accuracies["perturbation"])]
    rows = []
    by_change = records(accuracies, "model", "perturbation")
    for model in accuracies["model"].unique():
        cells = [Cell(str(model))]
        for name in ("none", *summaries):
            cells.append(_measured(by_change[model, name][0]))
        for family in present:
            row = min(by_change[model, family], key=lambda row: row["value"])
            cells.append(number(row["value"], words.percent(row["value"]), f"at {row['level']:g}"))
        rows.append(Row(tuple(cells), is_baseline(str(model))))
    columns = ["Model", "Unchanged", *(f"{SUMMARIES[name]} (mean)" for name in summaries)]
    columns += [f"{FAMILIES[name][0]} (worst)" for name in present]
    caption = (
        "Accuracy on the same test images, the colour baseline first: unchanged and as means over families and levels, "
        "with intervals; then the worst level of each family."
    )
    return grid(caption, columns, rows, best=columns[2] if summaries else "Unchanged")


def published(study: Study, table: pd.DataFrame) -> Grid | None:
    """Accuracies as published under a change next to those measured at the same level; None if none was measured."""
    accuracies = table[table["metric"] == "accuracy"]
    baselines = accuracies[accuracies["model"].map(is_baseline).astype(bool)]
    keys = [*PANEL, "perturbation", "level"]
    colours = {tuple(row[name] for name in keys): row for row in baselines.to_dict("records")}
    rows = []
    for row in accuracies.to_dict("records"):
        if not _as_in_the_paper(study, row):
            continue
        for family, level, value, note in PUBLISHED.get(study.models[row["model"]].architecture, ()):
            if (row["perturbation"], row["level"]) == (family, level):
                baseline = colours.get(tuple(row[name] for name in keys))
                cells = [Cell(row["model"]), Cell(f"{row['cohort']}, {row['view']} view, {row['protocol']} split")]
                cells += [Cell(said(family, level)), _measured(row), _measured(baseline) if baseline else Cell("")]
                rows.append(Row((*cells, number(value, words.percent(value), note))))
    if not rows:
        return None
    columns = ["System", "Measured on", "Change", "Accuracy (measured)", "Colour baseline (measured)"]
    columns += ["Accuracy (as published)"]
    return grid("Accuracy under a change, measured and as published.", columns, rows)


def _as_in_the_paper(study: Study, row: Mapping[Hashable, Any]) -> bool:
    """Whether a model sees plain pictures and was not trained on other light or stain: a remedy is not the paper's."""
    augmentation = study.models[row["model"]].training.augmentation
    other = augmentation.brightness or augmentation.contrast or augmentation.stain != type(augmentation.stain)()
    return study.views[row["view"]].kind == "plain" and not other


def _measured(row: Mapping[Hashable, Any]) -> Cell:
    return number(row["value"], words.percent(row["value"]), words.interval(row["low"], row["high"]))


def sizes_grid(table: pd.DataFrame) -> Grid | None:
    """Accuracy and macro F1 by share of the training images; None if there are no shares."""
    whole = table[table["class"].isna() | (table["class"] == "")]
    if whole.empty:
        return None
    rows = []
    keys = ["cohort", "task", "view", "protocol", "model", "share"]
    for key, part in records(whole, *keys).items():
        facts = {row["metric"]: row for row in part}
        first = facts["accuracy"]
        cells = [Cell(str(key[4])), Cell(f"{key[0]}, {key[2]} view, {key[3]} split")]
        cells += [number(first["share"], words.percent(first["share"], 0))]
        cells += [number(first["train_images"], words.count(first["train_images"])), _measured(first)]
        cells += [number(first["sd"], words.percent(first["sd"])), _measured(facts["f1"])]
        rows.append(Row((*cells, number(first["runs"], words.count(first["runs"]))), is_baseline(str(key[4]))))
    columns = ["Model", "Trained on", "Share", "Training images", "Accuracy", "Spread of runs (SD)", "Macro F1", "Runs"]
    return grid("Accuracy by share of the training images, the colour baseline first.", columns, rows, best="Accuracy")


def modules_grid(table: pd.DataFrame) -> Grid | None:
    """Information that a module's maps share with those of the unchanged image, and the shift of its attention, at the
    level of each family that leaves the least; None if no network has such modules."""
    if table.empty:
        return None
    present = [name for name in FAMILIES if name in set(table["perturbation"])]
    rows = []
    for key, part in table.groupby([*PANEL, "model", "module"], sort=False):
        values = part.groupby(["measure", "perturbation", "level"], dropna=False)["value"].mean()
        cells = [
            Cell(str(key[4])),
            Cell(f"{key[0]}, {key[2]} view, {key[3]} split"),
            Cell(MODULES.get(str(key[5]), str(key[5]))),
        ]
        for measure in ("information", "norm"):
            clean = float(values[measure, "none"].iloc[0])
            cells.append(number(clean, words.decimal(clean, 2)))
        for family in present:
            shared, relative = values["shared", family], values["relative", family]
            if shared.isna().all():
                cells.append(Cell(words.NONE, f"shift {relative.max():.2f}"))
                continue
            cells.append(number(shared.min(), words.percent(shared.min(), 0), f"shift {relative[shared.idxmin()]:.2f}"))
        rows.append(Row(tuple(cells)))
    columns = ["Network", "On", "Module", "Information, unchanged (nats)", "Norm of attention"]
    caption = (
        "Share of the information in a module's feature maps that is left under the worst level of each family "
        "(medians over images), and by how much its attention shifts there, relative to its norm."
    )
    return grid(caption, [*columns, *(FAMILIES[name][0] for name in present)], rows)


def remedies_grid(table: pd.DataFrame) -> Grid:
    """Accuracy of each model and view of an experiment less its reference's, in points, by kind of change."""
    rows = []
    kinds = [name for name in KINDS if name in set(table["perturbation"])]
    for key, part in records(table, "model", "view", "protocol").items():
        facts = {row["perturbation"]: row for row in part}
        cells = [Cell(str(name)) for name in key]
        for name in kinds:
            row = facts[name]
            limits = words.points_interval(row["low"], row["high"])
            cells.append(number(row["gain"], words.points(row["gain"]), limits))
        rows.append(Row(tuple(cells), is_baseline(str(key[0]))))
    first = table.to_dict("records")[0]
    caption = (
        f"Experiment {first['experiment']}: accuracy less that of {first['reference']} on view "
        f"{first['reference_view']}, on the same images, in points. Above 0 is a gain. Small figures are intervals."
    )
    return grid(caption, ["Model", "View", "Split", *(KINDS[name] for name in kinds)], rows, best=KINDS[kinds[-1]])
