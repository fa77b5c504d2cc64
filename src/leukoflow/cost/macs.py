"""Multiply-accumulate operations of a network, layer by layer, by PyTorch's own counter.

It counts convolutions, linear layers and matrix products, those of attention included; norms, activations,
multiplications by gates and pooling are left out, as in the literature.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

VALUES = "values"
POINTWISE = "pointwise convolution"


@dataclass(frozen=True)
class Layer:
    """What one layer costs for one image, over all its time steps."""

    layer: str
    """Path of the module."""
    kind: str
    """`convolution`, `depthwise convolution`, `pointwise convolution`, `linear`, or `matrix product`."""
    steps: int
    """How often it runs for one image: 1, or each time step."""
    parameters: int
    macs: int
    """Multiply-accumulate operations."""
    given: str
    """What comes in: `values`, or the neurons whose spikes (0 or 1) do, by their name among the firing rates."""


def layers_of(model: nn.Module, x: Tensor, neurons: Sequence[str] = ()) -> list[Layer]:
    """Every layer that multiplies, in the order of running. `x` holds one image; `neurons` names the spiking layers.

    A layer whose very input is what neurons put out adds weights if there is a spike, and multiplies nothing.
    """
    trace = _Trace(FlopCounterMode(display=False), iter(neurons))
    hooks = []
    for name, module in model.named_modules():
        hooks.append(module.register_forward_pre_hook(partial(trace.enter, name)))
        hooks.append(module.register_forward_hook(trace.leave))
    fast = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the counter does not see into attention that is one operation
    try:
        with trace.counter, torch.no_grad(), sdpa_kernel(SDPBackend.MATH):
            model.eval()(x)
    finally:
        torch.backends.mha.set_fastpath_enabled(fast)
        for hook in hooks:
            hook.remove()
    layers = []
    for name, (macs, source, steps) in trace.totals.items():
        module = model.get_submodule(name)
        parameters = sum(parameter.numel() for parameter in module.parameters())
        layers.append(Layer(name or type(model).__name__, _kind(module), steps, parameters, macs, source))
    return layers


@dataclass
class _Trace:
    """What hooks note while an image passes."""

    counter: FlopCounterMode
    neurons: Iterator[str]
    spikes: list[tuple[str, Tensor]] = field(default_factory=list)
    open: list[tuple[str, int, str, int]] = field(default_factory=list)
    counted: int = 0
    """Operations that are some layer's own already."""
    totals: dict[str, tuple[int, str, int]] = field(default_factory=dict)
    """MACs, what comes in, and steps, by path."""

    def enter(self, name: str, module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        x = inputs[0] if inputs else None
        source = next((neuron for neuron, spikes in self.spikes if spikes is x), VALUES)
        steps = len(x) if self.spikes and x is not None else 1
        self.open.append((name, self._rest(), source, steps))

    def leave(self, module: nn.Module, inputs: tuple[Tensor, ...], output: Any) -> None:
        name, before, source, steps = self.open.pop()
        flops = self._rest() - before
        if flops:
            self.counted += flops
            self.totals[name] = (self.totals.get(name, (0,))[0] + flops // 2, source, steps)
        if hasattr(module, "firing_rate"):
            self.spikes.append((next(self.neurons), output))

    def _rest(self) -> int:
        """Operations so far that no layer has been given."""
        return self.counter.get_total_flops() - self.counted


def _kind(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        if module.groups == module.in_channels > 1:
            return "depthwise convolution"
        return POINTWISE if module.kernel_size == (1, 1) else "convolution"
    return "linear" if isinstance(module, nn.Linear) else "matrix product"
