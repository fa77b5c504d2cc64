"""What a model knows of an image before it decides: the features that its last layer reads, for any architecture."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.inference import to_input


def last_linear(model: nn.Module) -> nn.Linear | None:
    """The last linear layer registered, which makes the logits; None for a model that is no network."""
    layers = [module for module in model.modules() if isinstance(module, nn.Linear)]
    return layers[-1] if layers else None


@contextmanager
def _listening(layer: nn.Linear) -> Iterator[list[Tensor]]:
    """What comes into a layer while the context lasts."""
    heard: list[Tensor] = []
    handle = layer.register_forward_pre_hook(lambda _, inputs: heard.append(inputs[0]))
    try:
        yield heard
    finally:
        handle.remove()


def features_and_logits(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor]:
    """Features float32 [B, D] and logits float32 [B, K] of model inputs.

    Where the last layer reads several vectors of an image (time steps of a spiking network, two trunks that share a
    head) these are averaged, as their logits are: the layer applied to the features gives the logits. Of a model that
    is no network the features are those that it was fitted on. Raises LeukoFlowError for one that has neither.
    """
    layer = last_linear(model)
    if layer is None:
        if not callable(getattr(model, "features", None)):
            raise LeukoFlowError(
                f"{type(model).__name__}: has no linear layer and no method features to take them from"
            )
        return model.features(images).float(), model(images).float()  # type: ignore[operator]
    with _listening(layer) as heard:
        logits = model(images)
    read = torch.cat([tensor.float() for tensor in heard])
    return read.unflatten(0, (-1, len(images))).mean(dim=0), logits.float()


@torch.inference_mode()
def collect(
    model: nn.Module, loaded: Iterable[Tensor], device: torch.device, precision: str = "32-true"
) -> tuple[Tensor, Tensor]:
    """Features float32 [N, D] and logits float32 [N, K] on the CPU for batches uint8 [B, H, W, 3], or of features, in
    evaluation mode; `precision` as in training. There must be at least one batch."""
    dtype = torch.float16 if precision == "16-mixed" else torch.bfloat16
    model.eval()
    features, logits = [], []
    with torch.autocast(device.type, dtype, enabled=precision != "32-true"):
        for images in loaded:
            outputs = features_and_logits(model, to_input(images, device))
            features.append(outputs[0].cpu())
            logits.append(outputs[1].cpu())
    return torch.cat(features), torch.cat(logits)
