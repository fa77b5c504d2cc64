"""HybridCN-NAS: published sizes, what its attention of one token is, and the sequence that replaces it."""

import pytest
import torch
from torch import nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import registry
from leukoflow.models.hybridcn_nas import OneToken


def build(**options) -> nn.Module:
    torch.manual_seed(0)
    return registry.build("hybridcn_nas", 4, **options)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"classifier": "simple", "inputs": 1000}, 4_518_564),
        ({"classifier": "simple", "inputs": 2000}, 17_034_564),
        ({"classifier": "complex", "inputs": 1000}, 4_848_900),
        ({"classifier": "complex", "inputs": 2000}, 5_360_900),
        ({"classifier": "complex", "inputs": 1000, "attention": False}, 1_697_028),
        ({"classifier": "complex", "inputs": 1000, "ffn": False}, 3_797_764),
        ({"classifier": "complex", "inputs": 1000, "dropout": False}, 4_848_900),
        # 256,256; LN 512; three times 4 (256^2 + 256); FFN 262,912 with LN 512; 256 * 128 + 128; 128 * 4 + 4
        ({"classifier": "complex", "inputs": 1000, "hidden": 256}, 1_343_108),
        # Embedding, positions, attention, two LN and the last one, FFN, head.
        ({}, 12_928 + 2_560 + 66_048 + 768 + 65_920 + 516),
        ({"features": 2000, "inputs": 2000}, 148_740),
    ],
)
def test_published_numbers_of_parameters(options: dict, parameters: int) -> None:
    assert count(build(**options)) == parameters


def test_attention_of_one_token_is_a_linear_map() -> None:
    torch.manual_seed(1)
    layer = OneToken(24).eval()
    attention = layer.attention
    nn.init.normal_(attention.in_proj_bias)
    nn.init.normal_(attention.out_proj.bias)
    x = torch.randn(5, 24)
    value_weight, value_bias = attention.in_proj_weight[48:], attention.in_proj_bias[48:]
    expected = (x @ value_weight.T + value_bias) @ attention.out_proj.weight.T + attention.out_proj.bias
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)
    # Queries and keys play no part at all.
    nn.init.normal_(attention.in_proj_weight[:48])
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)
    layer(x).sum().backward()
    gradient = attention.in_proj_weight.grad.abs()
    assert gradient[:48].max() < 1e-5 * gradient[48:].max()


def test_one_token_of_an_odd_width_is_filled_up() -> None:
    layer = OneToken(21).eval()
    assert layer.attention.embed_dim == 24
    x = torch.randn(3, 21)
    padded = torch.cat([x, torch.zeros(3, 3)], 1)
    attention = layer.attention
    value = padded @ attention.in_proj_weight[48:].T + attention.in_proj_bias[48:]
    expected = (value @ attention.out_proj.weight.T + attention.out_proj.bias)[:, :21]
    torch.testing.assert_close(layer(x), expected, rtol=1e-5, atol=1e-6)


def test_the_tokens_attend_to_each_other() -> None:
    model = build(inputs=40, tokens=4, hidden=16).eval()
    tokens = torch.randn(2, 4, 16)
    changed = tokens.clone()
    changed[:, 3] = torch.randn(2, 16)
    difference = (model.blocks(tokens) - model.blocks(changed))[:, 0].abs().max()
    assert difference > 1e-6
    alone = build(inputs=40, tokens=4, hidden=16, attention=False).eval()
    assert torch.equal(alone.blocks(tokens)[:, :3], alone.blocks(changed)[:, :3])


def test_tokens_are_pieces_in_the_order_of_the_ranking() -> None:
    model = build(inputs=10, tokens=4, hidden=8).eval()
    seen: list[torch.Tensor] = []
    model.embed.register_forward_hook(lambda module, args, made: seen.append(args[0]))
    model(torch.arange(1.0, 11.0)[None])
    assert seen[0].tolist() == [[[1, 2, 3], [4, 5, 6], [7, 8, 9], [10, 0, 0]]]
    assert build(inputs=3, hidden=8)(torch.randn(2, 3)).shape == (2, 4)


@pytest.mark.parametrize("classifier", ["tokens", "simple", "complex"])
def test_ablations_change_what_they_say(classifier: str) -> None:
    x = torch.randn(6, 40)
    full = build(classifier=classifier, inputs=40)
    assert not torch.equal(full.train()(x), full(x))
    steady = build(classifier=classifier, inputs=40, dropout=False).train()
    assert torch.equal(steady(x), steady(x))
    assert count(build(classifier=classifier, inputs=40, attention=False)) < count(full)


def test_bad_options_are_named() -> None:
    for options, message in (
        ({"classifier": "complicated"}, "no classifier 'complicated'; known: tokens, simple, complex"),
        ({"classifier": "simple", "ffn": False}, "ffn is an option of"),
        ({"tokens": 1}, "has one token .* attention over one token is a linear map; raise options tokens"),
        ({"inputs": 1}, "has one token .of 1 features.*or set attention to false"),
        ({"classifier": "complex", "tokens": 10}, "tokens and blocks are options of classifier 'tokens'"),
        ({"hidden": 100}, "multiple of 8"),
        ({"inputs": 0}, "at least one feature"),
        ({"heads": 4}, "heads"),
    ):
        with pytest.raises(LeukoFlowError, match=message):
            build(**options)
