"""Attention U-Net: a U-Net whose skip connections pass gates that look at the coarser level first.

Ronneberger et al. 2015 (arXiv 1505.04597) with the gates of Oktay et al. 2018 (arXiv 1804.03999) in their usual
two-dimensional form: q = psi(ReLU(W_x x + W_g g)), x' = sigmoid(q) x, both inputs of the same size.
"""

import torch
from torch import Tensor, nn

from leukoflow.config.segmentation import Gates

CHANNELS = (64, 128, 256, 512, 1024)
"""Channels of the four levels and the bridge at width 1."""
GATE_SHARES: dict[Gates, int] = {"quarter": 4, "half": 2, "full": 1}
"""By what a level's channels are divided for the inner width of its gate."""


class DoubleConvolution(nn.Sequential):
    """Twice 3x3 convolution, batch norm, ReLU: [B, C, H, W] -> [B, C', H, W]."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(
            nn.Conv2d(inputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
            nn.Conv2d(outputs, outputs, 3, padding=1),
            nn.BatchNorm2d(outputs),
            nn.ReLU(inplace=True),
        )


class Gate(nn.Module):
    """Attention gate: the skip connection x and the upsampled gating signal g, both [B, C, H, W], to x weighted."""

    def __init__(self, channels: int, inner: int) -> None:
        super().__init__()
        self.signal = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner))
        self.skip = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner))
        self.weight = nn.Sequential(nn.Conv2d(inner, 1, 1), nn.BatchNorm2d(1))

    def forward(self, x: Tensor, g: Tensor) -> Tensor:
        """x times its attention, which lies in 0..1."""
        return x * torch.sigmoid(self.weight(torch.relu(self.signal(g) + self.skip(x))))


class AttentionUNet(nn.Module):
    """Images float32 [B, 3, H, W] in [0, 1] to logits float32 [B, outputs, H, W]; H and W multiples of 16.

    31,219,293 parameters with width 1, one output and gates of a quarter; without gates 31,043,521.
    """

    def __init__(self, outputs: int = 2, width: float = 1.0, gates: Gates = "quarter") -> None:
        super().__init__()
        levels = [max(4, round(width * channels)) for channels in CHANNELS]
        self.down = nn.ModuleList(DoubleConvolution(*pair) for pair in zip([3, *levels[:-2]], levels[:-1], strict=True))
        self.bridge = DoubleConvolution(*levels[-2:])
        self.up = nn.ModuleList(nn.ConvTranspose2d(d, c, 2, stride=2) for c, d in _pairs(levels))
        share = GATE_SHARES.get(gates)
        self.gates = nn.ModuleList(Gate(c, max(1, c // share)) for c, _ in _pairs(levels) if share)
        self.merge = nn.ModuleList(DoubleConvolution(2 * c, c) for c, _ in _pairs(levels))
        self.head = nn.Conv2d(levels[0], outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Logits; see the class."""
        skips = []
        for level in self.down:
            x = level(x)
            skips.append(x)
            x = nn.functional.max_pool2d(x, 2)
        x = self.bridge(x)
        for step, (up, merge, skip) in enumerate(zip(self.up, self.merge, reversed(skips), strict=True)):
            x = up(x)
            weighted = self.gates[step](skip, x) if self.gates else skip
            x = merge(torch.cat([weighted, x], dim=1))
        return self.head(x)


def _pairs(levels: list[int]) -> list[tuple[int, int]]:
    """(channels of a level, channels of the next coarser one), from the coarsest on."""
    return [(levels[k], levels[k + 1]) for k in reversed(range(len(levels) - 1))]
