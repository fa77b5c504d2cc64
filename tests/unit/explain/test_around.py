"""Maps before and behind attention, against the networks' own parts run by hand."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cosine_similarity

from leukoflow.explain.around import around_attention, likeness, strongest, without_attention
from leukoflow.models import registry


def network(name: str, **options) -> nn.Module:
    """A network whose batch norms have seen pictures."""
    torch.manual_seed(3)
    model = registry.build(name, 4, "small", **options).train()
    with torch.no_grad():
        model(pictures(8))
    return model.eval()


def pictures(count: int) -> torch.Tensor:
    return torch.rand(count, 3, 96, 96, generator=torch.Generator().manual_seed(0))


def test_of_vgg19_what_goes_into_its_attention_and_comes_out() -> None:
    model, images = network("vgg19_mhsa"), pictures(3)
    with torch.inference_mode():
        before = model.maps(images)
        after = model.attention(before)
    around = around_attention(model, images)
    assert around is not None and around[0].shape == (3, 64, 3, 3)
    assert torch.allclose(around[0], before, atol=1e-5) and torch.allclose(around[1], after, atol=1e-5)
    assert not torch.allclose(around[0], around[1], atol=0.1)
    assert without_attention(model, images) is None
    assert not any(module._forward_hooks for module in model.modules())


@pytest.mark.parametrize("options", [{}, {"shared_blocks": True}, {"partner": "customcnn"}])
def test_of_a_hybrid_the_tokens_before_the_first_and_behind_the_last_block(options: dict) -> None:
    model, images = network("customcnn_vit", blocks=3, **options), pictures(2)
    with torch.inference_mode():
        maps = model.maps(images)
        tokens = model.tokens(maps)
        for block in model.blocks:
            tokens = block(tokens)
    around = around_attention(model, images)
    assert around is not None
    assert torch.allclose(around[0], maps, atol=1e-5)
    assert torch.allclose(around[1], tokens.transpose(1, 2).unflatten(2, maps.shape[2:]), atol=1e-5)


def test_of_hmscam_all_its_modules_together() -> None:
    model, images = network("resnet50_hmscam"), pictures(2)
    with torch.inference_mode():
        before = model.maps(images)
        after = model.attention(before)
    around = around_attention(model, images)
    assert around is not None and len(model.attention) > 1
    assert torch.allclose(around[0], before, atol=1e-5) and torch.allclose(around[1], after, atol=1e-5)


def test_a_class_token_is_no_position() -> None:
    around = around_attention(network("vit_b16"), pictures(2))
    assert around is not None and around[0].shape == around[1].shape == (2, 48, 12, 12)


def test_a_twin_without_attention_has_its_last_maps() -> None:
    model, images = network("vgg19_mhsa", attention=False), pictures(2)
    assert around_attention(model, images) is None
    maps = without_attention(model, images)
    assert maps is not None and torch.equal(maps, model.maps(images))
    # Of an architecture that never attends there is no twin.
    assert without_attention(network("neurallnet"), images) is None


def test_the_strongest_channels_are_those_that_were_planted() -> None:
    maps = torch.full((2, 5, 4, 4), 7.0)
    maps[0, 3, 0, 0], maps[0, 1, 2, 2] = 9, 8
    maps[1, 0, :2], maps[1, 4, 1, 1] = 6, 20
    assert strongest(maps, 2).tolist() == [[3, 1], [4, 0]]
    assert strongest(maps, 9).shape == (2, 5)


def test_likeness_is_the_mean_cosine_of_pairs_of_positions() -> None:
    maps = torch.randn(2, 6, 2, 3)
    tokens = maps.flatten(2).transpose(1, 2)
    pairs = [cosine_similarity(tokens[:, a], tokens[:, b]) for a in range(6) for b in range(6) if a != b]
    assert torch.allclose(likeness(maps), torch.stack(pairs).mean(dim=0), atol=1e-6)
    assert torch.allclose(likeness(maps[:, :, :1, :1].expand(-1, -1, 2, 2)), torch.ones(2))
    assert likeness(maps[:, :, :1, :1]).isnan().all()
