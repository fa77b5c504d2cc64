"""Norm, gate and neurons as one operation: values, gradients and statistics of the layers one by one."""

import pytest
import torch
from torch import nn
from torch.nn.functional import cross_entropy

from leukoflow.models import neurallnet, registry
from leukoflow.models.layers import fused
from leukoflow.models.layers.lif import LIF
from leukoflow.models.layers.norm import BatchNorm2d
from leukoflow.models.layers.squeeze_excitation import SqueezeExcitation

OPTIONS = (
    {}, {"squeeze_excitation": False}, {"refinement": False}, {"lif_between": True}, {"spiking": False}, {"steps": 1},
    {"steps": 3}, {"hidden": 0}, {"strides": [1, 2, 2, 1]},
)  # fmt: skip
Passed = tuple[torch.Tensor, dict[str, torch.Tensor], dict[str, torch.Tensor]]


def passed(monkeypatch: pytest.MonkeyPatch, together: bool, images: int = 3, **options) -> Passed:
    """Logits, gradients and statistics after two passes in 64 bits."""
    monkeypatch.setattr(neurallnet, "FUSED", together)
    torch.manual_seed(0)
    model = registry.build("neurallnet", 4, "small", **options).double().train()
    for parameter in model.parameters():
        if parameter.dim() == 1:  # shifts of norms start at 0, which would hide faults in them
            parameter.data.add_(0.3 * torch.rand_like(parameter))
    for _ in range(2):
        x = torch.rand(images, 3, 40, 24, dtype=torch.float64)
        logits = model(x)
        cross_entropy(logits, torch.arange(images) % 4).backward()
    gradients = {name: value.grad for name, value in model.named_parameters()}
    return logits.detach(), gradients, dict(model.named_buffers())


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equal_to_the_layers_one_by_one(options: dict, monkeypatch: pytest.MonkeyPatch) -> None:
    ours, plain = passed(monkeypatch, True, **options), passed(monkeypatch, False, **options)
    torch.testing.assert_close(ours[0], plain[0], rtol=1e-9, atol=1e-11)
    for mine, theirs in zip(ours[1:], plain[1:], strict=True):
        assert mine.keys() == theirs.keys()
        for name, value in mine.items():
            torch.testing.assert_close(value, theirs[name], rtol=1e-7, atol=1e-10, msg=lambda m, n=name: f"{n}: {m}")
    assert len(ours[1]) > 5 and all(float(value.abs().max()) > 0 for value in ours[1].values())


def test_a_block_runs_fused_where_it_can_and_layer_by_layer_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    for name in ("normed_fire", "normed_pointwise"):
        made = getattr(fused, name)
        monkeypatch.setattr(fused, name, lambda *args, made=made, name=name: seen.append(name) or made(*args))
    model = registry.build("neurallnet", 4, "small").train()
    x = torch.rand(2, 3, 32, 32)
    model(x)
    # The stem's neurons; norm and neurons of three stages and of the refinement.
    assert seen == ["normed_fire", *["normed_pointwise", "normed_fire"] * 4]
    seen.clear()
    model.eval()(x)
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        model(x)
    model.stages[0][1].eval()  # a norm that is held still
    model.stages[0](torch.rand(8, 16, 8, 8))
    assert not seen
    model.train()
    with torch.no_grad():
        model(x)
    assert len(seen) == 9


@pytest.mark.parametrize("momentum", [0.1, None])
def test_statistics_follow_as_those_of_pytorch(momentum: float | None) -> None:
    torch.manual_seed(0)
    ours, theirs = BatchNorm2d(5), nn.BatchNorm2d(5)
    for norm in (ours, theirs):
        norm.warm, norm.momentum = True, momentum
    neurons = LIF(4, constant=True)
    for scale in (1.0, 3.0, 0.2):
        x = torch.randn(6, 5, 4, 4) * scale + scale
        fused.normed_fire(x, ours, None, neurons)
        theirs(x)
    for name, value in theirs.state_dict().items():
        torch.testing.assert_close(ours.state_dict()[name], value, rtol=1e-5, atol=1e-6)


def test_the_number_of_threads_changes_no_bit() -> None:
    torch.manual_seed(0)
    norm, gate, neurons = BatchNorm2d(8).train(), SqueezeExcitation(8), LIF(4)
    nn.init.constant_(norm.weight, 3.0)
    x = torch.randn(4 * 5, 8, 9, 7) * 2
    weight = torch.randn(x.shape)
    threads, seen = torch.get_num_threads(), []
    try:
        for number in (1, 2, 3):
            torch.set_num_threads(number)
            given = x.clone().requires_grad_()
            spikes = fused.normed_fire(given, norm, gate, neurons)
            (spikes * weight).sum().backward()
            seen.append((spikes.detach(), given.grad))
    finally:
        torch.set_num_threads(threads)
    assert 0.02 < float(seen[0][0].mean()) < 0.6
    for spikes, gradient in seen[1:]:
        assert torch.equal(spikes, seen[0][0])
        torch.testing.assert_close(gradient, seen[0][1], rtol=1e-6, atol=1e-7)
