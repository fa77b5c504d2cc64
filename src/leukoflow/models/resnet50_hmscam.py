"""ResNet50 with HMSCAM: multi-scale channel attention, contextual spatial attention, dynamic recalibration.

Khan et al.: Digital Health 2026, doi 10.1177/20552076261428734. The paper names the three modules and 18.1 M parameters
for modules and head together; the reductions and widths here give 18,110,957 with four classes, on a trunk of
23,508,032. Its equations are not public; the canonical forms of such modules stand in for them.
"""

import math
from types import MappingProxyType

import torch
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.layers.backbones import Standardise, enlarged, slim, trunk
from leukoflow.models.spec import ModelSpec

MODULES = ("msca", "csa", "dar")
LEAST_SIDE = 33
"""Pixels below which the trunk's map has one position only; smaller images are enlarged to it. One position has no
context and no other to attend to."""

SPEC = ModelSpec(
    name="resnet50_hmscam",
    title="ResNet50 + HMSCAM",
    source="Khan et al. 2026, doi 10.1177/20552076261428734",
    sizes=MappingProxyType({"paper": {}, "small": {"width": 0.125}}),
    input_size=224,
    parameters=41_618_989,
    backbone=("trunk.",),
    target="trunk.layer4",
    attends="gate",
    modules="attention",
)


def build(num_classes: int, width: float = 1.0, modules: tuple[str, ...] = MODULES) -> "ResNetHMSCAM":
    """Build the network; `width` scales the trunk's channels, `modules` is any subset of msca, csa, dar."""
    unknown = sorted(set(modules) - set(MODULES))
    if unknown:
        raise LeukoFlowError(f"models: resnet50_hmscam has no modules {unknown}; known: {', '.join(MODULES)}")
    layers = slim(lambda: trunk("resnet50", zero_init_last=False), width)
    channels = round(int(layers.num_features) * width)  # type: ignore[arg-type]
    return ResNetHMSCAM(num_classes, layers, channels, frozenset(modules))


class ResNetHMSCAM(nn.Module):
    """Trunk, the attention modules in the paper's order, global pooling, linear head.

    Input float32 [B, 3, H, W] in [0, 1], output float32 [B, K]. The trunk's maps are added to what the modules make of
    them, so that a fresh attachment starts close to the plain trunk.
    """

    def __init__(self, num_classes: int, backbone: nn.Module, channels: int, modules: frozenset[str]) -> None:
        super().__init__()
        blocks = {"msca": MultiScaleChannelAttention, "csa": ContextualSpatialAttention, "dar": DynamicRecalibration}
        self.standardise = Standardise("resnet50")
        self.trunk = backbone
        self.attention = nn.Sequential(*(blocks[name](channels) for name in MODULES if name in modules))
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        maps = self.maps(x)
        if len(self.attention):
            maps = maps + self.attention(maps)
        return self.head(maps.mean(dim=(2, 3)))

    @property
    def gate(self) -> nn.Module | None:
        """What puts out the gate over positions; None without CSA."""
        return next((each.gate for each in self.attention if isinstance(each, ContextualSpatialAttention)), None)

    def maps(self, x: Tensor) -> Tensor:
        """The trunk's maps."""
        return self.trunk(self.standardise(enlarged(x, LEAST_SIDE)))


def _gate(channels: int, reduction: int) -> nn.Sequential:
    hidden = channels // reduction
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))


class MultiScaleChannelAttention(nn.Module):
    """MSCA: sigmoid of the sum of two channel gates with reductions 16 and 32, times the maps [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gates = nn.ModuleList(_gate(channels, reduction) for reduction in (16, 32))

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return maps * self.weights(maps)[:, :, None, None]

    def weights(self, maps: Tensor) -> Tensor:
        """The gate of each channel, [B, C]."""
        pooled = maps.mean(dim=(2, 3))
        return torch.stack([each(pooled) for each in self.gates]).sum(dim=0).sigmoid()


class ContextualSpatialAttention(nn.Module):
    """CSA: a full-width non-local block, then a gate over positions from 3x3, 5x5 and 7x7 views of the channel mean
    and maximum. Attention scores are divided by sqrt(C), without which 2,048 channels saturate the softmax."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.theta, self.phi, self.value, self.out = (nn.Conv2d(channels, channels, 1) for _ in range(4))
        self.spatial = nn.ModuleList(nn.Conv2d(2, 1, side, padding=side // 2) for side in (3, 5, 7))
        self.gate = nn.Sigmoid()
        nn.init.normal_(self.out.weight, std=0.01 / math.sqrt(channels))
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        value = self.value(maps).flatten(2)
        context = (value @ self.weights(maps).transpose(1, 2)).unflatten(2, maps.shape[2:])
        maps = maps + self.out(context)
        summary = torch.stack([maps.mean(dim=1), maps.amax(dim=1)], dim=1)
        return maps * self.gate(torch.stack([layer(summary) for layer in self.spatial]).sum(dim=0))

    def weights(self, maps: Tensor) -> Tensor:
        """How much each position (row) takes from each other (column), rows with sum 1: [B, H * W, H * W]."""
        query, key = (layer(maps).flatten(2) for layer in (self.theta, self.phi))
        return (query.transpose(1, 2) @ key / math.sqrt(maps.shape[1])).softmax(dim=-1)


class DynamicRecalibration(nn.Module):
    """DAR: a channel gate with reduction 16 on the maps [B, C, H, W]."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.gate = _gate(channels, 16)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return maps * self.weights(maps)[:, :, None, None]

    def weights(self, maps: Tensor) -> Tensor:
        """The gate of each channel, [B, C]."""
        return self.gate(maps.mean(dim=(2, 3))).sigmoid()
