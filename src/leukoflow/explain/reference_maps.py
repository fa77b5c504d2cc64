"""Explanations that know no network: what a heat map has to beat."""

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad

from leukoflow.explain.heat import stretched

REFERENCE_MAPS = {"uniform": "Uniform", "centre": "Centre", "edges": "Edges (Sobel)"}
"""Names for people."""
CENTRE_SD = 0.2
"""Standard deviation of the Gaussian at the centre, in sides of the picture."""
_LUMINANCE = (0.299, 0.587, 0.114)


def reference_map(images: Tensor, method: str) -> Tensor:
    """Heat maps float32 [n, H, W] in [0, 1] of images float32 [n, 3, H, W].

    `uniform`: the same everywhere; `centre`: a Gaussian around the centre; `edges`: the size of Sobel's gradient of the
    luminance, which an explanation must not be mistaken for (Adebayo et al. 2018, arXiv 1810.03292).
    """
    if method == "uniform":
        return torch.ones_like(images[:, 0])
    if method == "centre":
        height, width = images.shape[2:]
        y, x = (torch.linspace(-0.5, 0.5, side, device=images.device) for side in (height, width))
        gaussian = torch.exp(-(y[:, None] ** 2 + x[None, :] ** 2) / (2 * CENTRE_SD**2))
        return stretched(gaussian.expand(len(images), -1, -1))
    return stretched(_edges(images))


def _edges(images: Tensor) -> Tensor:
    grey = (images * images.new_tensor(_LUMINANCE)[:, None, None]).sum(dim=1, keepdim=True)
    across = images.new_tensor([[-1.0, 0.0, 1.0], [-2.0, 0.0, 2.0], [-1.0, 0.0, 1.0]])
    both = torch.stack([across, across.T])[:, None]
    return conv2d(pad(grey, (1, 1, 1, 1), mode="replicate"), both).norm(dim=1)
