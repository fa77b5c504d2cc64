"""Squeeze-and-excitation (Hu et al. 2018, doi 10.1109/CVPR.2018.00745) without biases."""

from torch import Tensor, nn


class SqueezeExcitation(nn.Module):
    """Scale each channel of [N, C, H, W] by a gate in (0, 1) computed from its mean; 2 C^2 / r parameters."""

    def __init__(self, channels: int, reduction: int = 4) -> None:
        super().__init__()
        self.squeeze = nn.Linear(channels, channels // reduction, bias=False)
        self.excite = nn.Linear(channels // reduction, channels, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] to the same shape."""
        return x * self.gate(x)[:, :, None, None]

    def gate(self, x: Tensor) -> Tensor:
        """The gate of each channel, [N, C] in (0, 1)."""
        return self.of_means(x.mean(dim=(2, 3)))

    def of_means(self, means: Tensor) -> Tensor:
        """The same from the mean of each channel, [N, C]."""
        return self.excite(self.squeeze(means).relu()).sigmoid()
