"""Classifiers that read ranked features as a sequence of single numbers, which HybridCN-NAS is compared with.

The public code (github.com/rudradcruze/leukemia-HybridCN-NAS) names their layers and widths; what lies between them is
not all said, and chosen here: attention is that of Bahdanau et al. 2015 (arXiv 1409.0473), kernels are of 3 numbers.
All take features float32 [B, k] and give logits float32 [B, K].
"""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad


class AdditiveAttention(nn.Module):
    """Weighted mean over positions: [..., T, D] to [..., D], weights softmax(v tanh(W h + b)); D^2 + 2 D parameters."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.hidden = nn.Linear(width, width)
        self.score = nn.Linear(width, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Positions to their weighted mean."""
        weights = self.score(torch.tanh(self.hidden(x))).softmax(dim=-2)
        return (weights * x).sum(dim=-2)


class AttentionBiLSTM(nn.Module):
    """LSTM in both directions over the features (1 to 32 each), additive attention, FC K."""

    def __init__(self, num_classes: int, hidden: int = 32) -> None:
        super().__init__()
        self.lstm = nn.LSTM(1, hidden, batch_first=True, bidirectional=True)
        self.attention = AdditiveAttention(2 * hidden)
        self.head = nn.Linear(2 * hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Feature rows to logits."""
        return self.head(self.attention(self.lstm(x[:, :, None])[0]))


class AttentionCNN(nn.Module):
    """Convolution over the features (1 to 32), ReLU, additive attention, FC K."""

    def __init__(self, num_classes: int, hidden: int = 32) -> None:
        super().__init__()
        self.convolution = nn.Conv1d(1, hidden, 3, padding=1)
        self.attention = AdditiveAttention(hidden)
        self.head = nn.Linear(hidden, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Feature rows to logits."""
        maps = self.convolution(x[:, None]).relu()
        return self.head(self.attention(maps.transpose(1, 2)))


class HierarchicalCNN(nn.Module):
    """Attention in two levels: convolution (1 to 32) and attention within pieces of the features, then convolution (32
    to 16) and attention over the pieces, FC K. The last piece is filled up with zeros."""

    def __init__(self, inputs: int, num_classes: int, pieces: int, hidden: int = 32) -> None:
        super().__init__()
        self.pieces = min(pieces, inputs)
        self.length = -(-inputs // self.pieces)
        self.within = nn.Conv1d(1, hidden, 3, padding=1)
        self.attention_within = AdditiveAttention(hidden)
        self.over = nn.Conv1d(hidden, hidden // 2, 3, padding=1)
        self.attention_over = AdditiveAttention(hidden // 2)
        self.head = nn.Linear(hidden // 2, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Feature rows to logits."""
        x = pad(x, (0, self.pieces * self.length - x.shape[1]))
        maps = self.within(x[:, None]).relu().transpose(1, 2).unflatten(1, (self.pieces, self.length))
        pieces = self.attention_within(maps)
        outputs = self.over(pieces.transpose(1, 2)).relu().transpose(1, 2)
        return self.head(self.attention_over(outputs))


class NumberTokens(nn.Module):
    """Multi-head attention among the features as tokens of one number each (one head), FC K on all of them."""

    def __init__(self, inputs: int, num_classes: int) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(1, 1, batch_first=True)
        self.head = nn.Linear(inputs, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Feature rows to logits."""
        tokens = x[:, :, None]
        return self.head(self.attention(tokens, tokens, tokens, need_weights=False)[0][:, :, 0])
