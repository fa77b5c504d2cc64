"""Numbers of what goes on in a network while it answers: channel gates of HMSCAM, spikes of NeurALLNet."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from leukoflow.models.neurallnet import NeurALLNet
from leukoflow.models.resnet50_hmscam import DynamicRecalibration, MultiScaleChannelAttention, ResNetHMSCAM

GATES = {MultiScaleChannelAttention: "MSCA", DynamicRecalibration: "DAR"}
"""Modules of HMSCAM with a gate between 0 and 1 for each channel."""


def inside_says(model: nn.Module) -> dict[str, str]:
    """Names of the numbers of a network, and what they are; none of networks of which none are known."""
    if isinstance(model, ResNetHMSCAM):
        names = [GATES[type(module)] for module in model.attention if type(module) in GATES]  # type: ignore[index]
        said = {}
        for name in names:
            said[f"{name}, mean"] = f"Channel gate of {name}, 0 to 1, mean over the channels"
            said[f"{name}, spread"] = f"Its standard deviation over the channels; near 0, {name} treats all alike"
        return said
    if isinstance(model, NeurALLNet) and model.spiking:
        return dict.fromkeys(model.layer_names(), "Firing rate: spikes per neuron and time step, 0 to 1")
    return {}


@contextmanager
def channel_gates(model: nn.Module) -> Iterator[list[Tensor]]:
    """While the context lasts, the numbers of HMSCAM's channel gates in the order of `inside_says`: [n] each."""
    gates: list[Tensor] = []

    def note(module: Any, inputs: tuple[Tensor], _output: Tensor) -> None:
        gate = module.weights(inputs[0])
        gates.extend([gate.mean(dim=1), (gate - gate.mean(dim=1, keepdim=True)).square().mean(dim=1).sqrt()])

    with ExitStack() as hooks:
        if isinstance(model, ResNetHMSCAM):
            for module in model.attention:
                if type(module) in GATES:
                    hooks.callback(module.register_forward_hook(note).remove)
        yield gates


def rates(spikes: list[Tensor]) -> Tensor:
    """Firing rate [n] of one layer, from its spikes at each time step, [n, ...] each."""
    return torch.stack([step.flatten(1).mean(dim=1) for step in spikes]).mean(dim=0)
