"""VGG19 with multi-head self-attention over its last maps, trained with focal loss in the paper: 21,078,084 parameters.

Maruf, Haque, Paul: arXiv 2508.17216. The public text names the parts; eight heads and the residual with layer norm are
the canonical forms.
"""

from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.layers.backbones import Standardise, enlarged, slim, trunk
from leukoflow.models.spec import ModelSpec

# Where the features go on behind the pooling that follows these convolutions.
PLACES = {"conv4_4": 28, "conv5_4": 37}
LEAST_SIDE = {"conv4_4": 32, "conv5_4": 64}
"""Pixels below which the maps have one position only; smaller images are enlarged to it. Over one position, attention
is a linear map."""
GRID = 7
"""Side of the grid of learned positions, those of images of 224 pixels behind conv5_4."""

SPEC = ModelSpec(
    name="vgg19_mhsa",
    title="VGG19 + MHSA",
    source="Maruf et al. 2025, arXiv 2508.17216",
    sizes=MappingProxyType({"paper": {}, "small": {"width": 0.125}}),
    input_size=224,
    parameters=21_078_084,
    backbone=("features.",),
    target="features.35",  # conv5_4 with its ReLU
    attends="attention",
)


def build(
    num_classes: int,
    width: float = 1.0,
    attention: bool = True,
    mhsa_at: str = "conv5_4",
    heads: int = 8,
    positions: bool = False,
    dropout: float = 0.5,
) -> "VGG19MHSA":
    """Build the network; see VGG19MHSA. `width` scales the channels."""
    if mhsa_at not in PLACES:
        raise LeukoFlowError(f"models: vgg19_mhsa has no mhsa_at {mhsa_at!r}; known: {', '.join(PLACES)}")
    features = slim(lambda: trunk("vgg19").features, width)  # type: ignore[arg-type, return-value]
    attend = TokenAttention(round(512 * width), heads, positions) if attention else None
    return VGG19MHSA(num_classes, features, attend, mhsa_at, round(512 * width), dropout)


class VGG19MHSA(nn.Module):
    """VGG19's convolutions, attention behind the pooling of block 4 or 5, the mean over positions, a linear head.

    Input float32 [B, 3, H, W] in [0, 1], output float32 [B, K].
    """

    def __init__(
        self,
        num_classes: int,
        features: nn.Module,
        attention: "TokenAttention | None",
        mhsa_at: str,
        channels: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.standardise = Standardise("vgg19")
        self.features = features
        self.attention = attention
        self.split = PLACES[mhsa_at]
        self.least_side = LEAST_SIDE[mhsa_at]
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(channels, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        maps = self.features[: self.split](self._input(x))  # type: ignore[index]
        if self.attention is not None:
            maps = self.attention(maps)
        maps = self.features[self.split :](maps)  # type: ignore[index]
        return self.head(self.dropout(maps.mean(dim=(2, 3))))

    def maps(self, x: Tensor) -> Tensor:
        """VGG19's last maps, without attention."""
        return self.features(self._input(x))

    def _input(self, x: Tensor) -> Tensor:
        return self.standardise(enlarged(x, self.least_side))


class TokenAttention(nn.Module):
    """Multi-head self-attention over the positions of maps [B, C, H, W], added to them, then layer norm."""

    def __init__(self, channels: int, heads: int, positions: bool) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(channels, heads, batch_first=True)
        self.norm = nn.LayerNorm(channels)
        self.positions = nn.Parameter(torch.zeros(1, channels, GRID, GRID)) if positions else None

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        size = maps.shape[2:]
        if self.positions is not None:
            maps = maps + interpolate(self.positions, size=size, mode="bilinear", align_corners=False)
        tokens = maps.flatten(2).transpose(1, 2)
        tokens = self.norm(tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0])
        return tokens.transpose(1, 2).unflatten(2, size)
