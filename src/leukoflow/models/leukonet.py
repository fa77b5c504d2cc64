"""LeukoNet: a small network for pictures of single cells, 277,028 parameters.

The first four stages of EfficientNet-Lite0 (Tan and Le 2019, arXiv 1905.11946), so that it can start from that
network's ImageNet weights; a pointwise convolution; the mean and the greatest value of each map; a linear head. It has
maps of a sixteenth of the picture's side, fine enough for granules and lobes at 96 pixels.
"""

from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from leukoflow.models.layers.backbones import Standardise, enlarged, slim, timm
from leukoflow.models.spec import ModelSpec

NETWORK = "tf_efficientnet_lite0"
STAGES = 4
LEAST_SIDE = 32
"""Pixels below which images are enlarged: smaller ones have maps of one position."""

SPEC = ModelSpec(
    name="leukonet",
    title="LeukoNet",
    source="LeukoFlow, after Tan and Le 2019, arXiv 1905.11946",
    sizes=MappingProxyType({"paper": {}, "small": {"width": 0.25, "channels": 64}}),
    input_size=96,
    parameters=277_028,
    backbone=("trunk.",),
    target="mix",
)


def build(num_classes: int, width: float = 1.0, channels: int = 256, dropout: float = 0.2) -> "LeukoNet":
    """Build the network; `width` scales the channels of the trunk, `channels` are those behind it."""
    return LeukoNet(num_classes, slim(_trunk, width), round(80 * width), channels, dropout)


def _trunk() -> Any:
    """The first stages; what comes after them is left out as identities, as their weights are."""
    network = timm().create_model(NETWORK, pretrained=False, num_classes=0, global_pool="")
    for stage in range(STAGES, len(network.blocks)):
        network.blocks[stage] = nn.Identity()
    network.conv_head, network.bn2 = nn.Identity(), nn.Identity()
    return network


class LeukoNet(nn.Module):
    """Input float32 [B, 3, H, W] in [0, 1], output float32 [B, K]."""

    def __init__(self, num_classes: int, trunk: nn.Module, maps: int, channels: int, dropout: float) -> None:
        super().__init__()
        self.standardise = Standardise(NETWORK)
        self.trunk = trunk
        self.mix = nn.Sequential(
            nn.Conv2d(maps, channels, 1, bias=False), nn.BatchNorm2d(channels), nn.ReLU6(inplace=True)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(2 * channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        maps = self.mix(self.maps(x))
        pooled = torch.cat([maps.mean(dim=(2, 3)), maps.amax(dim=(2, 3))], dim=1)
        return self.head(self.dropout(pooled))

    def maps(self, x: Tensor) -> Tensor:
        """The trunk's maps: float32 [B, 80, H/16, W/16]."""
        return self.trunk.forward_features(self.standardise(enlarged(x, LEAST_SIDE)))  # type: ignore[operator]
