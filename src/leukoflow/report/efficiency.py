"""Section Efficiency of the report: what each model costs, and what spikes save."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from leukoflow.config.study import Study
from leukoflow.core import words
from leukoflow.core.runs import is_baseline
from leukoflow.report.embed import Picture
from leukoflow.report.grid import Cell, Grid, Row, grid, number

FAMILIES = ("pareto", "throughput")
NETWORK = ["task", "view", "model"]
Said = Callable[[float], str]


def milliseconds(value: float) -> str:
    """Milliseconds in the unit that a reader would choose."""
    return words.duration(value / 1e3)


def megabytes(value: float) -> str:
    """Megabytes in the unit that a reader would choose."""
    return words.size(value * 1e6)


def microjoules(value: float) -> str:
    """Microjoules in the unit that a reader would choose."""
    return words.energy(value / 1e6)


PUBLISHED: dict[str, tuple[str, str, Said]] = {
    "latency_ms": ("Latency", "latency_p50_ms", milliseconds),
    "gpu_latency_ms": ("Latency on a GPU", "gpu_latency_p50_ms", milliseconds),
    "images_per_second": ("Images a second, on a GPU", "gpu_images_per_second", words.significant),
    "bytes": ("Weights", "bytes", words.size),
    "peak_memory_mb": ("Memory", "peak_memory_mb", megabytes),
    "training_seconds": ("Training", "seconds", words.duration),
}
"""Published costs: title, the column measured, and how a value is written."""


@dataclass(frozen=True)
class Efficiency:
    """The whole section."""

    where: str
    """Devices and threads, in words."""
    features: tuple[str, ...]
    """Models that read features of networks, which are in their cost."""
    unmeasured: tuple[str, ...]
    """Models that read features whose making was not measured; their costs are empty."""
    classifiers: Grid | None
    """The classifiers of features alone."""
    grids: tuple[Grid, ...]
    """Size and speed; training."""
    accuracy: Grid
    """Accuracy and cost of each model."""
    energy: Grid | None
    verdicts: tuple[str, ...]
    """What spikes save, one sentence a network."""
    published: Grid | None
    pictures: tuple[Picture, ...]


def efficiency_section(study: Study, tables: Mapping[str, pd.DataFrame], pictures: Sequence[Picture]) -> Efficiency:
    """The section from tables efficiency, energy and speed."""
    costs = tables["efficiency"]
    networks = costs.drop_duplicates(NETWORK)
    spiking = tables["energy"][tables["energy"]["spiking"].astype(bool)]
    shown = sorted(
        (picture for picture in pictures if picture.family in FAMILIES),
        key=lambda picture: FAMILIES.index(picture.family),
    )
    reading = networks[networks["reads"] == "features"]
    whole = reading["parameters"].notna()
    return Efficiency(
        where=_where(tables["speed"]),
        features=tuple(dict.fromkeys(reading.loc[whole, "model"])),
        unmeasured=tuple(dict.fromkeys(reading.loc[~whole, "model"])),
        classifiers=classifier_grid(reading) if len(reading) else None,
        grids=(cost_grid(networks), training_grid(costs)),
        accuracy=accuracy_grid(tables["accuracy_and_cost"]),
        energy=energy_grid(spiking) if len(spiking) else None,
        verdicts=verdicts(spiking),
        published=published_grid(study, networks),
        pictures=tuple(shown),
    )


def _where(speed: pd.DataFrame) -> str:
    devices = [name for name in dict.fromkeys(speed["device"]) if name != "cpu"]
    text = "one thread of the processor, in 32-bit numbers"
    text += f", and on {words.listed(devices)}" if devices else "; no GPU was there"
    load = speed["load"].median()
    if words.missing(load):
        return text
    return f"{text}. While measuring, {load:.1f} processes wanted a core of the machine (median)"


def cost_grid(table: pd.DataFrame) -> Grid:
    """Size, operations, speed, memory and energy of each network, for one image."""
    gpu = bool((table["gpu"].notna() & table["gpu"].ne("")).any())
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["model"]), Cell(row["task"]), Cell(row["view"]), _count(row["input_size"])]
        cells += [
            _count(row["parameters"]),
            _count(row["buffers"]),
            _said(row["bytes"], words.size),
            _said(row["macs"], words.operations),
        ]
        cells += [_latency(row, ""), _said(row["latency_processor_ms"], milliseconds)]
        cells += [_said(row["chain_ms"], milliseconds), _best(row, "")]
        cells += [_said(row["peak_memory_mb"], megabytes), _said(row["energy_uj"], microjoules)]
        if gpu:
            cells += [_latency(row, "gpu_"), _best(row, "gpu_"), _said(row["gpu_peak_memory_mb"], megabytes)]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = ["Model", "Task", "View", "Input side", "Parameters", "Buffers", "Weights", "MACs"]
    columns += ["Latency", "Processor time", "View before", "Images/s, best batch", "Memory", "Energy"]
    columns += ["GPU latency", "GPU images/s, best batch", "GPU memory"] if gpu else []
    caption = (
        "What one image costs, network by network: of a model on features both networks, the fusion stack, the "
        "scaling, the choice and the classifier. View before: time of the view's operations on a picture, cells found "
        "if they need them; no part of the latency."
    )
    return grid(caption, columns, rows, "efficiency", best="-Latency")


def accuracy_grid(table: pd.DataFrame) -> Grid:
    """What is right, and what it takes, of each model under each split."""
    rows = []
    for row in table.to_dict("records"):
        cells = [Cell(row["model"], note=f"{row['task']}, {row['view']} view"), Cell(row["protocol"])]
        limits = words.interval(row["low"], row["high"])
        cells += [number(row["accuracy"], words.percent(row["accuracy"]), limits)]
        cells += [number(row["macro_f1"], words.decimal(row["macro_f1"])), _count(row["parameters"])]
        cells += [_said(row["bytes"], words.size), _said(row["macs"], words.operations)]
        cells += [_said(row["latency_p50_ms"], milliseconds), _said(row["energy_uj"], microjoules)]
        cells += [_said(row["seconds"], words.duration)]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = ["Model", "Split", "Accuracy", "Macro F1", "Parameters", "Weights", "MACs", "Latency", "Energy"]
    columns.append("Training")
    return grid("Accuracy and cost together.", columns, rows, "accuracy_and_cost", best="Accuracy")


def classifier_grid(reading: pd.DataFrame) -> Grid:
    """Classifiers of features without the networks that make these."""
    rows = []
    for row in reading.to_dict("records"):
        cells = [Cell(row["model"]), Cell(row["task"]), Cell(row["view"]), _count(row["classifier_inputs"])]
        cells += [_count(row["classifier_parameters"]), _said(row["classifier_bytes"], words.size)]
        cells += [_said(row["classifier_macs"], words.operations)]
        cells += [_said(row["classifier_latency_p50_ms"], milliseconds)]
        rows.append(Row(tuple(cells)))
    columns = ["Classifier alone, of", "Task", "View", "Features", "Parameters", "Weights", "MACs"]
    return grid("Classifiers of features alone.", [*columns, "Latency"], rows, "efficiency", best="-Latency")


def training_grid(table: pd.DataFrame) -> Grid:
    """Training of each model: means over runs."""
    rows = []
    for row in table.to_dict("records"):
        name = Cell(row["model"], chip="random weights" if row["weights"] == "random" else "")
        cells = [name, Cell(row["protocol"]), Cell(row["view"]), _count(row["runs"]), Cell(str(row["size"]))]
        cells += [
            Cell(str(row["recipe"])),
            _count(row["trainable"]),
            number(row["epochs"], words.decimal(row["epochs"], 0)),
        ]
        cells += [number(row["seconds"], words.duration(row["seconds"]))]
        cells += [_said(row["training_images_per_second"], words.significant)]
        cells += [Cell(str(row["training_device"])), Cell(str(row["precision"]))]
        rows.append(Row(tuple(cells), is_baseline(row["model"])))
    columns = ["Model", "Split", "View", "Runs", "Size", "Recipe", "Trainable parameters", "Epochs", "Training time"]
    columns += ["Images/s", "Device", "Precision"]
    return grid("What training took, means over runs.", columns, rows, "efficiency", best="-Training time")


def energy_grid(spiking: pd.DataFrame) -> Grid:
    """Energy of one image of each spiking network, means over its runs."""
    rows = []
    for (task, view, model), part in spiking.groupby(NETWORK, sort=False):
        mean = part.mean(numeric_only=True)
        between = f"{words.percent(mean['between_rate'])} ({part['between'].iloc[0]})"
        cells = [*map(Cell, map(str, (model, task, view))), _count(mean["steps"])]
        cells += [_said(mean[name], words.operations) for name in ("macs_on_values", "sops")]
        names = ("energy_uj", "energy_stem_repeated_uj", "energy_without_between_uj")
        cells += [_said(mean[name], microjoules) for name in names]
        cells += [_said(mean["energy_between_uj"], microjoules, between), _said(mean["energy_twin_uj"], microjoules)]
        rows.append(Row(tuple(cells)))
    columns = ["Spiking network", "Task", "View", "Time steps", "MACs on values", "SOPs"]
    columns += ["Energy as it is", "First layer at every step", "Without neurons between", "With neurons between"]
    columns.append("Twin without spikes")
    return grid("Energy of the spiking networks' arithmetic for one image.", columns, rows, "energy")


def verdicts(spiking: pd.DataFrame) -> tuple[str, ...]:
    """For each spiking network, its energy next to that of the same layers without spikes, run once."""
    sentences = []
    for (_, view, model), part in spiking.groupby(NETWORK, sort=False):
        mean = part.mean(numeric_only=True)
        ratio, other = mean["energy_uj"] / mean["energy_twin_uj"], mean["energy_between_uj"] / mean["energy_twin_uj"]
        text = (
            f"{model} on the {view} view: the arithmetic of one image takes {_times(ratio)} what its twin takes, the "
        )
        text += "same layers without spikes"
        if part["between"].iloc[0] == "assumed":
            text += "; with neurons between depthwise and pointwise convolution, firing as often as the others, "
            text += f"it would take {_times(other)} that"
        sentences.append(f"{text}.")
    return tuple(sentences)


def published_grid(study: Study, networks: pd.DataFrame) -> Grid | None:
    """Costs as papers give them next to those measured here; None if there are none."""
    rows = []
    for row in networks.to_dict("records"):
        published = study.models[row["model"]].published.get(row["task"], {}) if row["model"] in study.models else {}
        for name, (title, column, said) in PUBLISHED.items():
            if name in published:
                cells = [Cell(row["model"]), Cell(row["task"]), Cell(row["view"]), Cell(title)]
                rows.append(Row((*cells, _said(published[name], said), _said(row[column], said))))
    columns = ["Published model", "Task", "View", "Cost", "As published", "Measured here"]
    return grid("Costs as published, on the authors' machines, and here.", columns, rows) if rows else None


def _times(ratio: float) -> str:
    return f"{ratio:.2g} times" if ratio >= 1 else f"{words.percent(ratio, 0)} of"


def _count(value: Any) -> Cell:
    return Cell(words.NONE) if _none(value) else number(float(value), words.count(value))


def _said(value: Any, said: Said, note: str = "") -> Cell:
    return Cell(words.NONE) if _none(value) else number(float(value), said(float(value)), note)


def _latency(row: Mapping[Any, Any], prefix: str) -> Cell:
    late = row[f"{prefix}latency_p95_ms"]
    note = "" if _none(late) else f"p95 {milliseconds(late)}"
    return _said(row[f"{prefix}latency_p50_ms"], milliseconds, note)


def _best(row: Mapping[Any, Any], prefix: str) -> Cell:
    rate = row[f"{prefix}images_per_second"]
    note = "" if _none(rate) else f"batches of {row[f'{prefix}batch']:.0f}"
    return _said(rate, words.significant, note)


def _none(value: Any) -> bool:
    return value is None or bool(pd.isna(value))
