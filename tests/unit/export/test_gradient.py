"""Heat as a network of its own, against automatic differentiation."""

import copy

import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from leukoflow.explain.heat import heat, stretched
from leukoflow.export.gradient import _pool_backward, inputs_of, tail
from leukoflow.export.network import Exported
from leukoflow.models import registry

SIDE = 64


@pytest.mark.parametrize(
    ("name", "looks_past"), [("neurallnet", False), ("vgg19_mhsa", False), ("vit_b16", True), ("alexnet", False)]
)
def test_the_tail_gives_grad_cam(name: str, looks_past: bool) -> None:
    torch.manual_seed(0)
    model = registry.build(name, 4, "small").eval()
    pictures = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)
    exported = Exported(model)
    with torch.no_grad():
        (*_, example), (*_, maps) = exported(pictures[:1]), exported(pictures[1:])
    network = tail(copy.deepcopy(model), pictures[:1], example)
    names = inputs_of(network)
    assert names == ["maps", "label", "images"][: 2 + looks_past]
    label = torch.tensor([2])
    with torch.no_grad():
        found = network(*(maps, label, pictures[1:])[: len(names)])
    wanted = heat(model, pictures[1:].permute(0, 3, 1, 2).float() / 255, label)
    whole = interpolate(found[:, None], size=(SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
    assert wanted.max() == 1 and (stretched(whole) - wanted).abs().max() < 1e-4


def test_pooling_goes_back_as_autograd_says() -> None:
    x = torch.rand(2, 3, 7, 5, requires_grad=True)
    gradient = torch.rand(2, 3, 3, 2)
    (wanted,) = torch.autograd.grad(adaptive_avg_pool2d(x, (3, 2)), x, gradient)
    assert torch.allclose(_pool_backward(gradient, x), wanted, atol=1e-6)
