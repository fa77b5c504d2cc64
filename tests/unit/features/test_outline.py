"""The whole way of HybridCN-NAS without weights, against the counts of its published parts."""

import torch

from leukoflow.config.features import DeepFeatures
from leukoflow.cost.components import components
from leukoflow.features.outline import Outline
from leukoflow.models import registry


def outline(**changes) -> dict:
    settings = {"kind": "deep", "backbones": [{"name": "convnext_large"}, {"name": "nasnetalarge"}], "grid": 7}
    with torch.device("meta"):
        model = Outline(DeepFeatures.model_validate(settings | changes), registry.build("hybridcn_nas", 4), 2000)
        return {component.name: component for component in components(model, torch.empty(1, 3, 224, 224))}


def test_published_networks_and_stack() -> None:
    parts = outline()
    sizes = {name: part.parameters for name, part in parts.items()}
    assert sizes["networks.convnext_large"] == 196_227_264
    assert (sizes["stack.attention.0"], sizes["stack.attention.1"]) == (2_951_041, 20_326_321)
    assert (sizes["stack.reduce.0"], sizes["stack.reduce.1"]) == (1_575_936, 8_263_680)
    assert sum(size for name, size in sizes.items() if name.startswith("stack.")) == 64_606_514
    assert parts["networks.nasnetalarge"].gives == (4032, 7, 7) and parts["classifier.embed"].takes == (20, 100)
    assert parts["stack.reduce.1"].sources == ("stack.attention.1",)


def test_without_a_stack_the_pooled_maps_are_read() -> None:
    parts = outline(stack="none")
    assert not any(name.startswith("stack") for name in parts)
    assert parts["concatenate 1"].gives == (1536 + 4032,)
    assert parts["classifier.embed"].sources == ("concatenate 1",)
