"""Which of the ranked features the classifier of HybridCN-NAS attends to, and what each does to an answer."""

import torch
from torch import Tensor, nn
from torch.nn.functional import pad

from leukoflow.explain.heat import recorded
from leukoflow.models.hybridcn_nas import ComplexClassifier, OneToken, SimpleClassifier, TokenClassifier

OVER_TOKENS = (
    "Attention of the classifier's last block, mean over heads and tokens: a token's attention is divided among its "
    "features by their share in its embedding. The weights of all features add up to 1."
)
ONE_TOKEN = (
    "This classifier has one token, as published: its attention is 1 whatever the picture and chooses nothing. The "
    "weight is a feature's share in what passes through it; the weights of all features add up to 1."
)


def attention_says(classifier: nn.Module) -> str:
    """What the weights of `attended` are, in words; empty if the classifier attends to nothing, or in a way that is
    not known here."""
    if isinstance(classifier, TokenClassifier):
        return OVER_TOKENS if any(block.attention is not None for block in classifier.blocks) else ""
    if isinstance(classifier, SimpleClassifier):
        return "" if isinstance(classifier.attention, nn.Identity) else ONE_TOKEN
    if isinstance(classifier, ComplexClassifier):
        return ONE_TOKEN if len(classifier.attention) else ""
    return ""


def attended(classifier: nn.Module, features: Tensor) -> Tensor:
    """Weights [n, k] of features [n, k], at least 0, with sum 1 in each row; for classifiers that `attention_says`
    something of.

    A weight is a_t |x_j| |W_j| / sum_i |x_i| |W_i|, with a_t the attention that the feature's token gets, W_j the
    column by which the feature enters the token's embedding, and the sum over the token's features. Tokens that the
    features do not fill are left out of it.
    """
    if isinstance(classifier, TokenClassifier):
        with recorded() as weights:
            classifier(features)
        tokens, piece = classifier.tokens, classifier.piece
        padded = pad(features, (0, tokens * piece - features.shape[1])).unflatten(1, (tokens, piece))
        whole = weights[-1].mean(dim=1)[:, :, None] * _shares(padded, classifier.embed.weight)
        shares = whole.flatten(1)[:, : features.shape[1]]
        # Tokens of zeros alone, behind the last feature, get attention too; it is no feature's.
        return shares / shares.sum(dim=1, keepdim=True)
    if isinstance(classifier, SimpleClassifier):
        assert isinstance(classifier.attention, OneToken)
        return _shares(features, _one_token(classifier.attention.attention, features.shape[1]))
    assert isinstance(classifier, ComplexClassifier)
    first = classifier.embed[0]
    assert isinstance(first, nn.Linear)
    return _shares(features, first.weight)


def _one_token(attention: nn.MultiheadAttention, width: int) -> Tensor:
    """The linear map that attention over one token is: W_o W_v [D, k]."""
    value = attention.in_proj_weight.chunk(3)[2]
    return (attention.out_proj.weight @ value)[:, :width]


def _shares(values: Tensor, weight: Tensor) -> Tensor:
    """Shares of values [..., k] in a linear layer [D, k]; equal ones if all are 0."""
    size = values.abs() * weight.norm(dim=0)
    total = size.sum(dim=-1, keepdim=True)
    some = total > 0
    return torch.where(some, size / torch.where(some, total, 1.0), 1 / size.shape[-1])


def effects(classifier: nn.Module, features: Tensor, classes: Tensor) -> Tensor:
    """What each feature does to the logit of a class, to first order: gradient times value, [n, k]."""
    with torch.enable_grad():
        values = features.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(classifier(values).gather(1, classes[:, None]).sum(), values)
    return gradient * features
