"""Batch norm, gate and neurons of a spiking block as one operation, for training on a processor.

Layer by layer, each of them reads and writes the whole maps several times, and that takes most of a training step. Here
the norm and the gate become one scale and one shift of each image and channel, which the kernel of the neurons applies
as it goes; a norm in front of a pointwise convolution goes into its weights. Values and gradients are those of the
layers one by one, up to rounding.
"""

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d

from leukoflow.models.layers import kernels
from leukoflow.models.layers.lif import LIF
from leukoflow.models.layers.norm import BatchNorm2d, warm_up
from leukoflow.models.layers.squeeze_excitation import SqueezeExcitation

_LAST = torch.channels_last


def normed_pointwise(x: Tensor, norm: BatchNorm2d, convolution: nn.Conv2d) -> Tensor:
    """`convolution(norm(x))` for a convolution of single pixels without bias."""
    x = x.contiguous(memory_format=_LAST)
    way = _Way()
    scale, shift, _ = _normed(x, norm, way)
    scale, shift = scale.to(x.dtype), shift.to(x.dtype)
    weight = convolution.weight
    return _Pointwise.apply(x, weight * scale[:, None, None], weight.flatten(1) @ shift, way)  # type: ignore[no-any-return]


def normed_fire(x: Tensor, norm: BatchNorm2d, gate: SqueezeExcitation | None, neurons: LIF) -> Tensor:
    """`neurons(gate(norm(x)))`: currents [T * B, C, H, W] (or [B, C, H, W] that stand for each step) to spikes."""
    x = x.contiguous(memory_format=_LAST)
    way = _Way()
    scale, shift, means = _normed(x, norm, way)
    scale, shift = scale.expand_as(means), shift.expand_as(means)
    if gate is not None:
        factor = gate.of_means((scale * means + shift).to(x.dtype)).double()
        scale, shift = scale * factor, shift * factor
    settings = neurons.steps, float(neurons.tau), neurons.constant
    return _Fire.apply(x, scale.contiguous(), shift.contiguous(), settings, way)  # type: ignore[no-any-return]


class _Way:
    """How the gradient of what follows arrives at the maps: set in the backward pass by the operation that uses them,
    and called by `_Moments`, whose gradients depend on that operation's and so come after it. One pass writes both."""

    gradient: Callable[[Tensor, Tensor], Tensor]


def _normed(x: Tensor, norm: BatchNorm2d, way: _Way) -> tuple[Tensor, Tensor, Tensor]:
    """Scale and shift float64 [C] that the norm is, and the means of each image and channel, [N, C], before it.

    The running statistics are taken one batch further.
    """
    warm_up(norm)
    sums, squares = _Moments.apply(x, way)
    pixels = x.shape[2] * x.shape[3]
    count = x.shape[0] * pixels
    mean = sums.sum(dim=0) / count
    variance = (squares.sum(dim=0) / count - mean * mean).clamp(min=0)
    _follow(norm, mean.detach(), variance.detach() * (count / max(count - 1, 1)))
    scale = norm.weight.double() * (variance + norm.eps).rsqrt()
    return scale, norm.bias.double() - scale * mean, sums / pixels


@torch.no_grad()
def _follow(norm: BatchNorm2d, mean: Tensor, variance: Tensor) -> None:
    norm.num_batches_tracked.add_(1)  # type: ignore[union-attr]
    share = norm.momentum if norm.momentum is not None else 1 / int(norm.num_batches_tracked)  # type: ignore[arg-type]
    for running, now in ((norm.running_mean, mean), (norm.running_var, variance)):
        running.lerp_(now.to(running.dtype), share)  # type: ignore[union-attr]


class _Moments(torch.autograd.Function):
    """Maps to the sums of their pixels and of the squares, float64 [N, C] both."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, way: _Way) -> tuple[Tensor, Tensor]:
        sums, squares = (torch.empty(x.shape[:2], dtype=torch.float64) for _ in range(2))
        _run(kernels.moments, len(x), _rows(x), sums.numpy(), squares.numpy())
        ctx.way = way
        return sums, squares

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        return ctx.way.gradient(*gradients), None


class _Pointwise(torch.autograd.Function):
    """A convolution of single pixels; its gradient of the maps goes by the way."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor, way: _Way) -> Tensor:
        ctx.save_for_backward(x, weight)
        ctx.way = way
        return conv2d(x, weight, bias)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, weight = ctx.saved_tensors
        geometry = [1, 1], [0, 0], [1, 1], False, [0, 0], 1
        own, of_weight, of_bias = torch.ops.aten.convolution_backward(
            gradients[0], x, weight, [len(weight)], *geometry, [True, True, True]
        )

        def gradient(sums: Tensor, squares: Tensor) -> Tensor:
            whole = own.contiguous(memory_format=_LAST)
            _run(kernels.add_moments, len(x), _rows(whole), _rows(x), sums.numpy(), squares.numpy())
            return whole

        ctx.way.gradient = gradient
        return None, of_weight, of_bias, None


class _Fire(torch.autograd.Function):
    """Neurons on scale * maps + shift; its gradient of the maps goes by the way."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, scale: Tensor, shift: Tensor, settings: tuple[int, float, bool], way: _Way
    ) -> Tensor:
        steps, tau, constant = settings
        shape = (steps * len(x) if constant else len(x), *x.shape[1:])
        spikes = torch.empty(shape, dtype=x.dtype, memory_format=_LAST)
        shown = 1 if constant else steps
        numbers = kernels.constants(tau, _rows(x).dtype)
        currents = _steps(x, shown), *_values(shown, scale, shift), numbers
        _run(kernels.fire, len(x) // shown, *currents, _steps(spikes, steps))
        ctx.save_for_backward(x, scale, shift)
        ctx.settings = steps, shown, numbers
        ctx.way = way
        return spikes

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        x, scale, shift = ctx.saved_tensors
        steps, shown, numbers = ctx.settings
        incoming = gradients[0].contiguous(memory_format=_LAST)
        fixed = _steps(x, shown), *_values(shown, scale, shift), numbers, _steps(incoming, steps)
        images = len(x) // shown
        of_scale, of_shift = torch.empty_like(scale), torch.empty_like(shift)
        no_maps, no_values = np.empty((0, 0, 0, 0), fixed[0].dtype), (np.empty((0, 0, 0)),) * 2
        _run(kernels.fire_backward, images, *fixed, *_values(shown, of_scale, of_shift), no_maps, *no_values)

        def gradient(sums: Tensor, squares: Tensor) -> Tensor:
            whole = torch.empty_like(x)
            moments = _values(shown, sums.contiguous(), squares.contiguous())
            _run(kernels.fire_backward, images, *fixed, *no_values, _steps(whole, shown), *moments)
            return whole

        ctx.way.gradient = gradient
        return None, of_scale, of_shift, None, None


def _run(kernel: Callable[..., None], images: int, *arrays: np.ndarray) -> None:
    """Call a kernel for all images, in as many threads as PyTorch uses."""
    threads = min(torch.get_num_threads(), images)
    bounds = [images * part // threads for part in range(threads + 1)]
    if threads == 1:
        kernel(0, images, *arrays)
        return
    parts = [_pool(os.getpid(), threads).submit(kernel, *part, *arrays) for part in pairwise(bounds)]
    for part in parts:
        part.result()


@cache
def _pool(process: int, threads: int) -> ThreadPoolExecutor:
    """Threads of a process, which a fork of it does not have."""
    return ThreadPoolExecutor(threads)


def _rows(x: Tensor) -> np.ndarray:
    """Maps [N, C, H, W] that lie channels last as an array [N, P, C] of the same memory."""
    return x.detach().permute(0, 2, 3, 1).flatten(1, 2).numpy()


def _steps(x: Tensor, steps: int) -> np.ndarray:
    rows = _rows(x)
    return rows.reshape(steps, -1, *rows.shape[1:])


def _values(steps: int, *values: Tensor) -> tuple[np.ndarray, ...]:
    """Values [N, C] of each image and channel as arrays [T, B, C] of the same memory."""
    return tuple(value.detach().numpy().reshape(steps, -1, value.shape[1]) for value in values)
