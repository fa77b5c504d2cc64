"""The same demands on the explanations of every registered architecture that sees images."""

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import interpolate

from leukoflow.core.errors import LeukoFlowError
from leukoflow.explain.heat import METHODS, heat, methods
from leukoflow.explain.reference_maps import REFERENCE_MAPS, reference_map
from leukoflow.models import registry

NETWORKS = [
    name
    for name in registry.names()
    if (registry.spec(name).reads, registry.spec(name).fitting) == ("images", "gradient")
]
ATTENTIVE = {"vgg19_mhsa": 1, "vit_b16": 2, "resnet50_hmscam": 1}
ATTENTIVE |= {name: 2 for name in NETWORKS if name.endswith("_vit")}
SIDE = 96
LARGER = {"inceptionv3_vit": 128}
"""Sides of pictures of which a network's maps have more than one position."""


def network(name: str, **options) -> nn.Module:
    torch.manual_seed(3)
    model = registry.build(name, 4, "small", **options)
    model.train()
    with torch.no_grad():
        model(pictures(8, LARGER.get(name, SIDE)))  # without statistics of images spiking layers are silent
    return model.eval()


def pictures(count: int, side: int = SIDE) -> torch.Tensor:
    """Bright discs at different places on a noisy ground."""
    random = np.random.default_rng(0)
    y, x = np.mgrid[:side, :side]
    places = random.uniform(12, side - 12, (count, 2))
    discs = np.stack([(y - a) ** 2 + (x - b) ** 2 < 81 for a, b in places])
    images = 0.35 + 0.1 * random.random((count, 3, side, side)) + 0.4 * discs[:, None]
    return torch.from_numpy(images.astype(np.float32))


@pytest.mark.parametrize("name", NETWORKS)
def test_heat_of_every_network_and_method(name: str) -> None:
    side = LARGER.get(name, SIDE)
    model, images = network(name), pictures(3, side)
    offered = methods(model)
    assert offered == ("gradcam", "attention", "rollout")[: 1 + ATTENTIVE.get(name, 0)]
    state = {key: value.clone() for key, value in model.state_dict().items()}
    every = images.repeat(4, 1, 1, 1), torch.arange(4).repeat_interleave(3)
    for method in offered:
        maps = heat(model, *every, method)
        assert maps.shape == (12, side, side) and maps.dtype == torch.float32 and not maps.requires_grad
        assert torch.isfinite(maps).all() and maps.min() >= 0 and maps.max() <= 1
        # Grad-CAM of a network that has learnt nothing may find nothing that speaks for a class.
        hot = maps.amax(dim=(1, 2)) == 1
        assert hot.any() if method == "gradcam" else hot.all()
        assert torch.equal(maps, heat(model, *every, method))
        # Each map is its image's and its class's own.
        torch.testing.assert_close(
            heat(model, *(tensor[4:6] for tensor in every), method), maps[4:6], rtol=1e-3, atol=1e-3
        )
        by_class = maps.unflatten(0, (4, 3))
        assert ((by_class - by_class[:1]).abs().amax() > 0.05) == (method == "gradcam")
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters()) and torch.is_grad_enabled()


def by_hand(model: nn.Module, layer: nn.Module, images: torch.Tensor, label: int) -> torch.Tensor:
    """Grad-CAM as the paper writes it, an image at a time, with the whole graph."""
    maps = []
    for image in images:
        kept = []
        handle = layer.register_forward_hook(lambda *arguments, kept=kept: kept.append(arguments[2]))
        logits = model(image[None])
        handle.remove()
        (gradient,) = torch.autograd.grad(logits[0, label], kept[0])
        steps = gradient.mean(dim=0), kept[0].detach().mean(dim=0)
        weights = steps[0].mean(dim=(1, 2))
        cam = torch.relu((weights[:, None, None] * steps[1]).sum(dim=0))
        cam = interpolate(cam[None, None], size=image.shape[1:], mode="bilinear", align_corners=False)[0, 0]
        maps.append((cam - cam.min()) / (cam.max() - cam.min()).clamp(min=1e-30))
    return torch.stack(maps)


@pytest.mark.parametrize(
    ("name", "layer"),
    [("resnet50_hmscam", "trunk.layer4"), ("customcnn_vit", "trunk"), ("neurallnet", "refinement.2")],
)
def test_gradcam_is_that_of_the_paper(name: str, layer: str) -> None:
    """NeurALLNet's is the mean over its time steps of the pointwise convolution of the refinement block."""
    model, images = network(name), pictures(3)
    expected = by_hand(model, model.get_submodule(layer), images, 1)
    torch.testing.assert_close(heat(model, images, torch.ones(3, dtype=torch.int64)), expected, rtol=1e-3, atol=1e-4)


def test_a_spiking_network_is_explained_through_its_surrogate_gradient() -> None:
    """Spikes have no gradient of their own: with the surrogate taken away, nothing reaches the maps."""
    model, images = network("neurallnet"), pictures(4)
    assert model.last_pointwise is model.refinement[2]
    assert heat(model, images, torch.zeros(4, dtype=torch.int64)).amax() == 1
    head = model.head[-1]
    model.head[-1] = Heaviside(head.steps)
    with pytest.raises(RuntimeError):
        heat(model, images, torch.zeros(4, dtype=torch.int64))


class Heaviside(nn.Module):
    """Neurons that let no gradient through."""

    def __init__(self, steps: int) -> None:
        super().__init__()
        self.steps = steps

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.detach() > 1).float()


def test_variants_without_their_parts_are_explained_by_what_is_left() -> None:
    assert network("neurallnet", refinement=False).last_pointwise.out_channels == 128
    assert network("neurallnet", lif_between=True).last_pointwise.out_channels == 64
    assert methods(network("vgg19_mhsa", attention=False)) == ("gradcam",)
    assert methods(network("resnet50_hmscam", modules=("msca",))) == ("gradcam",)
    assert methods(network("customcnn_vit", partner="customcnn")) == ("gradcam", "attention", "rollout")


class Tokens(nn.Module):
    """Two blocks of attention with weights that are given."""

    def __init__(self, weights: list[torch.Tensor]) -> None:
        super().__init__()
        self.logarithms = nn.ParameterList(weight.log() for weight in weights)
        self.blocks = nn.ModuleList(nn.Identity() for _ in weights)
        self.spec = registry.ModelSpec("tokens", "", "", attends="blocks")

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        one = torch.eye(self.logarithms[0].shape[0])[None, None]
        for scores in self.logarithms:
            # Queries times keys are the logarithms, so that the softmax gives the weights.
            nn.functional.scaled_dot_product_attention(scores[None, None].expand(len(x), -1, -1, -1), one, one, scale=1)
        return x.mean(dim=(2, 3))


@pytest.mark.parametrize("class_token", [False, True])
def test_rollout_is_the_product_of_half_attention_and_half_identity(class_token: bool) -> None:
    random, size = torch.Generator().manual_seed(0), 9 + class_token
    first, second = (torch.rand(size, size, generator=random).softmax(dim=1) for _ in range(2))
    images, classes = torch.rand(2, 3, 9, 9), torch.zeros(2, dtype=torch.int64)
    model = Tokens([first, second])
    whole = (second + torch.eye(size)) / 2 @ ((first + torch.eye(size)) / 2)
    for method, matrix in (("rollout", whole), ("attention", second)):
        row = matrix[0, 1:] if class_token else matrix.mean(dim=0)
        enlarged = interpolate(row.view(1, 1, 3, 3), size=(9, 9), mode="bilinear", align_corners=False)[0, 0]
        expected = (enlarged - enlarged.min()) / (enlarged.max() - enlarged.min())
        torch.testing.assert_close(heat(model, images, classes, method)[1], expected)


def test_attention_is_what_the_network_computes() -> None:
    """PyTorch's own layer says what it attends to when it is asked."""
    model, images = network("vgg19_mhsa"), pictures(2)
    with torch.no_grad():
        tokens = model.maps(images).flatten(2).transpose(1, 2)
        _, weights = model.attention.attention(tokens, tokens, tokens, need_weights=True)
    row = weights.mean(dim=1).view(2, 1, 3, 3)
    expected = interpolate(row, size=(SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
    low, high = expected.amin(dim=(1, 2), keepdim=True), expected.amax(dim=(1, 2), keepdim=True)
    maps = heat(model, images, torch.zeros(2, dtype=torch.int64), "attention")
    torch.testing.assert_close(maps, (expected - low) / (high - low), rtol=1e-3, atol=1e-3)


def test_gradcam_finds_what_a_class_is_made_of() -> None:
    """One channel lights up left and speaks for class 0, the other right and for class 1."""
    model = nn.Sequential(nn.Conv2d(3, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    model.spec = registry.ModelSpec("two", "", "", target="0")
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, 0, 0], [0, 1.0, 0]]).view(2, 3, 1, 1))
        model[3].weight.copy_(torch.eye(2))
    image = torch.zeros(1, 3, 8, 8)
    image[0, 0, :, :4] = 1
    image[0, 1, :, 4:] = 1
    left, right = (heat(model, image, torch.tensor([label]))[0] for label in (0, 1))
    assert (left[:, :4] == 1).all() and (left[:, 4:] == 0).all() and torch.equal(right, left.flip(1))


def test_a_method_that_a_network_has_not_is_named() -> None:
    with pytest.raises(LeukoFlowError, match="resnet50 has no method 'rollout'; known: gradcam"):
        heat(network("resnet50"), pictures(1), torch.zeros(1, dtype=torch.int64), "rollout")


def test_blind_maps_know_the_picture_at_most() -> None:
    images = pictures(2)
    assert set(METHODS) & set(REFERENCE_MAPS) == set()
    assert (reference_map(images, "uniform") == 1).all()
    centre = reference_map(images, "centre")
    assert (centre[:, 47:49, 47:49] > 0.99).all() and centre[:, 0, 0].max() < 0.01
    torch.testing.assert_close(centre, centre.flip(1).transpose(1, 2), rtol=1e-5, atol=1e-5)
    step = torch.zeros(1, 3, 16, 16)
    step[:, :, :, 8:] = 1
    edges = reference_map(step, "edges")[0]
    assert (edges[:, 7:9] == 1).all() and (edges[:, :7] == 0).all() and (edges[:, 9:] == 0).all()
