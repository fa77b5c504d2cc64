"""Spiking networks written out over their time steps, in operators that ONNX Runtime runs fast.

LIF neurons (tau, threshold 1, reset to 0): H[t] = V[t-1] + (X[t] - V[t-1]) / tau, S[t] = H[t] >= 1, V[t] = H[t] where
there was no spike. With a = tau / (tau - 1) and W[t] = -a^t tau V[t] this is

    G[t] = W[t-1] - a^t X[t],  S[t] = G[t] <= -a^t tau,  W[t] = G[t] where G[t] > -a^t tau, else 0:

an addition and two operators of one pass each, `ThresholdedRelu` and, for the step, a steep `HardSigmoid`. With tau 2
the factors are powers of two, and nothing is rounded that was not before.
"""

import math
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval, fuse_linear_bn_eval

from leukoflow.core.errors import LeukoFlowError
from leukoflow.explain.inside import rates
from leukoflow.models.layers.lif import LIF
from leukoflow.models.layers.squeeze_excitation import SqueezeExcitation
from leukoflow.models.neurallnet import NeurALLNet

STEEP = 2.0**60
"""Slope of the step: between two neighbouring numbers it goes from 0 to 1."""


def over_steps(network: nn.Module, x: Tensor, fired: list[Tensor] | None = None) -> Tensor:
    """Logits float32 [N, K] of pictures float32 [N, 3, H, W], layer by layer, each at one time step after the other.

    fired: takes the firing rate [N] of each spiking layer, in order.
    """
    if not isinstance(network, NeurALLNet):
        raise LeukoFlowError(f"export: {type(network).__name__} spikes, and its time steps cannot be written out")
    steps = [x]
    for block in (network.stem, *network.stages, network.refinement):
        steps = _through(block, steps, fired)
    steps = _through(network.head, [step.mean(dim=(2, 3)) for step in steps], fired)
    return torch.stack([network.classifier(step) for step in steps]).mean(dim=0)


def fold_norms(network: nn.Module, keep: nn.Module | None) -> None:
    """Fold batch norms into the layers before them, once for all time steps; but for the layer whose maps are kept."""
    for block in (module for module in network.modules() if isinstance(module, nn.Sequential)):
        for index, (layer, norm) in enumerate(pairwise(list(block))):
            if layer is keep:
                continue
            if isinstance(layer, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d):
                block[index], block[index + 1] = fuse_conv_bn_eval(layer, norm), nn.Identity()
            elif isinstance(layer, nn.Linear) and isinstance(norm, nn.BatchNorm1d):
                block[index], block[index + 1] = fuse_linear_bn_eval(layer, norm), nn.Identity()


def _through(block: nn.Module, steps: list[Tensor], fired: list[Tensor] | None = None) -> list[Tensor]:
    """What a sequence of layers makes of the maps of each time step; one map stands for all where it is constant."""
    layers = list(block.children())
    scales: list[Tensor] | None = None
    for layer, following in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, SqueezeExcitation) and isinstance(following, LIF):
            scales = [layer.gate(step)[:, :, None, None] for step in steps]
        elif isinstance(layer, LIF):
            steps = constant_spikes(layer, steps[0]) if layer.constant else spikes(layer, steps, scales)
            scales = None
            if fired is not None:
                fired.append(rates(steps))
        else:
            steps = [layer(step) for step in steps]
    return steps


def spikes(neurons: LIF, currents: list[Tensor], scales: list[Tensor] | None = None) -> list[Tensor]:
    """Spikes 0 or 1 of the currents of each time step, times these scales, [N, C, 1, 1], if there are any: those are
    small, and take the factors of the neurons with them."""
    tau = float(neurons.tau)
    growth = tau / (tau - 1)
    fired, kept = [], None
    for step, current in enumerate(currents):
        threshold = growth**step * tau
        charge = current * -(growth**step) if scales is None else current * (scales[step] * -(growth**step))
        charge = charge if kept is None else kept + charge
        fired.append(_reached(-threshold, charge, below=True))
        if step + 1 < len(currents):
            kept = _above(charge, -threshold)
    return fired


def constant_spikes(neurons: LIF, current: Tensor) -> list[Tensor]:
    """The same of a current that does not change: X (1 - (1 - 1/tau)^k) reaches 1 first at step k, and at each multiple
    of k again, as the potential starts from 0 after every spike."""
    tau = float(neurons.tau)
    periods = range(1, neurons.steps + 1)
    # By step k at the latest; what first fires at k is what does so by k and not by k - 1.
    by = [_reached(1 / (1 - (1 - 1 / tau) ** k), current, below=False) for k in periods]
    spikes = []
    for step in periods:
        weights = np.zeros(neurons.steps, int)
        for k in periods:
            if step % k == 0:
                weights[k - 1] += 1
                if k > 1:
                    weights[k - 2] -= 1
        plus, minus = ([term for term, weight in zip(by, weights, strict=True) if weight == sign] for sign in (1, -1))
        total = plus[0]
        for term in plus[1:]:
            total = total + term
        for term in minus:
            total = total - term
        spikes.append(total)
    return spikes


def _reached(threshold: float, x: Tensor, below: bool) -> Tensor:
    """1 if x is at least the threshold, or `below`, at most; 0 elsewhere."""
    if not torch.onnx.is_in_onnx_export():
        return ((x <= threshold) if below else (x >= threshold)).to(x.dtype)
    # One at the threshold, 0 at the number next to it.
    next_to = float(np.nextafter(np.float32(threshold), np.float32(math.inf if below else -math.inf)))
    slope = -STEEP if below else STEEP
    return torch.onnx.ops.symbolic(
        "HardSigmoid", (x,), {"alpha": slope, "beta": -slope * next_to}, dtype=x.dtype, shape=x.shape
    )


def _above(x: Tensor, threshold: float) -> Tensor:
    """x where it is above the threshold, 0 elsewhere."""
    if not torch.onnx.is_in_onnx_export():
        return torch.where(x > threshold, x, 0.0)
    return torch.onnx.ops.symbolic("ThresholdedRelu", (x,), {"alpha": threshold}, dtype=x.dtype, shape=x.shape)
