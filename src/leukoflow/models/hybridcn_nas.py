"""HybridCN-NAS: the classifier on ranked features of two networks.

D Cruze et al.; public code rudradcruze/leukemia-HybridCN-NAS. The features (ConvNeXt-Large, NASNet-A-Large, the fusion
stack) are made and ranked before, by section `features`. As coded, the whole feature vector is one token, the softmax
over one key is 1, and the attention is the linear map W_o (W_v x + b_v) + b_o: `simple` and `complex` keep that.
`tokens` cuts the vector into a sequence, so that there is something to attend to.
"""

from types import MappingProxyType

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.layers.attention import TokenBlock
from leukoflow.models.layers.sequences import AttentionBiLSTM, AttentionCNN, HierarchicalCNN, NumberTokens
from leukoflow.models.spec import ModelSpec

HEADS = 8
COMPARED = ("attention_bilstm", "attention_cnn", "hierarchical_cnn", "number_tokens")
"""Classifiers that it is compared with."""
KNOWN = ("tokens", "simple", "complex", *COMPARED)

SPEC = ModelSpec(
    name="hybridcn_nas",
    title="HybridCN-NAS",
    source="D Cruze et al., code github.com/rudradcruze/leukemia-HybridCN-NAS (MIT)",
    reads="features",
    sizes=MappingProxyType({"paper": {"features": 2000}, "small": {"features": 200, "hidden": 32}}),
    input_size=2000,
    parameters=148_740,
    attends_features=True,
)


def build(
    num_classes: int,
    features: int = 2000,
    inputs: int | None = None,
    classifier: str = "tokens",
    attention: bool = True,
    ffn: bool = True,
    dropout: bool = True,
    hidden: int | None = None,
    tokens: int = 20,
    blocks: int = 1,
) -> nn.Module:
    """Build a classifier of feature rows.

    features: how many of the best ranked features are wanted; inputs: how many there are (training says it).
    classifier: `tokens` (attention over a sequence of pieces), `simple` or `complex` (both as coded); or what these are
    compared with: `attention_bilstm`, `attention_cnn`, `hierarchical_cnn`, `number_tokens` (layers.sequences).
    attention, ffn, dropout: switched off by the ablations; hidden: width of the layers (by default 128 of `tokens`,
    512 of `simple` and `complex`, 32 of those compared); tokens: length of the sequence of `tokens`, and pieces of
    `hierarchical_cnn`; blocks: number of attention blocks of `tokens`.
    Raises LeukoFlowError for an unknown classifier, or an option that it does not have.
    """
    count = features if inputs is None else inputs
    if count < 1:
        raise LeukoFlowError(f"models: hybridcn_nas needs at least one feature, not {count}")
    if hidden is not None and (hidden < HEADS or hidden % HEADS):
        raise LeukoFlowError(f"models: hidden of hybridcn_nas must be a multiple of {HEADS}, not {hidden}")
    if classifier == "tokens":
        if attention and min(tokens, count) < 2:
            raise LeukoFlowError(
                f"models: hybridcn_nas has one token (of {count} features), and attention over one token is a linear "
                "map; raise options tokens and features to 2 or more, or set attention to false"
            )
        return TokenClassifier(count, num_classes, tokens, hidden or 128, blocks, attention, ffn, 0.1 * dropout)
    if classifier in COMPARED:
        if (blocks, attention, ffn, dropout) != (1, True, True, True):
            raise LeukoFlowError(f"models: {classifier!r} of hybridcn_nas has no parts to switch off, and no blocks")
        return _compared(classifier, count, num_classes, hidden or 32, tokens)
    if (tokens, blocks) != (20, 1):
        raise LeukoFlowError(f"models: tokens and blocks are options of classifier 'tokens', not of {classifier!r}")
    if classifier == "complex":
        return ComplexClassifier(count, num_classes, hidden or 512, attention, ffn, dropout)
    if classifier == "simple":
        if not ffn:
            raise LeukoFlowError("models: ffn is an option of classifiers 'tokens' and 'complex', not of 'simple'")
        return SimpleClassifier(count, num_classes, hidden or 512, attention, 0.1 * dropout)
    raise LeukoFlowError(f"models: hybridcn_nas has no classifier {classifier!r}; known: {', '.join(KNOWN)}")


def _compared(classifier: str, inputs: int, num_classes: int, hidden: int, tokens: int) -> nn.Module:
    """What HybridCN-NAS is compared with, on the same features."""
    if classifier == "attention_bilstm":
        return AttentionBiLSTM(num_classes, hidden)
    if classifier == "attention_cnn":
        return AttentionCNN(num_classes, hidden)
    if classifier == "hierarchical_cnn":
        return HierarchicalCNN(inputs, num_classes, tokens, hidden)
    return NumberTokens(inputs, num_classes)


class TokenClassifier(nn.Module):
    """Features float32 [B, k] to logits float32 [B, K], as T tokens of ceil(k / T) features.

    Where k is no multiple of T the last token ends in zeros. Each token is embedded, a learned position added; blocks
    of attention among the tokens; their mean, layer norm, linear head.
    """

    def __init__(
        self,
        inputs: int,
        num_classes: int,
        tokens: int,
        width: int,
        blocks: int,
        attention: bool,
        ffn: bool,
        dropout: float,
    ) -> None:
        super().__init__()
        self.tokens = min(tokens, inputs)
        self.piece = -(-inputs // self.tokens)
        self.embed = nn.Linear(self.piece, width)
        self.positions = nn.Parameter(torch.randn(self.tokens, width) * 0.02)
        heads, hidden = HEADS * attention, 2 * width * ffn
        self.blocks = nn.Sequential(*(TokenBlock(width, heads, hidden, dropout) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, num_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Feature rows to logits."""
        x = pad(x, (0, self.tokens * self.piece - x.shape[1])).unflatten(1, (self.tokens, self.piece))
        x = self.blocks(self.embed(x) + self.positions)
        return self.head(self.norm(x.mean(dim=1)))


class OneToken(nn.Module):
    """Multi-head attention of a vector [B, D] over itself alone, as coded: W_o (W_v x + b_v) + b_o.

    D that is no multiple of the heads is filled up with zeros. 4 D^2 + 4 D parameters, half of them without any effect.
    """

    def __init__(self, width: int, dropout: float = 0.0) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(-(-width // HEADS) * HEADS, HEADS, dropout)

    def forward(self, x: Tensor) -> Tensor:
        """[B, D] to [B, D]."""
        token = pad(x, (0, self.attention.embed_dim - x.shape[1]))[None]
        return self.attention(token, token, token, need_weights=False)[0][0, :, : x.shape[1]]


class SimpleClassifier(nn.Module):
    """The classifier of the first notebooks: attention of one token, FC 512, ReLU, dropout 0.1, FC K.

    Features float32 [B, k] to logits float32 [B, K].
    """

    def __init__(self, inputs: int, num_classes: int, hidden: int, attention: bool, dropout: float) -> None:
        super().__init__()
        self.attention = OneToken(inputs) if attention else nn.Identity()
        self.head = nn.Sequential(
            nn.Linear(inputs, hidden), nn.ReLU(), nn.Dropout(dropout), nn.Linear(hidden, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Feature rows to logits."""
        return self.head(self.attention(x))


class ComplexClassifier(nn.Module):
    """The classifier of tuning, ablation and the final numbers.

    Features float32 [B, k] to logits float32 [B, K]: FC 512, LN, ReLU, dropout 0.2; three times attention of one token
    (dropout 0.1), added, and one FFN (1,024) with layer norm that all three share; FC 256, ReLU, dropout 0.2, FC K.
    """

    def __init__(
        self, inputs: int, num_classes: int, hidden: int, attention: bool, ffn: bool, dropout: bool, layers: int = 3
    ) -> None:
        super().__init__()
        drop = 0.2 * dropout
        self.embed = nn.Sequential(nn.Linear(inputs, hidden), nn.LayerNorm(hidden), nn.ReLU(), nn.Dropout(drop))
        self.layers = layers
        self.attention = nn.ModuleList(OneToken(hidden, 0.1 * dropout) for _ in range(layers * attention))
        self.ffn = self.norm = None
        if ffn:
            self.ffn = nn.Sequential(
                nn.Linear(hidden, 2 * hidden), nn.ReLU(), nn.Dropout(drop), nn.Linear(2 * hidden, hidden)
            )
            self.norm = nn.LayerNorm(hidden)
        self.head = nn.Sequential(
            nn.Linear(hidden, hidden // 2), nn.ReLU(), nn.Dropout(drop), nn.Linear(hidden // 2, num_classes)
        )

    def forward(self, x: Tensor) -> Tensor:
        """Feature rows to logits."""
        x = self.embed(x)
        for layer in range(self.layers):
            if self.attention:
                x = x + self.attention[layer](x)
            if self.ffn is not None and self.norm is not None:
                x = self.norm(x + self.ffn(x))
        return self.head(x)
