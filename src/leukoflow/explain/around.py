"""Feature maps before and behind a network's attention, and those of its twin without attention."""

from typing import Any

import torch
from torch import Tensor, nn

from leukoflow.explain.heat import as_maps, attending_layers, spec_of


def around_attention(model: nn.Module, images: Tensor) -> tuple[Tensor, Tensor] | None:
    """Maps float32 [n, C, h, w] that go into a network's attention, and those that come out of it.

    The attention is the row of modules that `ModelSpec.modules` names, or else the blocks that `attends` names, from
    the first to the last. Tokens are laid out as the positions that they are. None of a network without attention, or
    with no more than a gate. images: float32 [n, 3, H, W] in [0, 1]; the model is in evaluation mode.
    """
    layers = [layer for layer in _layers(model) if not isinstance(layer, nn.Sigmoid)]
    calls: list[tuple[Tensor, Tensor]] = []

    def keep(_module: nn.Module, inputs: Any, output: Tensor) -> None:
        calls.append((inputs[0], output))

    # A block that is used several times is there once.
    hooks = [layer.register_forward_hook(keep) for layer in dict.fromkeys(layers)]
    try:
        with torch.inference_mode():
            model(images)
    finally:
        for hook in hooks:
            hook.remove()
    if not calls:
        return None
    # A second trunk may use the same blocks again, behind the first one's.
    before, after = calls[0][0], calls[: len(layers)][-1][1]
    return as_maps(before, images).float(), as_maps(after, images).float()


def without_attention(model: nn.Module, images: Tensor) -> Tensor | None:
    """Last maps float32 [n, C, h, w] of a network that could attend but is built without attention; None of others."""
    spec = spec_of(model)
    if _layers(model) or not (spec.modules or spec.attends):
        return None
    with torch.inference_mode():
        maps: Tensor = model.maps(images)  # type: ignore[operator]
    return maps.float() if maps.ndim == 4 else None


def _layers(model: nn.Module) -> list[nn.Module]:
    """The modules of attention, or else what attends to positions, in order."""
    modules = spec_of(model).modules
    return list(model.get_submodule(modules).children()) if modules else attending_layers(model)


def strongest(maps: Tensor, count: int) -> Tensor:
    """The channels of maps [n, C, h, w] whose values differ most between the positions of an image, the most first:
    int64 [n, count], fewer if there are fewer channels."""
    return maps.flatten(2).std(dim=2, correction=0).topk(min(count, maps.shape[1]), dim=1).indices


def likeness(maps: Tensor) -> Tensor:
    """Mean cosine of the angle between the features of two positions of an image: [n] of maps [n, C, h, w], at most 1.

    NaN of maps of a single position.
    """
    tokens = nn.functional.normalize(maps.flatten(2), dim=1)
    alike = tokens.transpose(1, 2) @ tokens
    count = alike.shape[1]
    others = alike.sum(dim=(1, 2)) - alike.diagonal(dim1=1, dim2=2).sum(dim=1)
    return others / (count * (count - 1)) if count > 1 else torch.full((len(maps),), torch.nan)
