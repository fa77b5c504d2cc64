"""Weights in files, and networks run over images."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic
from leukoflow.core.finite import check_finite
from leukoflow.models import inputs, registry


def save_tensors(path: str | Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str] | None = None) -> None:
    """Write tensors as safetensors, atomically, sorted by name. LeukoFlowError, and no file, if they hold NaN or
    infinity."""
    check_finite(path, tensors, "it is not written; if training diverged, lower learning_rate")
    whole = {name: tensors[name].detach().cpu().contiguous().clone() for name in sorted(tensors)}
    with atomic(path) as temporary:
        try:
            save_file(whole, temporary, dict(metadata) if metadata else None)
        except SafetensorError as error:
            raise LeukoFlowError(f"{path}: cannot be written ({error}); make room and run again") from error


def load_weights(path: str | Path, advice: str) -> dict[str, Tensor]:
    """Tensors of a safetensors file, by name. Raises LeukoFlowError, with what to do, if a number is not finite, and
    SafetensorError or OSError if the file is damaged or missing."""
    tensors = load_file(path)
    check_finite(path, tensors, advice)
    return tensors


def load_model(description: Mapping[str, Any], weights: str | Path) -> nn.Module:
    """Build the model that `model.json` describes and load its weights, with the scaling of its input, in evaluation
    mode.

    Raises LeukoFlowError if the weights are damaged, hold NaN or infinity, or belong to another architecture.
    """
    model = registry.build(
        description["architecture"], len(description["classes"]), description["size"], **description["options"]
    )
    try:
        model.load_state_dict(load_weights(weights, "train again"))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise LeukoFlowError(f"{weights}: these weights cannot be loaded ({error}); train again") from error
    inputs.restore(model, description.get("input", {}), weights)
    return model.eval()


def to_input(images: Tensor, device: torch.device) -> Tensor:
    """uint8 [B, H, W, 3] to float32 [B, 3, H, W] in [0, 1] on the device (channels last in memory).

    Rows of features, float32 [B, k], stay as they are.
    """
    if images.ndim == 2:
        return images.to(device)
    return images.to(device).permute(0, 3, 1, 2).float().div_(255)


def best_device() -> torch.device:
    """The first GPU if there is one, the CPU otherwise."""
    return torch.device("cuda", 0) if torch.cuda.is_available() else torch.device("cpu")


@torch.inference_mode()
def predict(model: nn.Module, loaded: Iterable[Tensor], device: torch.device, precision: str = "32-true") -> Tensor:
    """Logits float32 [N, K] on the CPU for batches of images uint8 [B, H, W, 3] or of features, in evaluation mode.

    `precision` as in training: with `bf16-mixed` or `16-mixed` the layers run under autocast.
    """
    dtype = torch.float16 if precision == "16-mixed" else torch.bfloat16
    model.eval()
    with torch.autocast(device.type, dtype, enabled=precision != "32-true"):
        return torch.cat([model(to_input(images, device)).float().cpu() for images in loaded])


def over_cells(logits: Tensor, owner: Tensor, images: int, shares: Tensor) -> Tensor:
    """Logarithms of the mean probabilities of each image's cells: logits [M, K] -> float32 [images, K].

    owner: image of each cell, int64 [M]. An image without cells gets the class shares [K] that training saw.
    """
    sums = torch.zeros(images, logits.shape[1], dtype=torch.float64)
    sums.index_add_(0, owner, logits.double().softmax(dim=1))
    counts = torch.bincount(owner, minlength=images)[:, None]
    fallback = (shares.double() / shares.sum()).expand_as(sums)
    means = torch.where(counts > 0, sums / counts.clamp(min=1), fallback).clamp(min=1e-9)
    return means.log().float()


@torch.inference_mode()
def mean_firing_rates(model: nn.Module, loaded: Iterable[Tensor], device: torch.device) -> dict[str, float]:
    """Mean spikes per neuron and step of each layer of a spiking network over all images; {} for other networks."""
    rates = getattr(model, "firing_rates", None)
    if rates is None:
        return {}
    model.eval()
    sums: dict[str, float] = {}
    count = 0
    for images in loaded:
        model(to_input(images, device))
        sums = {name: sums.get(name, 0.0) + rate * len(images) for name, rate in rates().items()}
        count += len(images)
    return {name: total / count for name, total in sums.items()}
