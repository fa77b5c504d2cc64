"""Grad-CAM as a network of its own: what follows the target layer, and its gradient, written out.

It takes the maps that the exported network gives and a class, and gives the heat that `explain.heat` makes of them, so
that no program that answers needs automatic differentiation.
"""

from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch._decomp import core_aten_decompositions, decomposition_table
from torch.fx import GraphModule
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn.attention import SDPBackend, sdpa_kernel

from leukoflow.core.errors import LeukoFlowError
from leukoflow.explain.heat import spec_of, weighed
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


def tail(model: nn.Module, images: Tensor, maps: Tensor) -> GraphModule:
    """The module that gives heat float32 [1, h, w], not yet stretched, of `maps`, as the exported network gives them of
    one picture, `label` int64 [1] and, where what follows looks past the maps (skip connections), the picture `images`
    uint8 [1, H, W, 3]: its placeholders are what it takes.

    model: is changed; images, maps: an example. LeukoFlowError where the architecture names no layer for Grad-CAM.
    """
    spec = spec_of(model)
    if not spec.target:
        raise LeukoFlowError(f"export: {spec.name} names no layer for Grad-CAM (target of its ModelSpec); name one")
    for name, layer in list(model.named_modules()):
        if isinstance(layer, LIF):
            model.set_submodule(name, Surrogate(layer))
    target = attrgetter(spec.target)(model)

    def score(maps: Tensor, label: Tensor, x: Tensor) -> Tensor:
        handle = target.register_forward_hook(lambda *_: maps.clone())
        try:
            logits = model(x)
        finally:
            handle.remove()
        return (logits * (torch.arange(logits.shape[1]) == label)).sum()

    def heat(maps: Tensor, label: Tensor, images: Tensor) -> Tensor:
        x = images.permute(0, 3, 1, 2).float() / 255
        return weighed(maps, torch.func.grad(score)(maps, label, x), x)

    table: Any = core_aten_decompositions() | _BACKWARD
    with sdpa_kernel(SDPBackend.MATH):  # in operators that have a gradient of their own
        trace = make_fx(torch.func.functionalize(heat), decomposition_table=table)
        traced = trace(maps, torch.zeros(1, dtype=torch.int64), images)
    traced.graph.eliminate_dead_code()
    (picture,) = (node for node in traced.graph.nodes if node.op == "placeholder" and node.name.startswith("images"))
    if not picture.users:
        traced.graph.erase_node(picture)
    traced.recompile()
    return traced


def inputs_of(traced: GraphModule) -> list[str]:
    """Names of what a tail takes, in order: `maps`, `label`, perhaps `images`."""
    return ["maps", "label", "images"][: sum(node.op == "placeholder" for node in traced.graph.nodes)]


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
    found = torch.ops.aten.convolution(gradient, weight, None, stride, padding, dilation, True, rest, groups)
    return found, None, None


def _pool_backward(gradient: Tensor, x: Tensor) -> Tensor:
    """Of adaptive average pooling, which is a matrix along each axis."""
    rows, columns = (_pooling(full, part) for full, part in zip(x.shape[2:], gradient.shape[2:], strict=True))
    return rows.T @ gradient @ columns


def _pooling(full: int, part: int) -> Tensor:
    """Means over the parts of an axis: float32 [part, full]."""
    found = torch.zeros(part, full)
    for row in range(part):
        first, end = row * full // part, -(-(row + 1) * full // part)
        found[row, first:end] = 1 / (end - first)
    return found


_BACKWARD = {op: rule for op, rule in decomposition_table.items() if "backward" in str(op)} | {
    torch.ops.aten.convolution_backward.default: _convolution_backward,
    torch.ops.aten._adaptive_avg_pool2d_backward.default: _pool_backward,
}
"""Gradients that ONNX has no operator for, in others."""
