"""Losses of classification."""

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from leukoflow.config.training import Loss


def classification_loss(logits: Tensor, y: Tensor, loss: Loss, weights: Tensor | None = None) -> Tensor:
    """Mean loss of logits float32 [B, K] and classes int64 [B]: a scalar, in nats.

    weights: float32 [K], of the classes; the mean is then weighted. Focal loss: Lin et al. 2017, arXiv 1708.02002.
    """
    if loss.kind == "cross_entropy":
        return cross_entropy(logits, y, weights, label_smoothing=loss.label_smoothing)
    entropy = cross_entropy(logits, y, reduction="none")
    # At 0 a power below 1 has no finite gradient.
    hard = (-torch.expm1(-entropy)).clamp(min=1e-7) ** loss.gamma
    if weights is None:
        return (hard * entropy).mean()
    return (weights[y] * hard * entropy).sum() / weights[y].sum()
