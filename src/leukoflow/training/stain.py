"""Stain augmentation: another stain, lamp, camera and focus for every picture of a batch.

The optical density of each channel is mixed with the others' and scaled (another stain), the empty background tinted
(another lamp), then brightness, gamma, blur and noise follow. Works on whole batches, on the batch's device.
"""

import math

import torch
from torch import Tensor
from torch.nn.functional import avg_pool2d

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
