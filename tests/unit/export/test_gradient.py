"""Heat as a network of its own, against automatic differentiation."""

import copy
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn.functional import adaptive_avg_pool2d, interpolate

from leukoflow.explain.heat import attention_maps, attention_methods, heat, stretched
from leukoflow.export.folder import TOLERANCE
from leukoflow.export.gradient import _pool_backward, inputs_of, tail
from leukoflow.export.maps import explained
from leukoflow.export.network import Exported
from leukoflow.export.onnx import write_onnx
from leukoflow.models import registry
from leukoflow.runtime.sessions import session

SIDE = 64


@pytest.mark.parametrize(("name", "looks_past"), [("vgg19_mhsa", False), ("vit_b16", True), ("alexnet", False)])
def test_the_tail_gives_grad_cam(name: str, looks_past: bool) -> None:
    torch.manual_seed(0)
    model = registry.build(name, 4, "small").eval()
    pictures = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)
    exported = Exported(model)
    index = exported.outputs.index("maps")
    with torch.no_grad():
        example, maps = (exported(batch)[index] for batch in (pictures[:1], pictures[1:]))
    network = tail(copy.deepcopy(model), pictures[:1], [example])
    names = inputs_of(network)
    assert names == ["maps", "label", "images"][: 2 + looks_past]
    label = torch.tensor([2])
    with torch.no_grad():
        (cam,) = network(*(maps, label, pictures[1:])[: len(names)])
    wanted = heat(model, pictures[1:].permute(0, 3, 1, 2).float() / 255, label)
    whole = interpolate(cam[:, None], size=(SIDE, SIDE), mode="bilinear", align_corners=False)[:, 0]
    assert wanted.max() == 1 and (stretched(whole) - wanted).abs().max() < 1e-4


@pytest.mark.parametrize("name", ["resnet50_hmscam", "vgg19_mhsa", "customcnn_vit"])
def test_attention_comes_out_of_the_exported_network(name: str, tmp_path: Path) -> None:
    """A gate, one block, two blocks: ONNX Runtime's maps are those by which a study explains, and have names."""
    torch.manual_seed(0)
    model = registry.build(name, 4, "small").eval()
    pictures = torch.randint(0, 256, (2, SIDE, SIDE, 3), dtype=torch.uint8)
    exported = Exported(model)
    write_onnx(tmp_path / "model.onnx", exported, (pictures,), ["images"], exported.outputs)
    arrays = session((tmp_path / "model.onnx").read_bytes(), "").run(None, {"images": pictures.numpy()})
    outputs = dict(zip(exported.outputs, arrays, strict=True))
    x = pictures.permute(0, 3, 1, 2).float() / 255
    with torch.inference_mode():
        assert np.abs(outputs["logits"] - model(x).numpy()).max() <= TOLERANCE
    every = attention_methods(model)
    assert every == (("attention", "rollout") if name == "customcnn_vit" else ("attention",))
    for method, maps in attention_maps(model, x).items():
        assert maps.std() > 0 and np.abs(outputs[method] - maps.numpy()).max() < 1e-5
    if name == "resnet50_hmscam":
        gates = {type(module).__name__: module.weights(model.maps(x)).detach() for module in list(model.attention)[:1]}
        (gate,) = gates.values()  # of MSCA, which reads the trunk's maps themselves
        assert list(explained(model)["inside"])[:2] == ["MSCA, mean", "MSCA, spread"]
        wanted = torch.stack([gate.mean(dim=1), gate.std(dim=1, correction=0)], dim=1).numpy()
        assert np.abs(outputs["inside"][:, :2] - wanted).max() < 1e-5 and outputs["inside"].shape == (2, 4)
    titles = {kind["name"]: kind["title"] for kind in explained(model)["maps"]}
    assert titles["gradcam"] == "Grad-CAM" and list(titles) == ["gradcam", *every]
    assert titles["attention"] == ("Spatial gate of HMSCAM" if name == "resnet50_hmscam" else "Attention, last block")


def test_pooling_goes_back_as_autograd_says() -> None:
    x = torch.rand(2, 3, 7, 5, requires_grad=True)
    gradient = torch.rand(2, 3, 3, 2)
    (wanted,) = torch.autograd.grad(adaptive_avg_pool2d(x, (3, 2)), x, gradient)
    assert torch.allclose(_pool_backward(gradient, x), wanted, atol=1e-6)
