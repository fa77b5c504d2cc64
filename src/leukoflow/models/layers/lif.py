"""Leaky integrate-and-fire neurons: SpikingJelly's, with a faster kernel for the whole sequence.

H[t] = V[t-1] + (X[t] - V[t-1]) / tau,  S[t] = 1 if H[t] >= 1,  V[t] = H[t] (1 - S[t]),  V[-1] = 0,
the reset kept out of the gradient, and dS/dH = 1 / (1 + (pi (H - 1))^2) in the backward pass (ATan, alpha 2).
"""

import math
from collections.abc import Iterator
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
    """The recurrence as one autograd node. It goes through the neurons in blocks that stay in the processor's cache,
    all steps of a block at once, and keeps the potentials H alone; of a constant current it keeps that."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, steps: int, tau: float, constant: bool) -> Tensor:
        layout = _layout(x)
        x = x.contiguous(memory_format=layout)
        spikes = _empty(x, steps if constant else 1, layout)
        currents, fired = _rows(x, 1 if constant else steps), _rows(spikes, steps)
        if not ctx.needs_input_grad[0]:  # one potential, overwritten at every step, stays in the cache by itself
            _fire(currents, fired, tau, None)
            return spikes
        potentials = None if constant else torch.empty_like(fired)
        for block in _blocks(fired):
            _fire(currents[:, block], fired[:, block], tau, None if potentials is None else potentials[:, block])
        ctx.save_for_backward(x if constant else potentials)
        ctx.settings = steps, tau, constant, x.shape, layout
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        (kept,) = ctx.saved_tensors
        steps, tau, constant, shape, layout = ctx.settings
        gradient = torch.empty(shape, dtype=kept.dtype, device=kept.device, memory_format=layout)
        incoming = _rows(gradients[0].contiguous(memory_format=layout), steps)
        rows = _rows(gradient, 1 if constant else steps)
        one = kept.new_ones(())
        for block in _blocks(incoming):
            if constant:
                potential = torch.empty_like(incoming[:, block])
                _fire(_rows(kept, 1)[:, block], torch.empty_like(potential), tau, potential)
            else:
                potential = kept[:, block]
            scale = potential.sub(1.0)
            torch.addcmul(one, scale, scale, value=math.pi**2, out=scale)
            current = torch.div(incoming[:, block], scale, out=scale if constant else rows[:, block])
            below = potential.lt(1.0).to(potential.dtype)
            for step in reversed(range(steps - 1)):
                current[step].addcmul_(current[step + 1], below[step], value=1 - 1 / tau)
            current.div_(tau)
            if constant:
                torch.sum(current, dim=0, out=rows[0, block])
        return gradient, None, None, None


_BLOCK = 2**17
"""Neurons of a block: what is computed of them stays in the cache, and an operation is long enough for two threads."""


def _fire(currents: Tensor, spikes: Tensor, tau: float, potentials: Tensor | None) -> None:
    """Fill spikes, and potentials if they are wanted, [steps, n], from currents of each step or of all, [1, n]."""
    potential = torch.empty_like(spikes[0])
    for step, spike in enumerate(spikes):
        current = currents[step if len(currents) > 1 else 0]
        out = potential if potentials is None else potentials[step]
        if step == 0:
            potential = torch.div(current, tau, out=out)
        else:
            potential = torch.addcmul(potential, potential, spikes[step - 1], value=-1, out=out).lerp_(current, 1 / tau)
        torch.ge(potential, 1.0, out=spike)


def _blocks(rows: Tensor) -> Iterator[slice]:
    """Slices of the columns of [steps, n]; all at once on other devices than the processor."""
    size = _BLOCK if rows.device.type == "cpu" else max(1, rows.shape[1])
    return (slice(start, start + size) for start in range(0, rows.shape[1], size))


def _layout(x: Tensor) -> torch.memory_format:
    channels_last = x.dim() == 4 and x.is_contiguous(memory_format=torch.channels_last)
    return torch.channels_last if channels_last else torch.contiguous_format


def _rows(x: Tensor, steps: int) -> Tensor:
    """A view [steps, n] of x in the order of its memory."""
    if _layout(x) == torch.channels_last:
        x = x.permute(0, 2, 3, 1)
    return x.view(steps, x.numel() // steps)


def _empty(x: Tensor, times: int, layout: torch.memory_format) -> Tensor:
    """An empty tensor with `times` as many rows, in x's dtype."""
    return torch.empty((times * x.shape[0], *x.shape[1:]), dtype=x.dtype, device=x.device, memory_format=layout)
