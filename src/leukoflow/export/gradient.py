"""Grad-CAM as a network of its own: what follows the target layer, and its gradient, written out.

It takes the maps that the exported network gives and a class, and gives the heat that `explain.heat` makes of them, so
that no program that answers needs automatic differentiation.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions, decomposition_table
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from leukoflow.core.errors import LeukoFlowError
from leukoflow.explain.heat import spec_of, target_layers, weighed
from leukoflow.export.network import numbered
from leukoflow.models.layers.lif import LIF


class Surrogate(nn.Module):
    """LIF neurons whose values and surrogate gradients follow from plain arithmetic."""

    def __init__(self, neurons: LIF) -> None:
        super().__init__()
        self.steps, self.tau, self.constant = neurons.steps, float(neurons.tau), neurons.constant

    def forward(self, x: Tensor) -> Tensor:
        """Currents [T * B, ...] to spikes, as `LIF`."""
        currents = [x] * self.steps if self.constant else list(x.chunk(self.steps))
        fired = []
        kept = torch.zeros_like(currents[0])
        for current in currents:
            charge = kept + (current - kept) / self.tau
            smooth = torch.atan(torch.pi * (charge - 1)) / torch.pi
            spike = (charge >= 1).to(charge.dtype)
            fired.append(smooth + (spike - smooth).detach())
            kept = charge * (1 - spike)
        return torch.cat(fired)


def tail(model: nn.Module, images: Tensor, maps: Sequence[Tensor]) -> GraphModule:
    """The module that gives heat float32 [1, h, w], not yet stretched, of the maps of each layer that Grad-CAM weighs,
    as the exported network gives them of one picture, `label` int64 [1] and, where what follows looks past the maps
    (skip connections), the picture `images` uint8 [1, H, W, 3]: its placeholders are what it takes. Of a classifier of
    ranked features also what each does to the logit (`explain.ranked.effects`), float32 [1, k].

    model: is changed; images, maps: an example. LeukoFlowError if the architecture names no layer for Grad-CAM.
    """
    spec = spec_of(model)
    if not spec.targets:
        raise LeukoFlowError(f"export: {spec.name} names no layer for Grad-CAM (target of its ModelSpec); name one")
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LIF):
            model.set_submodule(name, Surrogate(layer))
    targets, chosen = target_layers(model), getattr(model, "chosen", None)

    def score(layer_maps: list[Tensor], change: Tensor, label: Tensor, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        ranked: list[Tensor] = []

        def changed(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
            ranked.append(output)
            return output + change

        handles = [
            layer.register_forward_hook(lambda *_, layer_map=layer_map: layer_map.clone())
            for layer, layer_map in zip(targets, layer_maps, strict=True)
        ]
        handles += [] if chosen is None else [chosen.register_forward_hook(changed)]
        try:
            logits = model(x)
        finally:
            for handle in handles:
                handle.remove()
        return (logits * (torch.arange(logits.shape[1]) == label)).sum(), ranked

    def heat(*tensors: Tensor) -> tuple[Tensor, ...]:
        *layers, label, images = tensors
        x = images.permute(0, 3, 1, 2).float() / 255
        gradients, ranked = torch.func.grad(score, argnums=(0, 1), has_aux=True)(
            list(layers), torch.zeros(1, 1 if chosen is None else len(chosen.columns)), label, x
        )
        weighted = [weighed(layer, gradient, x) for layer, gradient in zip(layers, gradients[0], strict=True)]
        return (*weighted, *(features * gradients[1] for features in ranked))

    table: Any = core_aten_decompositions() | _BACKWARD
    with sdpa_kernel(SDPBackend.MATH):  # in operators that have a gradient of their own
        trace = make_fx(torch.func.functionalize(heat), decomposition_table=table)
        traced = trace(*maps, torch.zeros(1, dtype=torch.int64), images)
    traced.graph.eliminate_dead_code()
    *_, picture = (node for node in traced.graph.nodes if node.op == "placeholder")
    if not picture.users:
        traced.graph.erase_node(picture)
    traced.recompile()
    return traced


def inputs_of(traced: GraphModule, maps: Sequence[str] = ("maps",)) -> list[str]:
    """Names of what a tail takes, in order: the maps, `label`, perhaps `images`."""
    return [*maps, "label", "images"][: sum(node.op == "placeholder" for node in traced.graph.nodes)]


def outputs_of(model: nn.Module) -> list[str]:
    """Names of what a tail gives, in order: `heat` (of two trunks `heat_1` and `heat_2`), perhaps `effects`."""
    effects = [] if getattr(model, "chosen", None) is None else ["effects"]
    return [*numbered("heat", len(spec_of(model).targets)), *effects]


def _convolution_backward(
    gradient: Tensor,
    x: Tensor,
    weight: Tensor,
    bias_sizes: Any,
    stride: list[int],
    padding: list[int],
    dilation: list[int],
    transposed: bool,
    output_padding: list[int],
    groups: int,
    mask: list[bool],
) -> tuple[Tensor, None, None]:
    """The gradient to the input alone, as the transposed convolution that it is."""
    sizes = zip(x.shape[2:], gradient.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True)
    rest = [full - ((part - 1) * s - 2 * p + d * (k - 1) + 1) for full, part, k, s, p, d in sizes]
    input_gradient = torch.ops.aten.convolution(gradient, weight, None, stride, padding, dilation, True, rest, groups)
    return input_gradient, None, None


def _pool_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """Of adaptive average pooling, which is a matrix along each axis."""
    rows, columns = (_pooling(full, part) for full, part in zip(x.shape[2:], gradient.shape[2:], strict=True))
    return rows.T @ gradient @ columns


def _pooling(full: int, part: int) -> Tensor:
    """Means over the parts of an axis: float32 [part, full]."""
    weights = np.zeros((part, full), np.float32)  # of NumPy, so that its making is not traced
    for row in range(part):
        first, end = row * full // part, -(-(row + 1) * full // part)
        weights[row, first:end] = 1 / (end - first)
    return torch.from_numpy(weights)


_BACKWARD = {op: rule for op, rule in decomposition_table.items() if "backward" in str(op)} | {
    torch.ops.aten.convolution_backward.default: _convolution_backward,
    torch.ops.aten._adaptive_avg_pool2d_backward.default: _pool_backward,
}
"""Gradients that ONNX has no operator for, in others."""
