"""Attention: over the positions of a feature map, and over tokens."""

import torch
from torch import Tensor, nn


class PositionAttention(nn.Module):
    """Self-attention of SAGAN (Zhang et al. 2019, arXiv 1805.08318) over the positions of maps [B, C, H, W].

    out = x + gamma * V softmax(Q^T K)^T with 1x1 convolutions Q, K (C / 8 channels) and V (C channels); gamma starts at
    0, so that a fresh block is the identity. 2 (C^2 / 8 + C / 8) + C^2 + C + 1 parameters.
    """

    def __init__(self, channels: int, reduction: int = 8) -> None:
        super().__init__()
        inner = max(1, channels // reduction)
        self.query = nn.Conv2d(channels, inner, 1)
        self.key = nn.Conv2d(channels, inner, 1)
        self.value = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, maps: Tensor) -> Tensor:
        """[B, C, H, W] to the same shape."""
        value = self.value(maps).flatten(2)
        return maps + self.gamma * (value @ self.weights(maps).transpose(1, 2)).unflatten(2, maps.shape[2:])

    def weights(self, maps: Tensor) -> Tensor:
        """How much each position (row) takes from each other (column), rows with sum 1: [B, H * W, H * W]."""
        query, key = (layer(maps).flatten(2) for layer in (self.query, self.key))
        return (query.transpose(1, 2) @ key).softmax(dim=-1)


class TokenBlock(nn.Module):
    """Multi-head self-attention and a two-layer network on tokens [B, T, D], each behind a layer norm and added.

    Either may be left out (`heads` 0, `hidden` 0).
    """

    def __init__(self, width: int, heads: int, hidden: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(width, heads, dropout, batch_first=True) if heads else None
        self.attention_norm = nn.LayerNorm(width) if heads else None
        self.network = (
            nn.Sequential(
                nn.LayerNorm(width), nn.Linear(width, hidden), nn.GELU(), nn.Dropout(dropout), nn.Linear(hidden, width)
            )
            if hidden
            else None
        )
        self.dropout = nn.Dropout(dropout)

    def forward(self, tokens: Tensor) -> Tensor:
        """[B, T, D] to the same shape."""
        if self.attention is not None and self.attention_norm is not None:
            x = self.attention_norm(tokens)
            tokens = tokens + self.dropout(self.attention(x, x, x, need_weights=False)[0])
        return tokens if self.network is None else tokens + self.dropout(self.network(tokens))
