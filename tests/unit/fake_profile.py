"""Tables of what networks cost, made up: a forest, a spiking network, a convolutional one."""

import json
from pathlib import Path

from leukoflow.core.files import write_table
from leukoflow.core.runs import is_baseline, parse_run
from leukoflow.cost import efficiency, speed
from leukoflow.cost.macs import VALUES, Layer
from leukoflow.cost.profile import Measured

LAYERS = [
    Layer("stem.0", "convolution", 1, 100, 1000, VALUES),
    Layer("stage.0", "depthwise convolution", 4, 50, 2000, "stem"),
    Layer("stage.2", "pointwise convolution", 4, 500, 8000, VALUES),
    Layer("head", "linear", 4, 40, 160, "stage1"),
]
PLAIN = [Layer(layer.layer, layer.kind, 1, layer.parameters, layer.macs, VALUES) for layer in LAYERS]


def made_up(model: str) -> Measured:
    """What was found of a network; names decide what it is and how fast."""
    slow = 1 + len(model)
    rows = []
    for batch in (1, 8):
        median = slow * batch**0.5
        times = [median * factor for factor in (0.9, 0.95, 1, 1.1, 1.3, 0.9)]
        row = ["cpu", 1, batch, 20, *times, 1000 * batch / median, 12.5 * batch, 1.5]
        single = {"passes_ms": [median * factor for factor in (0.9, 1, 1.3)]} if batch == 1 else {}
        rows.append(dict(zip(speed.COLUMNS, row, strict=True)) | single)
    layers = [] if is_baseline(model) else LAYERS if model == "neurallnet" else PLAIN
    return Measured(buffers=7, bytes=1_350_000 * slow, layers=layers, speed=rows)


def write_profile(root: Path) -> None:
    """Write tables efficiency, energy, layers, speed, passes and pruning of all runs of a made-up study."""
    files = sorted(root.glob("runs/*/model.json"))
    models = {parse_run(path.parent.name): json.loads(path.read_text()) for path in files}
    measured = {run: made_up(run.model) for run in models}
    once = {(run.task, run.view, run.model): run for run in reversed(models)}
    first = {run: measured[run] for run in once.values()}
    write_table(root / "tables/efficiency.csv", efficiency.efficiency(models, {}, first))
    write_table(root / "tables/energy.csv", efficiency.energies(models, first))
    write_table(root / "tables/layers.csv", efficiency.layers(first))
    write_table(root / "tables/speed.csv", efficiency.speeds(first))
    write_table(root / "tables/passes.csv", efficiency.passes(first))
    write_table(root / "tables/pruning.csv", efficiency.pruning(first))
