"""Batch norm whose running statistics start from the data.

PyTorch starts them at mean 0 and variance 1 and forgets a tenth with each batch. A spiking network sees the difference:
with currents scaled by a variance of 1 if the true one is 0.01, it is silent in evaluation for the first hundreds of
batches, and on a small cohort for good. Here they are the plain mean over the first ten batches, and go on as usual.
"""

from torch import Tensor, nn

_MOMENTUM = 0.1


class BatchNorm1d(nn.BatchNorm1d):
    """Batch norm of [B, C]."""

    def forward(self, input: Tensor) -> Tensor:
        """[B, C] to the same shape."""
        warm_up(self)
        return super().forward(input)


class BatchNorm2d(nn.BatchNorm2d):
    """Batch norm of [B, C, H, W]."""

    def forward(self, input: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        warm_up(self)
        return super().forward(input)


def warm_up(norm: nn.BatchNorm1d | nn.BatchNorm2d) -> None:
    """Set the weight of the coming batch, a function of the batches so far: 1 / (batches + 1), at least a tenth."""
    if norm.training and not getattr(norm, "warm", False):
        batches = int(norm.num_batches_tracked)  # type: ignore[arg-type]
        norm.momentum = max(_MOMENTUM, 1 / (batches + 1))
        norm.warm = norm.momentum == _MOMENTUM  # type: ignore[assignment]
