"""Stain augmentation: other stains, lamps, cameras and focus for the pictures of a batch, on the batch's device.

For segmenters (`augment_stain`) the optical density of each channel is mixed with the others' and scaled (another
stain), the empty background tinted (another lamp), then brightness, gamma, blur and noise follow. For classifiers
(`restain`) pictures take each other's colours.
"""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

from leukoflow.config.training import Stain
from leukoflow.core.seeding import generator as named_generator

PLAIN_SHARE = 0.25
"""Share of the pictures left as they are."""


def augment_stain(x: Tensor, generator: torch.Generator) -> Tensor:
    """float32 [B, 3, H, W] in [0, 1] to the same; every draw comes from `generator` (a CPU generator)."""
    count = len(x)

    def uniform(low: float, high: float, *shape: int) -> Tensor:
        return (torch.rand(count, *shape, generator=generator) * (high - low) + low).to(x.device)

    density = -torch.log(x.clamp(min=1 / 255))
    mixing = torch.eye(3, device=x.device) + 0.08 * torch.randn(count, 3, 3, generator=generator).to(x.device)
    gain = torch.exp(uniform(math.log(0.5), math.log(1.5), 1, 1, 1))
    channel = torch.exp(uniform(-0.25, 0.25, 3, 1, 1))
    density = torch.einsum("bij,bjhw->bihw", mixing, density) * gain * channel
    density = density + uniform(0.0, 0.15, 3, 1, 1) * uniform(0.0, 1.0, 1, 1, 1)
    changed = torch.exp(-density.clamp(0, 6))
    changed = changed ** torch.exp(uniform(-0.25, 0.25, 1, 1, 1))
    changed = changed * uniform(0.85, 1.1, 1, 1, 1)
    blurred = avg_pool2d(changed, 3, stride=1, padding=1, count_include_pad=False)
    changed = torch.lerp(changed, blurred, uniform(-0.6, 1.0, 1, 1, 1).clamp(min=0))
    noise = torch.randn(x.shape, generator=generator).to(x.device) * uniform(0.0, 0.03, 1, 1, 1)
    changed = (changed + noise).clamp(0, 1)
    kept = uniform(0.0, 1.0, 1, 1, 1) < PLAIN_SHARE
    return torch.where(kept, x, changed)


# RGB to cone responses, and their logarithms to l, alpha, beta (Reinhard et al. 2001, doi 10.1109/38.946629).
_TO_LMS = torch.tensor([[0.3811, 0.5783, 0.0402], [0.1967, 0.7244, 0.0782], [0.0241, 0.1288, 0.8444]])
_TO_LAB = torch.tensor([[1.0, 1, 1], [1, 1, -2], [1, -1, 0]]) / torch.tensor([[3.0], [6], [2]]).sqrt()
_LUMINANCE = torch.tensor([0.299, 0.587, 0.114])


def restain(x: Tensor, positions: Tensor, stain: Stain, seed: int, epoch: int) -> Tensor:
    """float32 [B, 3, H, W] in [0, 1] to the same: colours of another picture of the batch, mixed densities, turned hue,
    no colour, each as the settings say. What is drawn for a picture depends on (seed, epoch, position)."""
    if not (stain.share or stain.density or stain.strength or stain.hue or stain.grey):
        return x
    draws = np.stack([_draws(seed, epoch, int(position)) for position in positions])
    uniform = torch.from_numpy(draws[:, :11]).to(x)
    if stain.share:
        others = (draws[:, 0] * len(x)).astype(np.int64)
        factors = 1 + stain.jitter * (2 * uniform[:, 1:7].reshape(-1, 2, 3, 1, 1) - 1)
        x = torch.where(uniform[:, 7, None, None, None] < stain.share, _reinhard(x, others, factors), x)
    if stain.density:
        mixing = torch.eye(3).to(x) + stain.density * torch.from_numpy(draws[:, 11:].reshape(-1, 3, 3)).to(x)
        x = torch.exp(-_mixed(-torch.log(x.clamp(min=1 / 255)), mixing))
    if stain.strength:
        factors = torch.exp((2 * uniform[:, 10] - 1) * stain.strength)[:, None, None, None]
        x = x.clamp(min=1 / 255) ** factors
    if stain.hue:
        x = _mixed(x, _turn((2 * uniform[:, 8] - 1) * math.radians(stain.hue)))
    if stain.grey:
        grey = torch.einsum("c,bchw->bhw", _LUMINANCE.to(x), x)[:, None].expand_as(x)
        x = torch.where(uniform[:, 9, None, None, None] < stain.grey, grey, x)
    return x.clamp(0, 1)


def _draws(seed: int, epoch: int, position: int) -> np.ndarray:
    """11 uniform numbers and 9 normal ones."""
    draw = named_generator(seed, "stain", epoch, position)
    return np.concatenate([draw.random(11), draw.standard_normal(9)])


def _mixed(x: Tensor, matrix: Tensor) -> Tensor:
    """Channels mixed by a matrix [3, 3] or one for each picture [B, 3, 3]."""
    return (matrix @ x.flatten(2)).view(x.shape)


def _reinhard(x: Tensor, others: np.ndarray, factors: Tensor) -> Tensor:
    """Mean and deviation of the l, alpha and beta of other pictures of the batch, int64 [B], times factors
    [B, 2, 3, 1, 1]."""
    lab = _mixed(_mixed(x, _TO_LMS.to(x)).clamp(min=1 / 255).log(), _TO_LAB.to(x))
    deviation, mean = torch.std_mean(lab, dim=(2, 3), keepdim=True)
    wanted_mean, wanted_deviation = mean[others] * factors[:, 0], deviation[others] * factors[:, 1]
    lab = (lab - mean) * (wanted_deviation / deviation.clamp(min=1e-6)) + wanted_mean
    return _mixed(_mixed(lab, _TO_LAB.inverse().to(x)).exp(), _TO_LMS.inverse().to(x)).clamp(0, 1)


def _turn(angle: Tensor) -> Tensor:
    """Rotations [B, 3, 3] of RGB about its grey axis by angles [B], radians."""
    cos, sin = torch.cos(angle)[:, None, None], torch.sin(angle)[:, None, None]
    across = torch.tensor([[0.0, -1.0, 1.0], [1.0, 0.0, -1.0], [-1.0, 1.0, 0.0]]).to(angle) / math.sqrt(3)
    return cos * torch.eye(3).to(angle) + sin * across + (1 - cos) / 3
