"""Every architecture's features are those that its last layer makes the logits from."""

import pytest
import torch
from torch import nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models import registry
from leukoflow.models.penultimate import collect, features_and_logits, last_linear

NETWORKS = [name for name in registry.names() if registry.spec(name).fitting == "gradient"]


def built(name: str) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    spec = registry.spec(name)
    if spec.reads == "features":
        return registry.build(name, 3, "small", inputs=40).eval(), torch.rand(5, 40)
    return registry.build(name, 3, "small").eval(), torch.rand(5, 3, 64, 64)


@pytest.mark.parametrize("name", NETWORKS)
@torch.inference_mode()
def test_the_last_layer_makes_the_logits_from_the_features(name: str) -> None:
    model, images = built(name)
    features, logits = features_and_logits(model, images)
    layer = last_linear(model)
    assert layer is not None and features.shape == (5, layer.in_features) and logits.shape == (5, 3)
    assert torch.allclose(layer(features), logits, atol=1e-5)
    assert torch.equal(logits, model(images)) and not layer._forward_pre_hooks
    # An image's features do not depend on those next to it.
    assert torch.allclose(features_and_logits(model, images[1:3])[0], features[1:3], atol=1e-4)


@torch.inference_mode()
def test_two_trunks_with_one_head_are_averaged() -> None:
    torch.manual_seed(0)
    options = {"partner": "customcnn", "fusion": True}
    model = registry.build("customcnn_vit", 3, "small", **options).eval()
    features, logits = features_and_logits(model, torch.rand(4, 3, 32, 32))
    assert torch.allclose(last_linear(model)(features), logits, atol=1e-5)  # type: ignore[misc]


def test_the_forest_has_its_histogram_and_other_models_say_so() -> None:
    model = registry.build("colour_histogram", 3, "small").eval()
    batches = [torch.randint(0, 256, (count, 16, 16, 3), dtype=torch.uint8) for count in (4, 3)]
    features, logits = collect(model, batches, torch.device("cpu"))
    assert features.shape == (7, 48) and torch.allclose(features.sum(1), torch.full((7,), 3.0))
    assert logits.exp().sum(1) == pytest.approx(torch.ones(7))
    with pytest.raises(LeukoFlowError, match="no linear layer"):
        features_and_logits(nn.Identity(), torch.rand(1, 2))
