"""The fusion stack of HybridCN-NAS on the maps of two frozen networks (D Cruze et al.,
github.com/rudradcruze/leukemia-HybridCN-NAS).

In the public code it is never trained: both attentions are identities (gamma is 0), batch norm has mean 0 and variance
1, and the rest is a fixed random projection (`as_coded`). Described is a trained one (`as_described`).
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.inference import load_weights
from leukoflow.models.layers.attention import PositionAttention
from leukoflow.models.layers.norm import BatchNorm1d

WIDTHS = {"paper": (1024, 2048, 1536, 2048), "small": (128, 256, 128, 256)}
"""Features of the first network, of the second, of each of them in the fusion, and in the end."""


class Stack(nn.Module):
    """Maps of two networks (or of one), side by side in one row, to fused features.

    Input float32 [B, g * g * (C1 + C2)], both maps in the order channel, row, column; output float32 [B, F], F 2,048
    or 256. Each map: self-attention over its g x g positions, mean over them, FC, ReLU, BN. Both: projected to equal
    widths, side by side, twice (FC, ReLU, LN). Last, FC, ReLU, BN, FC, ReLU, BN. Of one network alone the layers
    between are half as wide, as nothing lies next to it. Without `attention` the maps are averaged as they are.
    """

    def __init__(self, channels: tuple[int, ...], grid: int, size: str = "paper", attention: bool = True) -> None:
        super().__init__()
        *most, projected, out = WIDTHS[size]
        widths = most[: len(channels)]
        self.channels = channels
        self.grid = grid
        self.attention = nn.ModuleList(PositionAttention(count) if attention else nn.Identity() for count in channels)
        self.reduce = nn.ModuleList(_dense(count, width) for count, width in zip(channels, widths, strict=True))
        self.project = nn.ModuleList(nn.Linear(width, projected) for width in widths)
        both = len(channels) * projected
        self.fuse = nn.Sequential(
            *(nn.Sequential(nn.Linear(both, both), nn.ReLU(), nn.LayerNorm(both)) for _ in range(2))
        )
        self.factorise = nn.Sequential(_dense(both, projected), _dense(projected, out))
        self.out_features = out

    def forward(self, x: Tensor) -> Tensor:
        """Rows of both maps to fused features."""
        cells = self.grid * self.grid
        parts = x.split([count * cells for count in self.channels], dim=1)
        pooled = []
        for part, count, attention, reduce, project in zip(
            parts, self.channels, self.attention, self.reduce, self.project, strict=True
        ):
            maps = attention(part.reshape(-1, count, self.grid, self.grid))
            pooled.append(project(reduce(maps.mean(dim=(2, 3)))))
        return self.factorise(self.fuse(torch.cat(pooled, dim=1)))


class StackClassifier(nn.Module):
    """The stack with the linear head that it is trained under: rows [B, D] to logits [B, K]."""

    def __init__(self, stack: Stack, num_classes: int) -> None:
        super().__init__()
        self.stack = stack
        self.head = nn.Linear(stack.out_features, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Rows of both maps to logits."""
        return self.head(self.stack(x))


def _dense(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, outputs), nn.ReLU(), BatchNorm1d(outputs))


def random_stack(channels: tuple[int, ...], grid: int, size: str, seed: int, attention: bool = True) -> Stack:
    """The stack as coded: random weights that depend on the seed alone, in evaluation mode."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return Stack(channels, grid, size, attention).eval()


def load_stack(
    path: str | Path, channels: tuple[int, ...], grid: int, size: str, attention: bool = True
) -> Stack | None:
    """The stack of a file, in evaluation mode; None if the file holds no tensors (there is no stack).

    Raises LeukoFlowError if the file is damaged, holds NaN or infinity, or is of another stack.
    """
    try:
        tensors = load_weights(path, "delete it and run again")
        if not tensors:
            return None
        with torch.device("meta"):
            stack = Stack(channels, grid, size, attention)
        stack.load_state_dict(tensors, assign=True)
    except (SafetensorError, OSError, RuntimeError) as error:
        raise LeukoFlowError(f"{path}: cannot be loaded as fusion stack ({error}); delete it and run again") from error
    return stack.eval()


def pooled(x: Tensor, channels: tuple[int, ...], grid: int) -> Tensor:
    """Rows of all maps [B, g * g * (C1 + C2)] to the mean over positions [B, C1 + C2]: what there is without stack."""
    parts = x.split([count * grid * grid for count in channels], dim=1)
    return torch.cat([part.unflatten(1, (-1, grid * grid)).mean(dim=2) for part in parts], dim=1)


def names_of(facts: Mapping[str, Any], stack: Stack | None) -> list[str]:
    """Names of the features that `reducer` gives; facts: what `matrix.json` says of the extracted ones."""
    if facts["kind"] == "morphology":
        return list(facts["names"])
    if stack is not None:
        return [f"stack_{feature:04d}" for feature in range(stack.out_features)]
    pairs = enumerate(facts["networks"], start=1)
    return [
        f"{number}_{network['name']}_{channel:04d}"
        for number, network in pairs
        for channel in range(network["channels"])
    ]


def reducer(facts: Mapping[str, Any], stack: Stack | None, device: torch.device) -> Callable[[np.ndarray], np.ndarray]:
    """What makes features of extracted rows: float32 [n, D] -> [n, F].

    The stack, or without one the mean over positions; cell morphology stays as it is.
    """
    if facts["kind"] == "morphology":
        return lambda rows: rows
    grid = int(facts["grid"])
    channels = channels_of(facts)
    layer = None if stack is None else stack.to(device)

    @torch.inference_mode()
    def reduce(rows: np.ndarray) -> np.ndarray:
        x = torch.from_numpy(rows).to(device)
        return (pooled(x, channels, grid) if layer is None else layer(x)).float().cpu().numpy()

    return reduce


def channels_of(facts: Mapping[str, Any]) -> tuple[int, ...]:
    """Channels of each network."""
    return tuple(int(network["channels"]) for network in facts["networks"])
