import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from fake_profile import LAYERS, PLAIN, made_up
from torch import nn

from leukoflow.config.features import DeepFeatures
from leukoflow.config.profile import Profile
from leukoflow.config.published import papers
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import write_json, write_table
from leukoflow.core.runs import Run
from leukoflow.cost import efficiency, profile, speed
from leukoflow.cost.energy import energy
from leukoflow.cost.macs import layers_of
from leukoflow.features.deep import load_networks
from leukoflow.features.scaling import Scaler
from leukoflow.features.selection import save_scaler
from leukoflow.features.stack import names_of, random_stack
from leukoflow.models import inference, registry
from leukoflow.outputs.reference import meaning
from leukoflow.papers.published import COSTS
from leukoflow.steps import profile as step

NEURONS = ["stem", "stage1", "stage2", "stage3", "refinement", "head"]
BETWEEN = [
    "stem", "stage1 depthwise", "stage1", "stage2 depthwise", "stage2", "stage3 depthwise", "stage3",
    "refinement depthwise", "refinement", "head",
]  # fmt: skip


def counted(name: str, side: int = 224, neurons=(), **options) -> list:
    """Layers of a network that has shapes but no numbers."""
    with torch.device("meta"):
        model, x = registry.build(name, **options), torch.zeros(1, 3, side, side)
    return layers_of(model, x, neurons)


# As published for 224 x 224 pixels and 1,000 classes: torchvision's table of models (GFLOPS there are MACs), which the
# heads for four classes change by less than the last digit given, but for ViT's 0.8 M of 17.56 G.
@pytest.mark.parametrize(
    ("name", "published"),
    [("resnet50", 4.09), ("vgg19", 19.63), ("efficientnet_b0", 0.39), ("densenet121", 2.83), ("vit_b16", 17.56)],
)
def test_counts_are_those_published(name: str, published: float) -> None:
    assert round(sum(layer.macs for layer in counted(name)) / 1e9, 2) == pytest.approx(published, abs=0.0101)


def test_layers_by_hand() -> None:
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.Conv2d(8, 8, 5, padding=2, groups=8), nn.Conv2d(8, 6, 1),
        nn.Flatten(), nn.Linear(6 * 16 * 16, 4),
    )  # fmt: skip
    layers = layers_of(model, torch.rand(1, 3, 32, 32))
    assert [(layer.layer, layer.kind, layer.macs) for layer in layers] == [
        ("0", "convolution", 3 * 8 * 9 * 256), ("1", "depthwise convolution", 8 * 25 * 256),
        ("2", "pointwise convolution", 8 * 6 * 256), ("4", "linear", 6 * 256 * 4),
    ]  # fmt: skip
    assert [layer.parameters for layer in layers] == [3 * 8 * 9 + 8, 8 * 25 + 8, 8 * 6 + 6, 6 * 256 * 4 + 4]
    assert {(layer.steps, layer.given) for layer in layers} == {(1, "values")}


@pytest.mark.parametrize("batch_first", [True, False])
def test_attention_by_hand(batch_first: bool) -> None:
    class Attend(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.attention = nn.MultiheadAttention(32, 4, batch_first=batch_first)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            tokens = x.flatten(2).transpose(1, 2) if batch_first else x.flatten(2).permute(2, 0, 1)
            return self.attention(tokens, tokens, tokens, need_weights=False)[0]

    (layer,) = layers_of(Attend(), torch.rand(1, 32, 3, 5))
    tokens = 15
    assert (layer.kind, layer.macs) == ("matrix product", 4 * tokens * 32**2 + 2 * tokens**2 * 32)


def test_counting_leaves_no_trace() -> None:
    model = registry.build("vit_b16", size="small").eval()
    x = torch.rand(1, 3, 64, 64)
    first = model(x)
    layers_of(model, x)
    assert torch.backends.mha.get_fastpath_enabled() and torch.equal(model(x), first)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_layers_of_the_spiking_network_know_what_they_are_given() -> None:
    layers = {layer.layer: layer for layer in counted("neurallnet", neurons=NEURONS)}
    assert {name: layer.given for name, layer in layers.items() if layer.given != "values"} == {
        "stages.0.0": "stem", "stages.1.0": "stage1", "stages.2.0": "stage2", "refinement.0": "stage3",
        "classifier": "head",
    }  # fmt: skip
    # The stem's convolution runs once, all others at each of four steps.
    assert [name for name, layer in layers.items() if layer.steps == 1] == ["stem.0"]
    assert layers["stem.0"].macs == 27 * 48 * 112**2
    assert layers["stages.1.2"].macs == 4 * 96 * 192 * 28**2
    between = {layer.layer: layer.given for layer in counted("neurallnet", neurons=BETWEEN, lif_between=True)}
    assert between["stages.1.3"] == "stage2 depthwise" and between["refinement.3"] == "refinement depthwise"
    assert between["head.0"] == "values" and between["stages.0.5.squeeze"] == "values"


def test_energy_by_hand() -> None:
    costs = energy(LAYERS, {"stem": 0.1, "stage1": 0.25})
    assert (costs["steps"], costs["macs"], costs["macs_on_values"]) == (4, 11_160, 9000)
    assert costs["sops"] == pytest.approx(200 + 40)
    assert costs["energy_uj"] == pytest.approx((4.6 * 9000 + 0.9 * 240) / 1e6)
    assert costs["energy_stem_repeated_uj"] == pytest.approx((4.6 * 12_000 + 0.9 * 240) / 1e6)
    assert (costs["between"], costs["between_rate"]) == ("assumed", pytest.approx(0.175))
    assert costs["energy_between_uj"] == pytest.approx((4.6 * 1000 + 0.9 * (240 + 8000 * 0.175)) / 1e6)
    assert costs["energy_without_between_uj"] == pytest.approx(costs["energy_uj"])
    assert costs["twin_macs"] == 1000 + 500 + 2000 + 40
    assert costs["energy_twin_uj"] == pytest.approx(4.6 * 3540 / 1e6)
    assert math.isnan(costs["break_even_rate"])  # its multiplications alone cost more than the twin
    plain = energy(PLAIN, {})
    assert plain["energy_uj"] == pytest.approx(4.6 * 11_160 / 1e6) and "sops" not in plain


def test_at_the_break_even_rate_spikes_cost_what_the_twin_does() -> None:
    layers = counted("neurallnet", neurons=BETWEEN, lif_between=True)
    quiet, busy = (energy(layers, dict.fromkeys(BETWEEN, rate)) for rate in (0.1, 0.2))
    assert quiet["between"] == "measured" and quiet["energy_between_uj"] == pytest.approx(quiet["energy_uj"])
    assert busy["sops"] == pytest.approx(2 * quiet["sops"])
    even = energy(layers, dict.fromkeys(BETWEEN, quiet["break_even_rate"]))
    assert even["energy_uj"] == pytest.approx(even["energy_twin_uj"])
    twin = sum(layer.macs for layer in counted("neurallnet", spiking=False))
    assert quiet["twin_macs"] == twin
    silent = energy(layers, dict.fromkeys(BETWEEN, 0.0))
    assert silent["energy_uj"] == pytest.approx(4.6e-6 * silent["macs_on_values"])


class Slow(nn.Module):
    """A network that takes a known time."""

    def __init__(self, seconds: float) -> None:
        super().__init__()
        self.seconds, self.calls = seconds, 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        import time

        self.calls += 1
        time.sleep(self.seconds)
        return x.flatten(1)[:, :2]


def test_speed_is_that_of_the_clock_not_the_processor() -> None:
    model, image = Slow(0.01), torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    settings = Profile(warm_up=2, runs=10, batches=(4,))
    rows = list(speed.measure(model, image, torch.device("cpu"), settings, speed.ProcessMemory()))
    assert [(row["batch"], row["passes"]) for row in rows] == [(1, 10), (4, 5)] and model.calls == 2 + 10 + 1 + 5
    assert list(rows[0]) == [*speed.COLUMNS, "passes_ms"] and list(rows[1]) == speed.COLUMNS
    assert len(rows[0]["passes_ms"]) == 10 and np.median(rows[0]["passes_ms"]) == pytest.approx(rows[0]["p50_ms"])
    for row in rows:
        assert 10 <= row["p5_ms"] <= row["p25_ms"] <= row["p50_ms"] <= row["p75_ms"] <= row["p95_ms"]
        assert row["processor_ms"] < 5
        assert row["images_per_second"] == pytest.approx(1000 * row["batch"] / row["p50_ms"])


def test_time_allowed_ends_the_measuring() -> None:
    model = Slow(0.02)
    settings = Profile(warm_up=50, runs=1000, batches=(1, 64), seconds=0.1)
    image = torch.zeros(1, 8, 8, 3, dtype=torch.uint8)
    rows = list(speed.measure(model, image, torch.device("cpu"), settings, speed.ProcessMemory()))
    assert 5 <= rows[0]["passes"] <= 6 and 2 <= rows[1]["passes"] <= 6 and model.calls < 20


MEMORY = """
import json, torch
from leukoflow.config.profile import Profile
from leukoflow.cost import speed

class Large(torch.nn.Module):
    def __init__(self, megabytes):
        super().__init__()
        self.megabytes = megabytes
    def forward(self, x):
        torch.ones(self.megabytes * 1_000_000 // 4)
        return x.flatten(1)[:, :2]

image, settings = torch.zeros(1, 8, 8, 3, dtype=torch.uint8), Profile(warm_up=1, runs=5, batches=(1,))
blocks = [torch.ones(25_000) for _ in range(3_000)]  # 300 MB in small pieces, freed but for the last
del blocks[:-1]
for megabytes in (400, 40):
    memory = speed.ProcessMemory()
    (row,) = speed.measure(Large(megabytes), image, torch.device("cpu"), settings, memory)
    print(row["peak_memory_mb"])
"""


def test_memory_is_what_the_pass_took_and_its_peak_is_forgotten() -> None:
    """In a process of its own, as an old one has memory to give. What is freed may be kept while six passes run."""
    done = subprocess.run([sys.executable, "-c", MEMORY], capture_output=True, text=True, check=True)
    large, small = map(float, done.stdout.split())
    assert math.isnan(small) or (large > 390 and 30 < small < 300)


HYBRID = DeepFeatures.model_validate(
    {"kind": "deep", "grid": 2, "stack_size": "small",
     "backbones": [{"name": "convnext_atto"}, {"name": "mobilenetv3_small_050"}]}
)  # fmt: skip
KINDS = {"hybridcn_nas": {"name": "hybrid", "kind": "deep", "stack": "as_described"},
         "morphology": {"name": "cells", "kind": "morphology"}}  # fmt: skip


class FakeGpu:
    """Counts of PyTorch's allocator on a GPU that is not there: the network, and 5 MB for each image of a pass. The
    peak stands until it is reset. `calls` are those that were made, in order."""

    NETWORK, LOADING, IMAGE = 100_000_000, 900_000_000, 5_000_000

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.peak, self.calls = self.LOADING, []
        monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", self.reset)
        monkeypatch.setattr(torch.cuda, "max_memory_allocated", self.most)

    def reset(self, device: torch.device) -> None:
        self.calls.append(("reset", str(device)))
        self.peak = self.NETWORK

    def most(self, device: torch.device) -> int:
        self.calls.append(("most", str(device)))
        return self.peak

    def ran(self, images: int) -> None:
        self.calls.append(("pass", images))
        self.peak = max(self.peak, self.NETWORK + self.IMAGE * images)


def test_the_peak_of_a_gpu_is_forgotten_before_the_passes_and_read_behind_them(monkeypatch) -> None:
    gpu = FakeGpu(monkeypatch)
    model = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 2))
    model.register_forward_hook(lambda _, inputs, output: gpu.ran(len(output)))
    settings = Profile(warm_up=1, runs=5, batches=(2, 4))
    image, memory = torch.zeros(1, 8, 8, 3, dtype=torch.uint8), speed.GpuMemory(torch.device("cuda", 0))
    rows = list(speed.measure(model, image, torch.device("cpu"), settings, memory))
    # Without the reset each row would have the 900 MB that loading the network once took.
    assert [row["peak_memory_mb"] for row in rows] == [105, 110, 120]
    kinds = [kind for kind, _ in gpu.calls]
    assert kinds.count("reset") == kinds.count("most") == 3
    assert {name for kind, name in gpu.calls if kind != "pass"} == {"cuda:0"}
    by_batch = "".join(kind[0] for kind in kinds).split("m")
    assert by_batch.pop() == "" and all(part[0] == "r" and set(part[1:]) == {"p"} for part in by_batch)
    run, on_gpu = Run("c", "t", "v", "image", "net", 0, 1), [row | {"device": "GPU"} for row in rows]
    table = efficiency.efficiency({run: {}}, {}, {run: profile.Measured(0, 0, [], on_gpu)})
    assert table.loc[0, ["gpu", "gpu_peak_memory_mb"]].tolist() == ["GPU", 105]
    assert pd.isna(table.loc[0, "peak_memory_mb"])  # nothing was measured on a processor


def test_without_a_gpu_its_peak_stays_empty_and_none_is_asked_for(runs, monkeypatch) -> None:
    gpu = FakeGpu(monkeypatch)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    folder = next(path for path in sorted(runs.iterdir()) if "neurallnet" in path.name)
    facts = json.loads((folder / "model.json").read_text())
    measured = profile._measure(folder, facts, Profile(warm_up=1, runs=5, batches=(1,)))
    assert {row["device"] for row in measured.speed} == {"cpu"} and gpu.calls == []
    run = Run("c", "t", "v", "image", "net", 0, 1)
    table = efficiency.efficiency({run: facts}, {}, {run: measured})
    assert table["gpu_peak_memory_mb"].isna().all() and table["gpu"].tolist() == [""]


def test_the_published_peak_of_the_gpu_is_compared_with_that_column() -> None:
    (printed,) = [number for number in papers()["neurallnet"].numbers if number.metric == "gpu_memory_megabytes"]
    column, factor = COSTS[printed.metric]
    assert (printed.value, factor) == (171.83, 1.0)  # both in MB
    assert column in efficiency.COLUMNS and "GPU" in meaning("efficiency", column)


def select(folder: Path) -> dict:
    """A selection of 25 features of a fusion stack, as step fit_features writes it."""
    networks = load_networks(HYBRID, [])
    facts = {"kind": "deep", "grid": 2, "stack": "as_described", "stack_size": "small", "attention": True}
    facts["networks"] = [network.facts() for network in networks]
    stack = random_stack(tuple(network.channels for network in networks), 2, "small", 1)
    names = names_of(facts, stack)
    inference.save_tensors(folder / "stack.safetensors", stack.state_dict())
    zeros, ones = np.zeros(len(names)), np.ones(len(names))
    save_scaler(folder / "scaler.safetensors", Scaler(zeros, ones, zeros, 3.0), None)
    ranking = pd.DataFrame({"position": range(25), "feature": names[::-1][:25], "score": 1.0})
    write_table(folder / "ranking.csv", ranking)
    write_json(folder / "features.json", {**facts, "names": names})
    return {"networks": networks, "stack": stack, "facts": facts}


@pytest.fixture(scope="module")
def selection(tmp_path_factory):
    """Features of two small networks, scaled and ranked for the run of hybridcn_nas."""
    folder = tmp_path_factory.mktemp("selections")
    return folder, select(folder / "home.kind.plain.image.hybrid.fold0.seed1")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Runs of a spiking network, a forest and classifiers of features, with random weights."""
    folder = tmp_path_factory.mktemp("runs")
    for view, model, fold, options, side in (
        ("plain", "neurallnet", 0, {}, 32), ("plain", "neurallnet", 1, {}, 32), ("grey", "neurallnet", 0, {}, 32),
        ("plain", "colour_histogram", 0, {}, 32), ("plain", "hybridcn_nas", 0, {"inputs": 25}, 25),
        ("plain", "morphology", 0, {"inputs": 25}, 25),
    ):  # fmt: skip
        run = Run("home", "kind", view, "image", model, fold, 1)
        architecture = {"morphology": "hybridcn_nas"}.get(model, model)
        network = registry.build(architecture, 4, "small", **options)
        spec = registry.spec(architecture)
        inference.save_tensors(folder / run.name / "weights.safetensors", network.state_dict())
        facts = {
            "model": model,
            "architecture": architecture,
            "features": KINDS.get(model),
            "size": "small",
            "options": options,
            "classes": list("abcd"),
        }
        facts |= {"reads": spec.reads, "input_size": side, "fitting": spec.fitting, "seconds": 10.0 + fold, "epochs": 2}
        facts |= {
            "parameters": sum(parameter.numel() for parameter in network.parameters()),
            "recipe": "own",
            "device": "cpu",
        }
        # In one of two folds a layer of 1,000 parameters stayed as it was loaded.
        facts["trainable"] = facts["parameters"] - 1000 * fold
        facts["firing_rates"] = dict.fromkeys(NEURONS, 0.1 + 0.1 * fold) if model == "neurallnet" else {}
        (folder / run.name / "model.json").write_text(json.dumps(facts))
        history = pd.DataFrame({"images_per_second": [10.0, 20.0, 30.0]})
        history.to_csv(folder / run.name / "history.csv", index=False)
    return folder


def test_step_profile(runs, selection, tmp_path, monkeypatch) -> None:
    seen = []
    measure_run = step.measure_run
    monkeypatch.setattr(step, "measure_run", lambda *inputs: seen.append(inputs[0].name) or measure_run(*inputs))
    names = sorted(path.name for path in runs.iterdir())
    step.main([*arguments(runs, selection[0]), "--of", *names, "--output", str(tmp_path)])
    assert len(seen) == 4  # folds and views whose networks are alike are measured once
    made = {name: pd.read_csv(tmp_path / f"{name}.csv") for name in step.NAMES}
    table = made["efficiency"].set_index(["view", "model"])
    assert len(table) == 5 and list(made["efficiency"].columns) == efficiency.COLUMNS
    spiking = table.loc[("plain", "neurallnet")]
    assert (spiking["parameters"], spiking["runs"], spiking["seconds"], spiking["epochs"]) == (35_616, 2, 10.5, 2)
    assert spiking["trainable"] == 35_616 - 500
    assert spiking["training_images_per_second"] == 20 and spiking["input_size"] == 32
    # Two statistics for each channel of nine batch norms, and a count for each.
    channels = 16 + 16 + 32 + 32 + 64 + 64 + 128 + 128 + 64 + 32
    assert spiking["buffers"] == 2 * channels + 10
    weights = runs / "home.kind.plain.image.neurallnet.fold0.seed1/weights.safetensors"
    assert spiking["bytes"] == weights.stat().st_size
    layers = made["layers"].groupby(["view", "model"])["macs"].sum()
    assert layers.to_dict() == table["macs"].dropna().to_dict() and len(layers) == 3
    assert made["layers"].groupby(["view", "model"])["share"].sum().to_numpy() == pytest.approx(1)
    energies = made["energy"].set_index(["view", "model", "fold"])["energy_uj"]
    assert energies[("plain", "neurallnet", 1)] > energies[("plain", "neurallnet", 0)]
    assert spiking["energy_uj"] == pytest.approx(energies["plain", "neurallnet"].mean())
    assert len(made["speed"][made["speed"]["device"] == "cpu"]) == 8
    passes = made["passes"][made["passes"]["device"] == "cpu"].groupby(["view", "model"])["ms"]
    medians = table["latency_p50_ms"].dropna()
    assert passes.size().tolist() == [5] * 4 and len(made["pruning"]) == 0
    assert passes.median().to_dict() == pytest.approx(medians.to_dict())
    forest = table.loc[("plain", "colour_histogram")]
    assert np.isnan(forest["macs"]) and np.isnan(forest["energy_uj"]) and forest["latency_p50_ms"] > 0
    way, cells = table.loc[("plain", "hybridcn_nas")], table.loc[("plain", "morphology")]
    assert way["reads"] == cells["reads"] == "features" and way["input_size"] == 64 and way["classifier_inputs"] == 25
    # The whole way, part by part.
    networks, stack = selection[1]["networks"], selection[1]["stack"]
    classifier = registry.build("hybridcn_nas", 4, "small", inputs=25)
    classifier_size, fused = (sum(parameter.numel() for parameter in part.parameters()) for part in (classifier, stack))
    trunks = sum(network["parameters"] for network in selection[1]["facts"]["networks"])
    assert way["classifier_parameters"] == classifier_size and way["parameters"] == trunks + fused + classifier_size
    assert way["trainable"] == fused + classifier_size  # the networks stay as they were
    fitted = sum(path.stat().st_size for path in selection[0].rglob("*.safetensors"))
    assert way["bytes"] == pytest.approx(4 * trunks + fitted + way["classifier_bytes"], rel=0.02)
    picture, row = torch.zeros(1, 3, 64, 64), torch.zeros(1, 25)
    parts = [macs_of(Maps(network.model), picture) for network in networks]
    rows = torch.zeros(1, 4 * sum(network.channels for network in networks))
    parts += [macs_of(stack, rows), macs_of(classifier, row)]
    assert way["macs"] == sum(parts) and way["classifier_macs"] == parts[-1] and min(parts) > 0
    assert way["latency_p50_ms"] > 3 * way["classifier_latency_p50_ms"] > 0
    assert way["energy_uj"] == pytest.approx(4.6e-6 * sum(parts))
    # What makes features of cells is not measured, and the classifier's cost does not stand for it.
    assert cells[["parameters", "bytes", "macs", "latency_p50_ms", "energy_uj", "input_size"]].isna().all()
    assert cells["classifier_parameters"] == classifier_size and cells["classifier_latency_p50_ms"] > 0


def test_what_pruning_saves_is_the_block_that_is_left_out(tmp_path) -> None:
    run = Run("home", "kind", "plain", "image", "pruned", 0, 1)
    options = {"pruning": 0.5, "blocks": 3}
    torch.manual_seed(0)
    network = registry.build("customcnn_vit", 4, "small", **options)
    for block, focus in zip(network.blocks, (0.9, 0.1, 0.9), strict=True):
        block.focus.fill_(focus)
        block.batches.fill_(1000)
    facts = {"architecture": "customcnn_vit", "size": "small", "options": options, "classes": list("abcd")}
    facts |= {"model": "pruned", "reads": "images", "input_size": 64, "fitting": "gradient", "firing_rates": {}}
    (tmp_path / run.name).mkdir()
    inference.save_tensors(tmp_path / run.name / "weights.safetensors", network.state_dict())
    settings = Profile(warm_up=1, runs=5, batches=(1,))
    table = efficiency.pruning({run: profile.measure_run(tmp_path / run.name, facts, settings)})
    row = table.iloc[0]
    whole = registry.build("customcnn_vit", 4, "small", blocks=3)
    assert (row["blocks"], row["pruned"], row["parameters"]) == (
        3,
        1,
        sum(parameter.numel() for parameter in whole.parameters()),
    )
    assert row["parameters_saved"] == sum(parameter.numel() for parameter in whole.blocks[1].parameters())
    assert row["macs"] == macs_of(whole, torch.zeros(1, 3, 64, 64))
    two = registry.build("customcnn_vit", 4, "small", blocks=2)
    assert row["macs"] - row["macs_saved"] == macs_of(two, torch.zeros(1, 3, 64, 64))
    assert row["latency_p50_ms"] > 0 and np.isfinite(row["latency_saved_ms"])


class Maps(nn.Module):
    """A network's last feature map."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model.forward_features(x)


def macs_of(model: nn.Module, x: torch.Tensor) -> int:
    return sum(layer.macs for layer in layers_of(model, x))


def arguments(runs: Path, selections: Path) -> list[str]:
    settings = '{"warm_up": 1, "runs": 5, "batches": [1, 3]}'
    features = json.dumps({"entries": {"hybrid": HYBRID.model_dump(mode="json")}})
    where = ["--runs", str(runs), "--selections", str(selections), "--side", "64"]
    return ["--settings", settings, "--features", features, *where]


def test_features_that_nobody_described_are_named(runs, tmp_path) -> None:
    settings = '{"warm_up": 1, "runs": 5, "batches": [1]}'
    name = "home.kind.plain.image.hybridcn_nas.fold0.seed1"
    with pytest.raises(LeukoFlowError, match="reads features hybrid, which --features does not describe"):
        step.main(["--settings", settings, "--runs", str(runs), "--of", name, "--output", str(tmp_path)])


def test_a_process_that_is_killed_is_told_in_one_line(runs) -> None:
    with pytest.raises(LeukoFlowError, match=r"neurallnet.*want of memory.*evaluation.profile.batches"):
        profile._in_a_copy(_end, "runs/neurallnet")


def _end(folder: str) -> None:
    import os

    os._exit(9)


def test_efficiency_averages_runs_and_keeps_what_is_unknown_empty() -> None:
    runs = [Run("home", "kind", "plain", "image", "neurallnet", fold, 1) for fold in (0, 1)]
    rates = {"stem": 0.1, "stage1": 0.3}
    models = {run: {"parameters": 10, "seconds": 2.0 + run.fold, "firing_rates": rates} for run in runs}
    forest = Run("home", "kind", "plain", "image", "colour_histogram", 0, 1)
    models[forest] = {"seconds": 9.0, "recipe": "own"}
    measured = {run: made_up(run.model) for run in (runs[0], forest)}
    table = efficiency.efficiency(models, {runs[0]: pd.DataFrame({"images_per_second": [10.0, 20.0, 30.0]})}, measured)
    first, second = table.iloc[0], table.iloc[1]
    assert (first["model"], first["recipe"], second["recipe"]) == ("colour_histogram", "own", "")
    assert pd.isna(first["parameters"]) and pd.isna(first["macs"]) and pd.isna(second["gpu_latency_p50_ms"])
    assert (second["runs"], second["seconds"], second["parameters"]) == (2, 2.5, 10)
    assert (second["firing_rate_low"], second["firing_rate_high"], second["batch"]) == (0.1, 0.3, 8)
    with pytest.raises(LeukoFlowError, match="no run was given"):
        efficiency.efficiency({}, {}, {})
