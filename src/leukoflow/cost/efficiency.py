"""Tables of what each model costs: `efficiency` by model, `energy` by run, `layers`, `speed`, `passes` and `pruning` by
network."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import RUN_COLUMNS, Run
from leukoflow.cost import energy, speed
from leukoflow.cost.profile import Measured
from leukoflow.stats.leaderboard import BLOCK, CELL, blocks_first

NETWORK = ["task", "view", "model"]
TEXT = ("architecture", "size", "weights", "recipe", "reads", "training_device", "precision")
LAYER_COLUMNS = [*NETWORK, "layer", "kind", "given", "steps", "parameters", "macs", "share"]
SPEED_COLUMNS = [*NETWORK, *speed.COLUMNS]
PASS_COLUMNS = [*NETWORK, "device", "number", "ms"]
PRUNING_COLUMNS = [
    *NETWORK, "blocks", "pruned", "parameters", "parameters_saved", "macs", "macs_saved", "latency_p50_ms",
    "latency_saved_ms",
]  # fmt: skip
ENERGY_COLUMNS = [*RUN_COLUMNS, "spiking", *energy.COLUMNS]
COLUMNS = [
    *CELL, "runs", *TEXT, "input_size", "parameters", "trainable", "buffers", "bytes", "macs", "latency_p50_ms",
    "latency_p95_ms", "latency_processor_ms", "chain_ms", "images_per_second", "batch", "peak_memory_mb", "gpu",
    "gpu_latency_p50_ms", "gpu_latency_p95_ms", "gpu_images_per_second", "gpu_batch", "gpu_peak_memory_mb",
    "energy_uj", "load", "epochs", "best_epoch", "seconds", "training_images_per_second", "firing_rate_low",
    "firing_rate_high", "classifier_inputs", "classifier_parameters", "classifier_bytes", "classifier_macs",
    "classifier_latency_p50_ms",
]  # fmt: skip


def layers(measured: Mapping[Run, Measured]) -> pd.DataFrame:
    """`LAYER_COLUMNS`: multiply-accumulate operations of every layer for one image, and their share of the whole."""
    rows = []
    for run, result in measured.items():
        whole = sum(layer.macs for layer in result.layers)
        rows += [_network(run) | asdict(layer) | {"share": layer.macs / whole} for layer in result.layers]
    return pd.DataFrame(rows, columns=LAYER_COLUMNS)


def speeds(measured: Mapping[Run, Measured]) -> pd.DataFrame:
    """`SPEED_COLUMNS`: times of passes in milliseconds, images a second and peak memory, by device and batch size."""
    rows = [_network(run) | row for run, result in measured.items() for row in result.speed]
    return pd.DataFrame(rows, columns=SPEED_COLUMNS)


def passes(measured: Mapping[Run, Measured]) -> pd.DataFrame:
    """`PASS_COLUMNS`: every measured pass of one image, in order."""
    rows = [
        _network(run) | {"device": row["device"], "number": number, "ms": ms}
        for run, result in measured.items()
        for row in result.speed
        for number, ms in enumerate(row.get("passes_ms", ()))
    ]
    return pd.DataFrame(rows, columns=PASS_COLUMNS)


def pruning(measured: Mapping[Run, Measured]) -> pd.DataFrame:
    """`PRUNING_COLUMNS`: what a network whose blocks may be left out costs with all of them, and what leaving out those
    that training has pruned saves. No row for other networks."""
    rows = []
    for run, result in measured.items():
        whole = result.unpruned
        if whole is None:
            continue
        row: dict[str, float] = {"blocks": whole.blocks, "pruned": whole.pruned}
        row |= {"parameters": whole.parameters, "parameters_saved": whole.parameters_saved}
        macs, latency = sum(layer.macs for layer in result.layers), result.speed[0]["p50_ms"]
        row |= {"macs": whole.macs, "macs_saved": whole.macs - macs}
        row |= {"latency_p50_ms": whole.latency_p50_ms, "latency_saved_ms": whole.latency_p50_ms - latency}
        rows.append(_network(run) | row)
    return pd.DataFrame(rows, columns=PRUNING_COLUMNS)


def energies(models: Mapping[Run, Mapping[str, Any]], measured: Mapping[Run, Measured]) -> pd.DataFrame:
    """`ENERGY_COLUMNS`: the energy of one image by run, from the layers of its network and its own firing rates."""
    by_network = _by_network(measured)
    rows = []
    for run, facts in models.items():
        network_layers = by_network[_key(run)].layers
        rates = facts.get("firing_rates") or {}
        if network_layers:
            rows.append({**run.columns(), "spiking": bool(rates), **energy.energy(network_layers, rates)})
    return pd.DataFrame(rows, columns=ENERGY_COLUMNS)


def efficiency(
    models: Mapping[Run, Mapping[str, Any]],
    histories: Mapping[Run, pd.DataFrame],
    measured: Mapping[Run, Measured],
    chains: Mapping[str, float] = MappingProxyType({}),
) -> pd.DataFrame:
    """`COLUMNS`, a row for each model on its data: size, operations, time, memory, energy; means over runs of what
    differs between them (training time, speed of training, epochs, energy, firing rates).

    `images_per_second` is the best over batch sizes, with `batch` the size; latency and memory are of one image. Costs
    are of the whole way from a picture. Of a model that reads features this takes in the networks, the fusion stack,
    the scaler and the columns chosen, and `classifier_...` are of its classifier alone; where that way was not
    measured, as with features of cells, the costs are empty. What comes before a network is on none of these accounts
    but `chain_ms`: by view, the milliseconds of making what the network reads of one decoded picture (`chains`).
    """
    if not models:
        raise LeukoFlowError("profile: no run was given; name at least one")
    energy_of = energies(models, measured).set_index(RUN_COLUMNS)["energy_uj"].to_dict()
    table = pd.DataFrame([_run_row(run, facts, histories.get(run)) for run, facts in models.items()])
    table["energy_uj"] = [energy_of.get(tuple(run.columns().values()), np.nan) for run in models]
    how = {name: "first" if name in (*TEXT, "input_size") else "mean" for name in table.columns if name not in CELL}
    grouped = table.groupby(CELL, sort=False)
    means = grouped.agg(how).reset_index()
    means["runs"] = grouped.size().to_numpy()
    by_network = _by_network(measured)
    of_rows = [by_network[key] for key in means[NETWORK].itertuples(index=False, name=None)]
    means = means.join(pd.DataFrame([_costs(row) for row in of_rows], index=means.index))
    _take_the_whole_way(means, of_rows)
    means["chain_ms"] = means["view"].map(dict(chains)).astype(float)
    counts = ("parameters", "trainable", "buffers", "bytes", "macs", "batch", "gpu_batch", "classifier_inputs")
    for name in (*counts, "classifier_parameters", "classifier_bytes", "classifier_macs"):
        means[name] = means[name].astype(float).round().astype("Int64")
    return blocks_first(means, BLOCK, "seconds").reindex(columns=COLUMNS)


def _take_the_whole_way(means: pd.DataFrame, measured: Sequence[Measured]) -> None:
    """Put in place of a classifier's own size that of the whole way, or nothing if that was not measured."""
    reads = means["reads"].eq("features")
    means["classifier_inputs"] = means["input_size"].where(reads)
    for row, result in zip(means.index, measured, strict=True):
        if result.classifier is None:
            continue
        whole = result.parameters is not None
        means.loc[row, "parameters"] = result.parameters if whole else np.nan
        means.loc[row, "input_size"] = result.side if whole else np.nan
        means.loc[row, "trainable"] = means.loc[row, "trainable"] + result.trained if whole else np.nan
        if not whole:
            means.loc[row, ["buffers", "bytes"]] = np.nan


def _run_row(run: Run, facts: Mapping[str, Any], history: pd.DataFrame | None) -> dict[str, Any]:
    """What training has said of one run."""
    row: dict[str, Any] = {name: getattr(run, name) for name in CELL}
    row |= {name: str(facts.get(name, "")) for name in TEXT} | {"training_device": str(facts.get("device", ""))}
    numbers = ("parameters", "trainable", "epochs", "best_epoch", "seconds", "input_size")
    row |= {name: _number(facts.get(name)) for name in numbers}
    pace = history["images_per_second"] if history is not None and len(history) else pd.Series(dtype=float)
    rates = list((facts.get("firing_rates") or {}).values())
    low, high = (min(rates), max(rates)) if rates else (np.nan, np.nan)
    pace_median = float(pace.median()) if len(pace) else np.nan
    return row | {"training_images_per_second": pace_median, "firing_rate_low": low, "firing_rate_high": high}


def _costs(measured: Measured) -> dict[str, Any]:
    """What measuring has found of one network."""
    macs = sum(layer.macs for layer in measured.layers)
    row: dict[str, Any] = {"buffers": measured.buffers, "bytes": measured.bytes}
    row |= {"macs": macs if measured.layers else np.nan, "gpu": ""}
    for prefix, rows in (
        ("", [timing for timing in measured.speed if timing["device"] == "cpu"]),
        ("gpu_", [timing for timing in measured.speed if timing["device"] != "cpu"]),
    ):
        single = next((timing for timing in rows if timing["batch"] == 1), {})
        best = max(rows, key=lambda timing: timing["images_per_second"], default={})
        row |= {f"{prefix}latency_{name}": single.get(name, np.nan) for name in ("p50_ms", "p95_ms")}
        row |= {"latency_processor_ms": single.get("processor_ms", np.nan)} if not prefix else {}
        row |= {f"{prefix}{name}": best.get(name, np.nan) for name in ("images_per_second", "batch")}
        row[f"{prefix}peak_memory_mb"] = single.get("peak_memory_mb", np.nan)
        if prefix and single:
            row["gpu"] = single["device"]
        elif single:
            row["load"] = single["load"]
    alone = measured.classifier
    for name in ("parameters", "bytes", "macs", "latency_p50_ms"):
        row[f"classifier_{name}"] = np.nan if alone is None else getattr(alone, name)
    return row


def _key(run: Run) -> tuple[str, str, str]:
    return run.task, run.view, run.model


def _network(run: Run) -> dict[str, str]:
    return dict(zip(NETWORK, _key(run), strict=True))


def _by_network(measured: Mapping[Run, Measured]) -> dict[tuple[str, str, str], Measured]:
    return {_key(run): result for run, result in measured.items()}


def _number(value: Any) -> float:
    return float(value) if isinstance(value, (int, float)) else np.nan
