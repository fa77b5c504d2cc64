"""Four hybrids of a convolutional network and transformer blocks: the maps' positions are the tokens.

Alshehri, Shaf, Irfan et al. 2025. The published counts fix the blocks: eight heads, each as wide as the tokens, and a
network four times as wide, so 40 d^2 + 34 d parameters a block; no projection, no positions, no concatenation. What
the text says besides (tokens of 256 values, positions, a network of 256, dropout in attention, a flattened head,
concatenation of both parts, shared parameters, layers pruned by their attention) contradicts the counts, or names no
rule, and is a switch here.
"""

import math
from itertools import pairwise
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, scaled_dot_product_attention

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.layers.backbones import Standardise, enlarged, slim, trunk
from leukoflow.models.spec import ModelSpec

SOURCE = "Alshehri et al. 2025"
CUSTOM = (32, 64, 128, 256)
"""Channels of the hybrid's own convolutions. The published count leaves 421,824 parameters for them, which no natural
layout has; this one has 388,416."""
# What the paper leaves as it was pretrained: Keras's first 100, 300 and 200 layers.
FROZEN: dict[str, tuple[str, ...]] = {
    "customcnn": (),
    "resnet50": (
        "conv1", "bn1", "layer1", "layer2", "layer3.0", "layer3.1.conv1", "layer3.1.bn1", "layer3.1.conv2",
        "layer3.1.bn2", "layer3.1.conv3",
    ),
    "efficientnetb3": (
        "conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4", "blocks.5.0", "blocks.5.1",
        "blocks.5.2.conv_pw", "blocks.5.2.bn1", "blocks.5.2.conv_dw", "blocks.5.2.bn2",
    ),
    "inceptionv3": (
        "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3", "Mixed_5b", "Mixed_5c",
        "Mixed_5d", "Mixed_6a", "Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e.branch7x7dbl_1",
    ),
    # Not of the paper: as many stages as of EfficientNetB3.
    "efficientnetlite0": ("conv_stem", "bn1", "blocks.0", "blocks.1", "blocks.2", "blocks.3", "blocks.4"),
}  # fmt: skip


def _spec(backbone: str, title: str, parameters: int, source: str = SOURCE) -> ModelSpec:
    sizes: dict[str, dict[str, Any]] = {
        "paper": {"backbone": backbone},
        "small": {"backbone": backbone, "width": 0.25 if backbone == "customcnn" else 0.125, "key_share": 0.125},
    }
    return ModelSpec(
        name=f"{backbone}_vit",
        title=title,
        source=source,
        sizes=MappingProxyType(sizes),
        input_size=224,
        parameters=parameters,
        backbone=("trunk.",),
        partner=("partner.",),
        target="trunk",
        attends="blocks",
        frozen=(
            *(f"trunk.{name}." for name in FROZEN[backbone]),
            *(f"partner.{name}." for names in FROZEN.values() for name in names),
        ),
    )


SPECS = (
    _spec("customcnn", "CustomCNN + ViT", 5_649_732),
    _spec("resnet50", "ResNet50 + ViT", 359_199_812),
    _spec("efficientnetb3", "EfficientNetB3 + ViT", 199_550_508),
    _spec("inceptionv3", "InceptionV3 + ViT", 357_477_348),
    _spec(
        "efficientnetlite0",
        "EfficientNet-Lite0 + ViT",
        134_535_172,
        f"{SOURCE}, on another trunk",
    ),
)
TIMM = {
    "resnet50": "resnet50",
    "efficientnetb3": "efficientnet_b3",
    "inceptionv3": "inception_v3",
    "efficientnetlite0": "tf_efficientnet_lite0",
}
LEAST_SIDE = {"customcnn": 32, "resnet50": 33, "efficientnetb3": 33, "inceptionv3": 107, "efficientnetlite0": 33}
"""Pixels below which a backbone's map has one position only; smaller images are enlarged to it. Over one position,
attention is a linear map."""
GRID = {"customcnn": 14, "resnet50": 7, "efficientnetb3": 7, "inceptionv3": 5, "efficientnetlite0": 7}
"""Side of a backbone's map of a picture of 224 pixels: places that positions and a flattened head are for."""
PATIENCE = 100
"""Batches before a block may be pruned."""


def build(
    num_classes: int,
    backbone: str,
    width: float = 1.0,
    key_share: float = 1.0,
    heads: int = 8,
    blocks: int = 2,
    fusion: bool = False,
    shared_blocks: bool = False,
    partner: str = "",
    pruning: float = 0.0,
    block_dropout: float = 0.2,
    dropout: float = 0.5,
    projection: int = 0,
    positions: bool = False,
    hidden: int = 0,
    attention_dropout: float = 0.0,
    flatten: bool = False,
) -> "CNNViT":
    """Build the network; see CNNViT. `width` scales the trunk's channels, `key_share` those of each head's keys.

    `shared_blocks` uses one block as often as there are blocks; `partner` names a second backbone that shares blocks
    and the head. `hidden` is the width of the blocks' networks, 0 for four times that of the tokens. The paper's text
    describes projection 256, positions, hidden 256, attention_dropout 0.2 and flatten. Raises LeukoFlowError if a
    partner's maps are of another width, or the head is to be flattened and fused.
    """
    if flatten and fusion:
        raise LeukoFlowError("models: flatten and fusion are two kinds of head; choose one")
    layers, channels = _layers(backbone, width)
    second, partner_channels = _layers(partner, width) if partner else (None, channels)
    if partner_channels != channels:
        raise LeukoFlowError(
            f"models: {partner} makes {partner_channels} channels and {backbone} {channels}; they cannot share blocks"
        )
    tokens = Tokens(channels, projection, GRID[backbone] if positions or flatten else 0, positions, flatten)
    made = [
        TransformerBlock(
            tokens.width, heads, round(tokens.width * key_share), block_dropout, pruning, hidden, attention_dropout
        )
        for _ in range(1 if shared_blocks else blocks)
    ]
    least = max(LEAST_SIDE[name] for name in (backbone, partner) if name)
    scalings = [_scaling(backbone, "trunk"), _scaling(partner, "partner")]
    shared = made * (blocks if shared_blocks else 1)
    return CNNViT(num_classes, scalings, layers, second, tokens, shared, fusion, dropout, least)


def _scaling(backbone: str, part: str) -> Standardise | None:
    """What a backbone's weights want of its input; the hybrid's own convolutions take pictures as they are."""
    return Standardise(TIMM[backbone], part) if backbone in TIMM else None


def _layers(backbone: str, width: float) -> tuple[nn.Module, int]:
    """A backbone and the channels of its maps."""
    if backbone == "customcnn":
        return custom_cnn(width), round(CUSTOM[-1] * width)
    if backbone not in TIMM:
        raise LeukoFlowError(f"models: there is no backbone {backbone!r}; known: customcnn, {', '.join(TIMM)}")
    options: dict[str, Any] = {"aux_logits": False} if backbone == "inceptionv3" else {}
    layers = slim(lambda: trunk(TIMM[backbone], **options), width)
    return layers, round(int(layers.num_features) * width)  # type: ignore[arg-type]


def custom_cnn(width: float = 1.0) -> nn.Module:
    """Four times 3x3 convolution, ReLU and 2x2 maximum: 388,416 parameters at width 1."""
    layers: list[nn.Module] = []
    widths = [3, *(round(channels * width) for channels in CUSTOM)]
    for inputs, outputs in pairwise(widths):
        layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
    return nn.Sequential(*layers)


class Tokens(nn.Module):
    """Maps [B, C, h, w] to tokens [B, h * w, D], and what blocks make of these to one vector.

    Without `projection` D is C. If there are positions or a flattened head the maps are resized to `grid` x `grid`,
    which they have already where pictures are of 224 pixels. The vector is the tokens' mean [B, D], or with `flatten`
    all of them, [B, grid * grid * D].
    """

    def __init__(self, channels: int, projection: int, grid: int, positions: bool, flatten: bool) -> None:
        super().__init__()
        self.channels = channels
        self.width = projection or channels
        self.grid = grid
        self.flatten = flatten
        self.pooled = self.width * grid**2 if flatten else self.width
        self.projection = nn.Linear(channels, projection) if projection else None
        self.positions = nn.Parameter(0.02 * torch.randn(1, grid**2, self.width)) if positions else None

    def forward(self, maps: Tensor) -> Tensor:
        """Tokens."""
        if self.grid and tuple(maps.shape[2:]) != (self.grid, self.grid):
            maps = interpolate(maps, size=(self.grid, self.grid), mode="bilinear", align_corners=False)
        tokens = maps.flatten(2).transpose(1, 2)
        if self.projection is not None:
            tokens = self.projection(tokens)
        return tokens if self.positions is None else tokens + self.positions

    def pool(self, tokens: Tensor) -> Tensor:
        """One vector, [B, pooled]."""
        return tokens.flatten(1) if self.flatten else tokens.mean(dim=1)


class CNNViT(nn.Module):
    """Trunk, transformer blocks over the positions of its maps, their mean, dropout, a linear head.

    Input float32 [B, 3, H, W] in [0, 1], output float32 [B, K]. With `fusion`, the mean of the trunk's maps, the mean
    of the tokens and the tokens' mean weighted by their likeness to it stand side by side, behind a layer norm. With a
    partner, both trunks' maps go through the same blocks and head, and their logits are averaged.
    """

    def __init__(
        self,
        num_classes: int,
        scalings: "list[Standardise | None]",
        layers: nn.Module,
        partner: nn.Module | None,
        tokens: Tokens,
        blocks: "list[TransformerBlock]",
        fusion: bool,
        dropout: float,
        least_side: int,
    ) -> None:
        super().__init__()
        self.standardise, self.standardise_partner = scalings
        self.trunk = layers
        self.partner = partner
        self.tokens = tokens
        self.blocks = nn.ModuleList(blocks)
        fused = tokens.channels + 2 * tokens.width
        self.fusion = nn.LayerNorm(fused) if fusion else None
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(fused if fusion else tokens.pooled, num_classes)
        self.least_side = least_side

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        logits = self._logits(self.maps(x))
        return logits if self.partner is None else (logits + self._logits(self.maps(x, partner=True))) / 2

    def _logits(self, maps: Tensor) -> Tensor:
        """Maps [B, C, h, w] to logits [B, K]."""
        tokens = self.tokens(maps)
        for block in self.blocks:
            tokens = block(tokens)
        pooled = self.tokens.pool(tokens)
        if self.fusion is not None:
            weights = (tokens @ pooled[:, :, None] / pooled.shape[1] ** 0.5).softmax(dim=1)
            pooled = self.fusion(torch.cat([maps.mean(dim=(2, 3)), pooled, (weights * tokens).sum(dim=1)], dim=1))
        return self.head(self.dropout(pooled))

    def maps(self, x: Tensor, partner: bool = False) -> Tensor:
        """The trunk's maps, or the partner's."""
        x = enlarged(x, self.least_side)
        if partner and self.partner is not None:
            layers, standardise = self.partner, self.standardise_partner
        else:
            layers, standardise = self.trunk, self.standardise
        return layers(x if standardise is None else standardise(x))


class TransformerBlock(nn.Module):
    """Keras's MultiHeadAttention with keys of any width, added, layer norm; a network (four times as wide as the tokens
    where `hidden` is 0), added, layer norm, dropout: tokens [B, T, D] to the same shape.

    With `pruning` above 0, a block whose attention says little is left out from then on: when the moving average of
    1 - H / log T (H: entropy of a token's attention, mean over images, heads and tokens; 0 if every token is
    looked at alike, 1 if one is) is below it after the first hundred batches. The published text names no rule.
    """

    focus: Tensor
    batches: Tensor

    def __init__(
        self,
        channels: int,
        heads: int,
        key: int,
        dropout: float,
        pruning: float = 0.0,
        hidden: int = 0,
        attention_dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.channels = channels
        self.heads = heads
        self.query, self.key, self.value = (nn.Linear(channels, heads * key) for _ in range(3))
        self.out = nn.Linear(heads * key, channels)
        self.attention_norm = nn.LayerNorm(channels, eps=1e-6)
        hidden = hidden or 4 * channels
        self.network = nn.Sequential(nn.Linear(channels, hidden), nn.GELU(), nn.Linear(hidden, channels))
        self.network_norm = nn.LayerNorm(channels, eps=1e-6)
        self.dropout = nn.Dropout(dropout)
        self.attention_dropout = attention_dropout
        self.pruning = pruning
        if pruning:
            self.register_buffer("focus", torch.tensor(0.0))
            self.register_buffer("batches", torch.tensor(0))

    def pruned(self) -> bool:
        """Whether the block is left out."""
        return self.pruning > 0 and int(self.batches) >= PATIENCE and float(self.focus) < self.pruning

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, T, D] to the same shape."""
        if self.pruned():
            return tokens
        query, key, value = (
            layer(tokens).unflatten(2, (self.heads, -1)).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        if self.pruning and self.training:
            self._follow(query, key)
        dropped = self.attention_dropout if self.training else 0.0
        mixed = scaled_dot_product_attention(query, key, value, dropout_p=dropped).transpose(1, 2).flatten(2)
        tokens = self.attention_norm(tokens + self.out(mixed))
        return self.dropout(self.network_norm(tokens + self.network(tokens)))

    @torch.no_grad()
    def _follow(self, query: Tensor, key: Tensor) -> None:
        """Take the moving average of the attention's focus one batch further; [B, H, T, K] both."""
        attention = (query @ key.transpose(2, 3) / key.shape[3] ** 0.5).float().softmax(dim=3)
        entropy = torch.special.entr(attention).sum(dim=3).mean()
        focus = 1 - entropy / max(math.log(attention.shape[3]), 1e-9)
        self.batches += 1
        self.focus.lerp_(focus, max(0.01, 1 / int(self.batches)))
