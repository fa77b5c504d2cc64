"""Weights that hold NaN or infinity are refused wherever they are read, with the names of file and tensor."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from leukoflow.cells.attention_unet import AttentionUNet
from leukoflow.cells.segmenter import load_segmenter
from leukoflow.core.errors import LeukoFlowError
from leukoflow.features.scaling import fit
from leukoflow.features.selection import load_scaler, save_scaler
from leukoflow.features.stack import load_stack, random_stack
from leukoflow.models import pretrained, registry
from leukoflow.models.inference import load_model, save_tensors
from leukoflow.training import checkpoint

DESCRIPTION = {"architecture": "neurallnet", "classes": ["a", "b"], "size": "small", "options": {}}
CHANNELS = (8, 8)


@dataclass
class Epoch:
    """One of a history."""

    epoch: int


def network() -> nn.Module:
    torch.manual_seed(1)
    return registry.build("neurallnet", 2, "small")


def write_checkpoint(file: Path) -> None:
    model = nn.Linear(2, 2)
    optimiser = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 2)).sum().backward()
    optimiser.step()
    checkpoint.save(file, model, optimiser, checkpoint.State((Epoch(0),), model.state_dict()))


def read_checkpoint(file: Path) -> None:
    model = nn.Linear(2, 2)
    checkpoint.restore(file, model, torch.optim.Adam(model.parameters()), Epoch)


KINDS: dict[str, tuple[Callable[[Path], None], Callable[[Path], object]]] = {
    "model": (
        lambda file: save_tensors(file, network().state_dict()),
        lambda file: load_model(DESCRIPTION, file),
    ),
    "start of a training": (
        lambda file: save_tensors(file, network().state_dict()),
        lambda file: pretrained.load(network(), file),
    ),
    "segmenter": (
        lambda file: save_tensors(file, AttentionUNet(width=0.0625).state_dict()),
        lambda file: load_segmenter({"width": 0.0625}, file),
    ),
    "fusion stack": (
        lambda file: save_tensors(file, random_stack(CHANNELS, 2, "small", 1).state_dict()),
        lambda file: load_stack(file, CHANNELS, 2, "small"),
    ),
    "scaler": (
        lambda file: save_scaler(file, fit(np.random.default_rng(1).random((9, 4)), "robust"), np.eye(4)),
        load_scaler,
    ),
    "checkpoint": (write_checkpoint, read_checkpoint),
}


@pytest.mark.parametrize("kind", KINDS)
def test_every_tensor_is_looked_at(kind: str, tmp_path: Path) -> None:
    write, read = KINDS[kind]
    file = tmp_path / "w.safetensors"
    write(file)
    read(file)  # finite ones are taken
    tensors, metadata = load_file(file), metadata_of(file)
    floating = [name for name, tensor in tensors.items() if tensor.is_floating_point() and tensor.numel()]
    for name, value in zip(
        (floating[0], floating[len(floating) // 2], floating[-1]), ("nan", "inf", "-inf"), strict=True
    ):
        bad = tensors[name].clone()
        bad.view(-1)[-1] = float(value)
        save_file({**tensors, name: bad}, file, metadata)
        with pytest.raises(LeukoFlowError) as caught:
            read(file)
        assert str(caught.value).startswith(f"{file}: tensor {name} holds NaN or infinity; ")


def metadata_of(file: Path) -> dict[str, str]:
    """What the header of a safetensors file says next to the tensors."""
    data = file.read_bytes()
    return json.loads(data[8 : 8 + int.from_bytes(data[:8], "little")]).get("__metadata__", {})


def test_a_tensor_that_is_not_used_is_looked_at_too(tmp_path: Path) -> None:
    """A classifier of other classes is left if it is; broken numbers in it say that the file is broken."""
    file, spec = tmp_path / "w.safetensors", registry.spec("resnet50")
    tensors = registry.build("resnet50", 2, "small").state_dict()
    head = next(name for name in tensors if not name.startswith(spec.backbone))
    save_file({**tensors, head: torch.full_like(tensors[head], float("nan"))}, file)
    with pytest.raises(LeukoFlowError, match=f"tensor {head} holds NaN"):
        pretrained.load(registry.build("resnet50", 3, "small"), file, spec.backbone)


def test_a_scaler_without_a_limit_survives_its_file(tmp_path: Path) -> None:
    scaler = fit(np.random.default_rng(1).random((9, 4)), "robust")
    save_scaler(tmp_path / "s.safetensors", scaler, None)
    loaded, projection = load_scaler(tmp_path / "s.safetensors")
    assert scaler.clip == loaded.clip == np.inf and projection is None
    assert np.array_equal(loaded.centre, scaler.centre)


def test_nothing_broken_is_written(tmp_path: Path) -> None:
    with pytest.raises(LeukoFlowError, match=r"w\.safetensors: tensor x holds NaN or infinity; it is not written"):
        save_tensors(tmp_path / "w.safetensors", {"x": torch.tensor([1.0, float("nan")])})
    assert list(tmp_path.iterdir()) == []
