"""The Attention U-Net: published size, gates that take part, shapes."""

from itertools import pairwise

import pytest
import torch

from leukoflow.cells.attention_unet import AttentionUNet, Gate

PUBLISHED = 31_219_293
WITHOUT_GATES = 31_043_521


def test_published_number_of_parameters() -> None:
    with torch.device("meta"):
        model = AttentionUNet(outputs=1)
    count = sum(parameter.numel() for parameter in model.parameters())
    gates = sum(parameter.numel() for parameter in model.gates.parameters())
    assert (count, count - gates) == (PUBLISHED, WITHOUT_GATES)


def convolution(inputs: int, outputs: int, side: int) -> int:
    """Weights and biases."""
    return inputs * outputs * side**2 + outputs


@pytest.mark.parametrize(
    ("gates", "share", "published"), [("quarter", 4, 175_772), ("half", 2, 351_532), ("full", 1, None)]
)
def test_gates_of_every_width_have_their_number_of_parameters(gates: str, share: int, published: int | None) -> None:
    """Counted by hand: two 1x1 convolutions to the inner width, one to a single map, a batch norm after each."""
    with torch.device("meta"):
        model = AttentionUNet(outputs=1, gates=gates)
    levels = [(channels, channels // share) for channels in (64, 128, 256, 512)]
    counted = sum(2 * (convolution(c, inner, 1) + 2 * inner) + convolution(inner, 1, 1) + 2 for c, inner in levels)
    assert sum(parameter.numel() for parameter in model.gates.parameters()) == counted == (published or counted)
    assert sum(parameter.numel() for parameter in model.parameters()) == WITHOUT_GATES + counted


def test_without_gates_it_is_a_plain_unet() -> None:
    """Counted by hand, and skip connections go through as they are: a gated network whose gates are open is equal."""
    with torch.device("meta"):
        model = AttentionUNet(outputs=1, gates="none")
    channels = (3, 64, 128, 256, 512, 1024)
    down = sum(convolution(a, b, 3) + convolution(b, b, 3) + 4 * b for a, b in pairwise(channels))
    pairs = list(pairwise(channels[1:]))
    up = sum(convolution(b, a, 2) + convolution(b, a, 3) + convolution(a, a, 3) + 4 * a for a, b in pairs)
    counted = down + up + convolution(64, 1, 1)
    assert sum(parameter.numel() for parameter in model.parameters()) == counted == WITHOUT_GATES

    torch.manual_seed(0)
    gated, plain = AttentionUNet(width=0.0625).eval(), AttentionUNet(width=0.0625, gates="none").eval()
    weights = {name: value for name, value in gated.state_dict().items() if not name.startswith("gates.")}
    plain.load_state_dict(weights)
    x = torch.rand(1, 3, 32, 32)
    with torch.no_grad():
        assert not torch.allclose(gated(x), plain(x))
        for gate in gated.gates:
            gate.weight[1].bias.fill_(100.0)
        torch.testing.assert_close(gated(x), plain(x))


@pytest.mark.parametrize("gates", ["quarter", "full", "none"])
def test_every_parameter_learns_and_shapes_hold(gates: str) -> None:
    torch.manual_seed(0)
    model = AttentionUNet(width=0.0625, gates=gates)
    logits = model(torch.rand(2, 3, 48, 32))
    assert logits.shape == (2, 2, 48, 32)
    logits.square().mean().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())
    # A bias before batch norm has no gradient but rounding, which can be none at all; everything else has.
    before_norm = {
        f"{name}.{index}.bias"
        for name, block in model.named_modules()
        if isinstance(block, torch.nn.Sequential)
        for index, (layer, after) in enumerate(pairwise(block))
        if isinstance(layer, torch.nn.Conv2d) and isinstance(after, torch.nn.BatchNorm2d)
    }
    idle = {name for name, parameter in model.named_parameters() if not parameter.grad.abs().max() > 0}
    assert len(before_norm) >= 18 and idle <= before_norm


def test_a_closed_gate_lets_nothing_through() -> None:
    gate = Gate(8, 2).eval()
    x, g = torch.rand(1, 8, 4, 4), torch.rand(1, 8, 4, 4)
    with torch.no_grad():
        gate.weight[1].weight.zero_()
        gate.weight[1].bias.fill_(-100.0)
        assert gate(x, g).abs().max() < 1e-6
        gate.weight[1].bias.fill_(100.0)
        torch.testing.assert_close(gate(x, g), x)


@pytest.mark.parametrize("width", [0.125, 0.25])
def test_width_scales_the_channels(width: float) -> None:
    assert AttentionUNet(width=width).bridge[0].out_channels == round(1024 * width)
