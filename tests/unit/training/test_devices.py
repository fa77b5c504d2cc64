"""Several processes learn what one learns; recomputation, layout and compilation change nothing but time and memory."""

import copy
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from torch import nn

from leukoflow.config.training import Training
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_table
from leukoflow.images.shards import write_shard
from leukoflow.models import registry
from leukoflow.steps import gather_view
from leukoflow.training import devices
from leukoflow.training.recompute import recompute


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A view of 45 noisy pictures of three unequal classes, and its split."""
    folder = tmp_path_factory.mktemp("data")
    draw = np.random.default_rng(3)
    y = np.minimum(np.arange(45) % 5, 2)
    pictures = (60 + 50 * y[:, None, None, None] + draw.normal(0, 30, (45, 32, 32, 3))).clip(0, 255).astype(np.uint8)
    ids = [f"image{index:02d}" for index in range(45)]
    digest = write_shard(folder / "view/000.npy", pictures, 45, 32)
    write_table(folder / "view/000.parquet", pd.DataFrame({"image_id": ids, "shard_digest": digest}))
    gather_view.main(["--indices", str(folder / "view/000.parquet"), "--output", str(folder / "view/view.json")])
    role = ["train"] * 37 + ["validation"] * 8
    split = {"image_id": ids, "y": y, "label": y.astype(str), "group": ids, "fold": 0, "role": role}
    write_table(folder / "split.parquet", pd.DataFrame(split))
    return folder


def train(data: Path, folder: Path, **training: object) -> dict[str, torch.Tensor]:
    """Run the step as its rule does; weights, with model.json and history.csv next to them."""
    recipe = {"epochs": 3, "batch_size": 8, "optimiser": "sgd", "learning_rate": 0.02, "weighted_loss": True} | training
    options = {"block_dropout": 0.0, "dropout": 0.0}
    settings = {"architecture": "customcnn_vit", "size": "small", "options": options, "training": recipe}
    command = [
        sys.executable, "-m", "leukoflow.steps.train", "--settings", json.dumps(settings), "--name", "toy",
        "--classes", '["a", "b", "c"]', "--view", data / "view/view.json", "--split", data / "split.parquet",
        "--fold", "0", "--seed", "1", "--resume", folder / "resume", "--weights", folder / "weights.safetensors",
        "--description", folder / "model.json", "--history", folder / "history.csv", "--cohort", "demo",
        "--predictions", folder / "predictions.parquet",
    ]  # fmt: skip
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [str(argument) for argument in command], env=environment, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stderr
    return load_file(folder / "weights.safetensors")


def test_two_processes_learn_what_one_learns(data: Path, tmp_path: Path) -> None:
    """No dropout, no batch norm: the gradients are those of the whole batch, weighted by class, up to rounding."""
    one, two = (train(data, tmp_path / str(count), devices=count) for count in (1, 2))
    assert one.keys() == two.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=1e-4, atol=1e-5)
    first, second = (pd.read_csv(tmp_path / str(count) / "history.csv") for count in (1, 2))
    assert np.allclose(first["validation_loss"], second["validation_loss"], rtol=1e-4)
    assert np.allclose(first["train_accuracy"], second["train_accuracy"])
    assert read_json(tmp_path / "2/model.json")["devices"] == 2


def test_too_many_devices_for_the_images(data: Path, tmp_path: Path) -> None:
    with pytest.raises(AssertionError, match=r"error: training.devices: 32 devices cannot share 37 images"):
        train(data, tmp_path, devices=32)


def test_a_compiler_that_fails_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(network: nn.Module) -> nn.Module:
        class Broken(nn.Module):
            def forward(self, x: torch.Tensor) -> torch.Tensor:
                network(x)
                raise RuntimeError("no compiler here\nand more")

        return Broken()

    monkeypatch.setattr(torch, "compile", broken)
    network = registry.build("resnet50_hmscam", 2, "small").train()
    before = copy.deepcopy(network.state_dict())
    prepared, compiled = devices.prepare(network, Training(compile=True), lambda: torch.rand(2, 3, 64, 64))
    assert prepared is network
    assert compiled == "no: no compiler here"
    # The trial must leave no trace, in the running statistics least of all.
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.slow
def test_a_compiled_network_learns_the_same(data: Path, tmp_path: Path) -> None:
    plain, compiled = (train(data, tmp_path / str(flag), compile=flag) for flag in (False, True))
    assert read_json(tmp_path / "True/model.json")["compiled"] == "yes"
    for name, value in plain.items():
        torch.testing.assert_close(compiled[name], value, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("architecture", ["resnet50_hmscam", "resnet50_vit", "vit_b16", "neurallnet", "densenet121"])
def test_recomputed_blocks_give_the_same_gradients_and_statistics(architecture: str) -> None:
    torch.manual_seed(0)
    whole = registry.build(architecture, 3, "small").train()
    light = copy.deepcopy(whole)
    assert recompute(light) > 1
    images = torch.rand(4, 3, 64, 64)
    kept = []
    for network in (whole, light):
        sizes = []

        def count(tensor: torch.Tensor, sizes: list[int] = sizes) -> torch.Tensor:
            sizes.append(tensor.numel())
            return tensor

        for _ in range(2):
            torch.manual_seed(1)
            with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
                loss = network(images).square().sum()
            loss.backward()
        kept.append(sum(sizes))
    assert kept[1] < 0.7 * kept[0]
    for (name, a), (_, b) in zip(whole.named_parameters(), light.named_parameters(), strict=True):
        assert torch.equal(a.grad, b.grad), name
    for name, value in light.state_dict().items():
        assert torch.equal(value, whole.state_dict()[name]), name


def test_a_network_without_blocks_cannot_recompute() -> None:
    with pytest.raises(LeukoFlowError, match=r"training.recompute: Linear has no blocks; remove this key"):
        devices.prepare(nn.Linear(3, 2), Training(recompute=True), lambda: torch.rand(2, 3))


def test_channels_last_changes_the_layout_alone() -> None:
    network = registry.build("resnet50_hmscam", 2, "small").eval()
    images = torch.rand(2, 3, 64, 64)
    with torch.inference_mode():
        before = network(images)
        devices.prepare(network, Training(channels_last=True), lambda: images)
        after = network(images)
    assert network.trunk.conv1.weight.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(after, before, rtol=1e-4, atol=1e-5)


def test_bf16_is_taken_where_the_processor_has_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("amx_tile", "avx512_bf16"):
        monkeypatch.setattr(torch.cpu, f"_is_{name}_supported", lambda: False)
    assert devices.precision("auto", "cpu") == "32-true"
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: True)
    assert devices.precision("auto", "cpu") == "bf16-mixed"
    assert devices.precision("32-true", "cpu") == "32-true"
