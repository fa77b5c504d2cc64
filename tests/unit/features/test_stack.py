"""The fusion stack: published sizes, what as coded amounts to, files."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn.functional import batch_norm, layer_norm, linear, relu

from leukoflow.core.errors import LeukoFlowError
from leukoflow.features.stack import Stack, StackClassifier, load_stack, names_of, pooled, random_stack, reducer
from leukoflow.models.inference import save_tensors

PUBLISHED = (1536, 4032)
NETWORKS = [{"name": "one", "channels": 16}, {"name": "two", "channels": 24}]
FACTS = {"kind": "deep", "grid": 1, "networks": NETWORKS}


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_published_numbers_of_parameters() -> None:
    with torch.device("meta"):
        stack = Stack(PUBLISHED, 7)
    assert count(stack) == 64_606_514
    assert [count(module) for module in stack.attention] == [2_951_041, 20_326_321]
    assert [count(module) for module in stack.reduce] == [1_575_936, 8_263_680]
    assert count(stack.project) + count(stack.fuse) == 23_614_464
    assert count(stack.factorise) == 7_875_072
    assert stack.out_features == 2048


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="the list of published counts lies next to the data")
def test_the_counts_are_those_of_the_list() -> None:
    file = Path(os.environ["LEUKOFLOW_DATA"]).parent / "param_targets.json"
    if not file.exists():
        pytest.skip("no list of published counts")
    listed = json.loads(file.read_text())["S2"]
    with torch.device("meta"):
        stack = Stack(PUBLISHED, 1)
    assert count(stack) == listed["added_stack"]
    assert count(stack.attention[1]) == listed["sa4032"] and count(stack.attention[0]) == listed["sa1536"]


def by_hand(state: dict[str, torch.Tensor], *means: torch.Tensor) -> torch.Tensor:
    """The stack without any attention, written out from its tensors: means [B, C1], [B, C2] to [B, F]."""

    def dense(name: str, x: torch.Tensor) -> torch.Tensor:
        x = relu(linear(x, state[f"{name}.0.weight"], state[f"{name}.0.bias"]))
        mean, variance = state[f"{name}.2.running_mean"], state[f"{name}.2.running_var"]
        return batch_norm(x, mean, variance, state[f"{name}.2.weight"], state[f"{name}.2.bias"])

    halves = []
    for number, x in enumerate(means):
        x = dense(f"reduce.{number}", x)
        halves.append(linear(x, state[f"project.{number}.weight"], state[f"project.{number}.bias"]))
    x = torch.cat(halves, 1)
    for number in range(2):
        x = relu(linear(x, state[f"fuse.{number}.0.weight"], state[f"fuse.{number}.0.bias"]))
        x = layer_norm(x, x.shape[1:], state[f"fuse.{number}.2.weight"], state[f"fuse.{number}.2.bias"])
    return dense("factorise.1", dense("factorise.0", x))


@pytest.mark.parametrize("grid", [1, 3])
def test_as_coded_the_attention_is_the_identity(grid: int) -> None:
    stack = random_stack((16, 24), grid, "small", 42)
    x = torch.randn(5, 40 * grid**2)
    first, second = x[:, : 16 * grid**2], x[:, 16 * grid**2 :]
    for attention, part, channels in zip(stack.attention, (first, second), (16, 24), strict=True):
        maps = part.reshape(5, channels, grid, grid)
        assert torch.equal(attention(maps), maps)
    means = first.reshape(5, 16, -1).mean(2), second.reshape(5, 24, -1).mean(2)
    torch.testing.assert_close(stack(x), by_hand(stack.state_dict(), *means), rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(pooled(x, (16, 24), grid), torch.cat(means, 1))


def test_without_attention_the_stack_takes_means_whatever_it_learns() -> None:
    stack = random_stack((16, 24), 3, "small", 42, attention=False)
    assert count(stack.attention) == 0 and not any("attention" in name for name in stack.state_dict())
    x = torch.randn(5, 40 * 9)
    means = pooled(x, (16, 24), 3)
    torch.testing.assert_close(
        stack(x), by_hand(stack.state_dict(), means[:, :16], means[:, 16:]), rtol=1e-5, atol=1e-6
    )


@pytest.mark.parametrize("channels", [(16,), (24,)])
def test_the_stack_of_one_network_alone(channels: tuple[int, ...], tmp_path: Path) -> None:
    stack = random_stack(channels, 2, "small", 42)
    x = torch.randn(5, channels[0] * 4)
    means = pooled(x, channels, 2)
    torch.testing.assert_close(stack(x), by_hand(stack.state_dict(), means), rtol=1e-5, atol=1e-6)
    assert stack(x).shape == (5, 256)
    file = tmp_path / "stack.safetensors"
    save_tensors(file, stack.state_dict())
    again = load_stack(file, channels, 2, "small")
    assert again is not None and torch.equal(again(x), stack(x))
    facts = {"kind": "deep", "grid": 2, "networks": [{"name": "one", "channels": channels[0]}]}
    assert names_of(facts, None)[-1] == f"1_one_{channels[0] - 1:04d}"


def test_attention_weighs_positions_once_gamma_is_not_zero() -> None:
    attention = random_stack((16, 24), 3, "small", 42).attention[0]
    maps = torch.randn(2, 16, 3, 3)
    with torch.no_grad():
        attention.gamma.fill_(0.5)
    flat = maps.flatten(2).transpose(1, 2)  # [B, N, C]
    query, key, value = (
        linear(flat, layer.weight[:, :, 0, 0], layer.bias)
        for layer in (attention.query, attention.key, attention.value)
    )
    expected = torch.empty_like(flat)
    for image in range(2):
        for i in range(9):
            weights = torch.stack([query[image, i] @ key[image, j] for j in range(9)]).softmax(0)
            expected[image, i] = flat[image, i] + 0.5 * (weights[:, None] * value[image]).sum(0)
    torch.testing.assert_close(attention(maps).flatten(2).transpose(1, 2), expected, rtol=1e-4, atol=1e-5)


def test_as_coded_depends_on_the_seed_alone() -> None:
    torch.manual_seed(1)
    before = torch.random.get_rng_state()
    first = random_stack((16, 24), 1, "small", 42)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.manual_seed(2)
    second, other = random_stack((16, 24), 1, "small", 42), random_stack((16, 24), 1, "small", 43)
    x = torch.randn(4, 40)
    assert torch.equal(first(x), second(x)) and not torch.equal(first(x), other(x))
    assert not first.training


def test_gradient_reaches_every_parameter_of_a_trained_stack() -> None:
    model = StackClassifier(Stack((16, 24), 2, "small"), 3)
    for block in model.stack.attention:
        nn.init.constant_(block.gamma, 0.1)
    nn.functional.cross_entropy(model(torch.randn(8, 160)), torch.arange(8) % 3).backward()
    # A bias of the keys shifts all scores of a position alike: softmax does not see it.
    blind = {"stack.attention.0.key.bias", "stack.attention.1.key.bias"}
    missed = {name for name, parameter in model.named_parameters() if not parameter.grad.abs().sum() > 1e-9}
    assert missed <= blind


def test_a_stack_survives_a_file_and_foreign_ones_are_named(tmp_path: Path) -> None:
    stack = random_stack((16, 24), 1, "small", 1)
    file = tmp_path / "stack.safetensors"
    save_tensors(file, stack.state_dict())
    again = load_stack(file, (16, 24), 1, "small")
    x = np.random.default_rng(0).normal(size=(300, 40)).astype(np.float32)
    assert again is not None and not again.training
    made = reducer(FACTS, again, torch.device("cpu"))(x)
    np.testing.assert_allclose(made, stack(torch.from_numpy(x)).detach(), rtol=1e-4, atol=1e-5)
    assert made.shape == (300, 256) and made.dtype == np.float32
    with pytest.raises(LeukoFlowError, match="stack.safetensors"):
        load_stack(file, (16, 25), 1, "small")
    save_tensors(file, {})
    assert load_stack(file, (16, 24), 1, "small") is None
    file.write_bytes(b"no tensors")
    with pytest.raises(LeukoFlowError, match="stack.safetensors"):
        load_stack(file, (16, 24), 1, "small")


def test_without_a_stack_features_are_means_and_morphology_stays_as_it_is() -> None:
    rows = np.random.default_rng(0).normal(size=(3, 160)).astype(np.float32)
    cpu = torch.device("cpu")
    made = reducer({**FACTS, "grid": 2}, None, cpu)(rows)
    np.testing.assert_allclose(made, rows.reshape(3, 40, 4).mean(2), rtol=1e-5, atol=1e-6)
    names = names_of(FACTS, None)
    assert len(set(names)) == 40 and names[15:17] == ["1_one_0015", "2_two_0000"]
    assert len(set(names_of(FACTS, random_stack((16, 24), 1, "small", 0)))) == 256
    morphology = {"kind": "morphology", "names": ["area_median", "cells"]}
    assert names_of(morphology, None) == ["area_median", "cells"]
    odd = np.array([[np.nan, 2.0]], np.float32)
    np.testing.assert_array_equal(reducer(morphology, None, cpu)(odd), odd)
