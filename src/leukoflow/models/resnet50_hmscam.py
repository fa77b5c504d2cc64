"""ResNet50 with HMSCAM: multi-scale channel attention, contextual spatial attention, dynamic recalibration.

Khan et al.: Digital Health 2026, doi 10.1177/20552076261428734. The paper names the three modules and 18.1 M parameters
for modules and head together; the reductions and widths here give 18,110,957 with four classes, on a trunk of
23,508,032. Its equations are not public; the canonical forms of such modules stand in for them.
"""

import math
from collections.abc import Callable
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
    # A reading of the printed count, not the paper's own word: what stays if layer 4 alone is trained.
    frozen=("trunk.conv1.", "trunk.bn1.", "trunk.layer1.", "trunk.layer2.", "trunk.layer3."),
    target="trunk.layer4",
    attends="gate",
    modules="attention",
)


def build(
    num_classes: int,
    width: float = 1.0,
    modules: tuple[str, ...] = MODULES,
    nl_width: float = 1.0,
    reductions: tuple[int, ...] = (16, 32),
    reduction_dar: int = 16,
    residual: bool = True,
    hidden: int = 0,
) -> "ResNetHMSCAM":
    """Build the network; `width` scales the trunk's channels, `modules` is any subset of msca, csa, dar.

    The paper gives no sizes of its modules: `nl_width` is the inner width of the non-local block as a share of its
    channels (1, 1/2 or 1/8 are usual), `reductions` those of MSCA's gates, `reduction_dar` that of DAR's, `hidden` the
    width of a layer in front of the classifier (0 for none). Without `residual` the modules stand in place of the
    trunk's maps and are not added to them.
    """
    unknown = sorted(set(modules) - set(MODULES))
    if unknown:
        raise LeukoFlowError(f"models: resnet50_hmscam has no modules {unknown}; known: {', '.join(MODULES)}")
    layers = slim(lambda: trunk("resnet50", zero_init_last=False), width)
    channels = round(int(layers.num_features) * width)  # type: ignore[arg-type]
    inner = round(channels * nl_width)
    if not 1 <= inner <= channels:
        raise LeukoFlowError(f"models: resnet50_hmscam has no nl_width {nl_width:g}; give a share of 1, such as 0.125")
    for reduction in (*reductions, reduction_dar):
        if not 1 <= reduction <= channels:
            text = f"models: resnet50_hmscam cannot reduce {channels} channels by {reduction}; give 1 to {channels}"
            raise LeukoFlowError(text)
    make: dict[str, Callable[[], nn.Module]] = {
        "msca": lambda: MultiScaleChannelAttention(channels, reductions),
        "csa": lambda: ContextualSpatialAttention(channels, inner),
        "dar": lambda: DynamicRecalibration(channels, reduction_dar),
    }
    made = [make[name]() for name in MODULES if name in modules]
    return ResNetHMSCAM(num_classes, layers, channels, made, residual, hidden)


class ResNetHMSCAM(nn.Module):
    """Trunk, the attention modules in the paper's order, global pooling, linear head.

    Input float32 [B, 3, H, W] in [0, 1], output float32 [B, K]. With `residual` the trunk's maps are added to what the
    modules make of them, so that a fresh attachment starts close to the plain trunk.
    """

    def __init__(
        self,
        num_classes: int,
        backbone: nn.Module,
        channels: int,
        modules: list[nn.Module],
        residual: bool = True,
        hidden: int = 0,
    ) -> None:
        super().__init__()
        self.standardise = Standardise("resnet50")
        self.trunk = backbone
        self.attention = nn.Sequential(*modules)
        self.residual = residual
        self.fused = nn.Identity()
        self.hidden = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU()) if hidden else None
        self.head = nn.Linear(hidden or channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        maps = self.maps(x)
        if len(self.attention):
            attended = self.attention(maps)
            # The paper's F3, behind a layer that does nothing, so that it can be looked at.
            maps = self.fused(maps + attended if self.residual else attended)
        pooled = maps.mean(dim=(2, 3))
        return self.head(pooled if self.hidden is None else self.hidden(pooled))

    @property
    def gate(self) -> nn.Module | None:
        """What puts out the gate over positions; None without CSA."""
        return next((module.gate for module in self.attention if isinstance(module, ContextualSpatialAttention)), None)

    def maps(self, x: Tensor) -> Tensor:
        """The trunk's maps."""
        return self.trunk(self.standardise(enlarged(x, LEAST_SIDE)))


def _gate(channels: int, reduction: int) -> nn.Sequential:
    hidden = channels // reduction
    return nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))


class MultiScaleChannelAttention(nn.Module):
    """MSCA: sigmoid of the sum of channel gates with several reductions, times the maps [B, C, H, W]."""

    def __init__(self, channels: int, reductions: tuple[int, ...] = (16, 32)) -> None:
        super().__init__()
        self.gates = nn.ModuleList(_gate(channels, reduction) for reduction in reductions)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return maps * self.weights(maps)[:, :, None, None]

    def weights(self, maps: Tensor) -> Tensor:
        """The gate of each channel, [B, C]."""
        pooled = maps.mean(dim=(2, 3))
        return torch.stack([gate(pooled) for gate in self.gates]).sum(dim=0).sigmoid()


class ContextualSpatialAttention(nn.Module):
    """CSA: a non-local block of `inner` channels, then a gate over positions from 3x3, 5x5 and 7x7 views of the channel
    mean and maximum. Attention scores are divided by sqrt(inner), without which 2,048 channels saturate the softmax."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.theta, self.phi, self.value = (nn.Conv2d(channels, inner, 1) for _ in range(3))
        self.out = nn.Conv2d(inner, channels, 1)
        self.spatial = nn.ModuleList(nn.Conv2d(2, 1, side, padding=side // 2) for side in (3, 5, 7))
        self.gate = nn.Sigmoid()
        nn.init.normal_(self.out.weight, std=0.01 / math.sqrt(inner))
        nn.init.zeros_(self.out.bias)  # type: ignore[arg-type]

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        value = self.value(maps).flatten(2)
        context = (value @ self.weights(maps).transpose(1, 2)).unflatten(2, maps.shape[2:])
        maps = maps + self.out(context)
        return maps * self.gated(maps)

    def weights(self, maps: Tensor) -> Tensor:
        """How much each position (row) takes from each other (column), rows with sum 1: [B, H * W, H * W]."""
        query, key = (layer(maps).flatten(2) for layer in (self.theta, self.phi))
        return (query.transpose(1, 2) @ key / math.sqrt(query.shape[1])).softmax(dim=-1)

    def gated(self, maps: Tensor) -> Tensor:
        """The gate over positions for maps that the non-local block has been through, [B, 1, H, W]."""
        summary = torch.stack([maps.mean(dim=1), maps.amax(dim=1)], dim=1)
        return self.gate(torch.stack([layer(summary) for layer in self.spatial]).sum(dim=0))


class DynamicRecalibration(nn.Module):
    """DAR: a channel gate on the maps [B, C, H, W]."""

    def __init__(self, channels: int, reduction: int = 16) -> None:
        super().__init__()
        self.gate = _gate(channels, reduction)

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        return maps * self.weights(maps)[:, :, None, None]

    def weights(self, maps: Tensor) -> Tensor:
        """The gate of each channel, [B, C]."""
        return self.gate(maps.mean(dim=(2, 3))).sigmoid()
