"""Classifiers that HybridCN-NAS is compared with: sizes, and what they are by their definitions."""

import pytest
import torch
from torch import nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import registry
from leukoflow.models.layers.sequences import AdditiveAttention


def build(classifier: str, **options) -> nn.Module:
    torch.manual_seed(0)
    return registry.build("hybridcn_nas", 4, classifier=classifier, **options).eval()


@pytest.mark.parametrize(
    ("classifier", "parameters"),
    [
        # LSTM: two directions of 4 gates with weights 32 x 1 and 32 x 32 and two biases; attention 64^2 + 2 x 64; FC 4.
        ("attention_bilstm", 2 * 4 * (32 + 1024 + 64) + 4096 + 128 + 260),
        # Convolution 3 x 32 + 32; attention 32^2 + 64; FC 4.
        ("attention_cnn", 128 + 1024 + 64 + 132),
        # The same, then convolution 3 x 32 x 16 + 16; attention 16^2 + 32; FC 4.
        ("hierarchical_cnn", 128 + 1088 + 1552 + 288 + 68),
        # Three projections of one number with biases, the last one; FC 2,048 to 4.
        ("number_tokens", 6 + 2 + 8196),
    ],
)
def test_parameters(classifier: str, parameters: int) -> None:
    model = build(classifier, inputs=2048)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert model(torch.randn(3, 2048)).shape == (3, 4)


def test_additive_attention_is_that_of_its_formula() -> None:
    torch.manual_seed(1)
    layer = AdditiveAttention(3)
    x = torch.randn(2, 5, 3)
    for row in range(2):
        scores = [layer.score.weight[0] @ torch.tanh(layer.hidden.weight @ h + layer.hidden.bias) for h in x[row]]
        weights = torch.stack(scores).softmax(0)
        torch.testing.assert_close(layer(x)[row], (weights[:, None] * x[row]).sum(0))


def test_tokens_of_one_number_attend_as_softmax_of_products_does() -> None:
    model = build("number_tokens", inputs=6)
    nn.init.normal_(model.attention.in_proj_bias)
    x = torch.randn(2, 6)
    query, key, value = (
        x * model.attention.in_proj_weight[index, 0] + model.attention.in_proj_bias[index] for index in range(3)
    )
    weights = (query[:, :, None] * key[:, None, :]).softmax(-1)  # heads of width 1: no scaling
    mixed = (weights @ value[:, :, None])[:, :, 0]
    out = mixed * model.attention.out_proj.weight[0, 0] + model.attention.out_proj.bias[0]
    torch.testing.assert_close(model(x), model.head(out), rtol=1e-5, atol=1e-6)


def test_pieces_hold_neighbours_and_every_feature_counts() -> None:
    model = build("hierarchical_cnn", inputs=23, tokens=5)
    assert (model.pieces, model.length) == (5, 5)
    x = torch.randn(1, 23, requires_grad=True)
    model(x)[0, 0].backward()
    assert (x.grad.abs() > 0).all()
    assert build("hierarchical_cnn", inputs=3)(torch.randn(2, 3)).shape == (2, 4)


def test_what_they_do_not_have_is_refused() -> None:
    with pytest.raises(LeukoFlowError, match="'attention_cnn' of hybridcn_nas has no parts to switch off"):
        build("attention_cnn", inputs=8, ffn=False)
    with pytest.raises(LeukoFlowError, match="no classifier 'lstm'; known: tokens, simple, complex, attention_bilstm"):
        build("lstm", inputs=8)
