"""Inner loops of batch norm, gate and LIF neurons over whole sequences, on maps that lie channels last.

Arrays: maps [N, P, C] or [T, B, P, C] of pixels P, float32 or float64; values of each image and channel float64. Every
kernel works on images `first` to `last`, and on each by itself, so that results do not depend on how many threads share
them. `constants` come from the function of that name.
"""

import math
from typing import Any

import numpy as np

from leukoflow.core.compiled import compiled


def constants(tau: float, dtype: Any) -> np.ndarray:
    """Numbers that the kernels need, in the type of the maps: 0, 1, 1 / tau, 1 - 1 / tau, pi^2."""
    return np.array([0, 1, 1 / tau, 1 - 1 / tau, math.pi**2], dtype)


@compiled(nogil=True)
def moments(first: int, last: int, maps: np.ndarray, sums: np.ndarray, squares: np.ndarray) -> None:
    """Sums of the pixels and of their squares, [N, C]."""
    for n in range(first, last):
        for c in range(maps.shape[2]):
            sums[n, c] = 0.0
            squares[n, c] = 0.0
        for p in range(maps.shape[1]):
            for c in range(maps.shape[2]):
                value = np.float64(maps[n, p, c])
                sums[n, c] += value
                squares[n, c] += value * value


@compiled(nogil=True)
def add_moments(
    first: int, last: int, gradient: np.ndarray, maps: np.ndarray, sums: np.ndarray, squares: np.ndarray
) -> None:
    """Add to a gradient of the maps, in place, what the gradients [N, C] of `moments` contribute."""
    for n in range(first, last):
        constant = sums[n].astype(maps.dtype)
        linear = (2.0 * squares[n]).astype(maps.dtype)
        for p in range(maps.shape[1]):
            for c in range(maps.shape[2]):
                gradient[n, p, c] += constant[c] + linear[c] * maps[n, p, c]


@compiled(nogil=True, error_model="numpy", fastmath={"contract"})
def fire(
    first: int,
    last: int,
    maps: np.ndarray,
    scale: np.ndarray,
    shift: np.ndarray,
    constants: np.ndarray,
    spikes: np.ndarray,
) -> None:
    """Fill spikes [T, B, P, C] of the currents scale * maps + shift, [T, B, C] each; maps of one step stand for all."""
    zero, one, rate = constants[0], constants[1], constants[2]
    steps, _, pixels, channels = spikes.shape
    for b in range(first, last):
        slopes, offsets = scale[:, b].astype(maps.dtype), shift[:, b].astype(maps.dtype)
        potential = np.empty(channels, maps.dtype)
        for p in range(pixels):
            potential[:] = zero
            for t in range(steps):
                s = min(t, maps.shape[0] - 1)
                for c in range(channels):
                    current = slopes[s, c] * maps[s, b, p, c] + offsets[s, c]
                    value = potential[c] + (current - potential[c]) * rate
                    fired = value >= one
                    spikes[t, b, p, c] = one if fired else zero
                    potential[c] = zero if fired else value


@compiled(nogil=True, error_model="numpy", fastmath={"contract"})
def fire_backward(
    first: int, last: int,
    maps: np.ndarray, scale: np.ndarray, shift: np.ndarray, constants: np.ndarray, incoming: np.ndarray,
    scale_gradient: np.ndarray, shift_gradient: np.ndarray,
    gradient: np.ndarray, sums: np.ndarray, squares: np.ndarray,
) -> None:  # fmt: skip
    """The gradient of `fire` for incoming gradients [T, B, P, C] of the spikes.

    With an empty `gradient`: those of scale and shift, float64 [T, B, C]. Else that of the maps, with what the
    gradients [T, B, C] of `moments` contribute; those of scale and shift may then be empty. The potentials are computed
    again, which is faster than keeping them.
    """
    zero, one, rate, leak, steepness = constants[0], constants[1], constants[2], constants[3], constants[4]
    steps, _, pixels, channels = incoming.shape
    shown = maps.shape[0]
    wanted = gradient.size > 0
    for b in range(first, last):
        slopes, offsets = scale[:, b].astype(maps.dtype), shift[:, b].astype(maps.dtype)
        currents = np.empty((steps, channels), maps.dtype)
        potentials = np.empty((steps, channels), maps.dtype)
        kept = np.empty(channels, maps.dtype)
        flow = np.empty(channels, maps.dtype)
        constant = np.empty((shown, channels), maps.dtype)
        linear = np.empty((shown, channels), maps.dtype)
        for s in range(shown):
            for c in range(channels):
                if wanted:
                    constant[s, c] = sums[s, b, c]
                    linear[s, c] = 2.0 * squares[s, b, c]
                else:
                    scale_gradient[s, b, c] = 0.0
                    shift_gradient[s, b, c] = 0.0
        for p in range(pixels):
            kept[:] = zero
            flow[:] = zero
            for t in range(steps):
                s = min(t, shown - 1)
                for c in range(channels):
                    current = slopes[s, c] * maps[s, b, p, c] + offsets[s, c]
                    value = kept[c] + (current - kept[c]) * rate
                    potentials[t, c] = value
                    kept[c] = zero if value >= one else value
            for back in range(steps):
                t = steps - 1 - back
                for c in range(channels):
                    value = potentials[t, c]
                    distance = value - one
                    # What arrives at H[t]: through the spike, and through V[t], which a spike cuts off.
                    carried = zero if value >= one else flow[c] * leak
                    flow[c] = incoming[t, b, p, c] / (one + steepness * distance * distance) + carried
                    currents[t, c] = flow[c] * rate
            if shown == 1:
                for t in range(1, steps):
                    for c in range(channels):
                        currents[0, c] += currents[t, c]
            for s in range(shown):
                if wanted:
                    for c in range(channels):
                        moment = constant[s, c] + linear[s, c] * maps[s, b, p, c]
                        gradient[s, b, p, c] = currents[s, c] * slopes[s, c] + moment
                else:
                    for c in range(channels):
                        scale_gradient[s, b, c] += np.float64(currents[s, c]) * np.float64(maps[s, b, p, c])
                        shift_gradient[s, b, c] += np.float64(currents[s, c])
