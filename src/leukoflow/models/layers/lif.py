"""Leaky integrate-and-fire neurons: SpikingJelly's, with a faster kernel for the whole sequence.

H[t] = V[t-1] + (X[t] - V[t-1]) / tau,  S[t] = 1 where H[t] >= 1,  V[t] = H[t] (1 - S[t]),  V[-1] = 0,
the reset kept out of the gradient, and dS/dH = 1 / (1 + (pi (H - 1))^2) in the backward pass (ATan, alpha 2).
"""

import math
from collections.abc import Sequence
from typing import Any

import torch
from spikingjelly.activation_based import neuron, surrogate
from torch import Tensor


class LIF(neuron.LIFNode):
    """LIF neurons without a state between calls: currents [T * B, ...] in, spikes (0 or 1) of the same shape out.

    The first axis holds time step 0 of every image, then step 1, and so on. With `constant`, x is [B, ...] and stands
    for the same current at every step. Equal in values and gradients to SpikingJelly's multi-step `LIFNode`
    (decaying input, hard reset to 0, threshold 1), reset before the call; but the sequence is one autograd node,
    which halves the time on a CPU. `firing_rate` is the mean number of spikes per neuron and step of the last call in
    evaluation mode, a float32 scalar.
    """

    def __init__(self, steps: int = 4, tau: float = 2.0, constant: bool = False) -> None:
        super().__init__(
            tau=tau,
            v_threshold=1.0,
            v_reset=0.0,
            surrogate_function=surrogate.ATan(alpha=2.0),
            detach_reset=True,
            step_mode="m",
        )
        self.steps = steps
        self.constant = constant
        self.firing_rate: Tensor | None = None

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """Spikes of the currents x."""
        spikes: Tensor = _Sequence.apply(x, self.steps, float(self.tau), self.constant)
        if not self.training:
            self.firing_rate = spikes.detach().mean(dtype=torch.float32)
        return spikes


class _Sequence(torch.autograd.Function):
    """The recurrence as one autograd node: it keeps the potentials H and nothing else."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, steps: int, tau: float, constant: bool) -> Tensor:
        currents = [x] * steps if constant else list(x.chunk(steps))
        spikes = _empty_like(x, steps if constant else 1)
        if not ctx.needs_input_grad[0]:
            _fire(currents, spikes.chunk(steps), tau)
            return spikes
        potentials = torch.empty_like(spikes)
        charge = None
        for current, spike, potential in zip(currents, spikes.chunk(steps), potentials.chunk(steps), strict=True):
            if charge is None:
                torch.div(current, tau, out=potential)
            else:
                torch.lerp(charge, current, 1 / tau, out=potential)
            torch.ge(potential, 1.0, out=spike)
            charge = torch.addcmul(potential, potential, spike, value=-1)
        ctx.save_for_backward(potentials)
        ctx.settings = steps, tau, constant
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (potentials,) = ctx.saved_tensors
        steps, tau, constant = ctx.settings
        gradient = torch.empty_like(potentials)
        one = potentials.new_ones(())
        later = None
        rows = zip(gradients[0].chunk(steps), potentials.chunk(steps), gradient.chunk(steps), strict=True)
        for spike, potential, current in reversed(list(rows)):
            scale = potential.sub(1.0)
            torch.addcmul(one, scale, scale, value=math.pi**2, out=scale)
            torch.div(spike, scale, out=current)
            if later is not None:
                current.addcmul_(later, torch.lt(potential, 1.0, out=scale), value=1 - 1 / tau)
            later = current
        gradient.div_(tau)
        if constant:
            gradient = torch.stack(gradient.chunk(steps)).sum(dim=0)
        return gradient, None, None, None


def _fire(currents: Sequence[Tensor], spikes: Sequence[Tensor], tau: float) -> None:
    """The same without a gradient: one potential, overwritten at every step, stays in the processor's cache."""
    potential = torch.div(currents[0], tau)
    for step, (current, spike) in enumerate(zip(currents, spikes, strict=True)):
        if step:
            potential.addcmul_(potential, spikes[step - 1], value=-1).lerp_(current, 1 / tau)
        torch.ge(potential, 1.0, out=spike)


def _empty_like(x: Tensor, times: int) -> Tensor:
    """An empty tensor with `times` as many rows, in x's dtype and memory layout."""
    layout = torch.contiguous_format
    if x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last):
        layout = torch.channels_last
    return torch.empty((times * x.shape[0], *x.shape[1:]), dtype=x.dtype, device=x.device, memory_format=layout)
