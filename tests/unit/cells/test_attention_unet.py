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
    count = sum(each.numel() for each in model.parameters())
    gates = sum(each.numel() for each in model.gates.parameters())
    assert (count, count - gates) == (PUBLISHED, WITHOUT_GATES)


def test_every_parameter_learns_and_shapes_hold() -> None:
    torch.manual_seed(0)
    model = AttentionUNet(width=0.0625)
    logits = model(torch.rand(2, 3, 48, 32))
    assert logits.shape == (2, 2, 48, 32)
    logits.square().mean().backward()
    assert all(each.grad is not None for each in model.parameters())
    # A bias before batch norm has no gradient but rounding, which can be none at all; everything else has.
    before_norm = {
        f"{name}.{place}.bias"
        for name, block in model.named_modules()
        if isinstance(block, torch.nn.Sequential)
        for place, (layer, after) in enumerate(pairwise(block))
        if isinstance(layer, torch.nn.Conv2d) and isinstance(after, torch.nn.BatchNorm2d)
    }
    idle = {name for name, each in model.named_parameters() if not each.grad.abs().max() > 0}
    assert len(before_norm) > 20 and idle <= before_norm


def test_a_closed_gate_lets_nothing_through() -> None:
    gate = Gate(8).eval()
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
