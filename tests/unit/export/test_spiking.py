"""Spiking networks written out over their time steps, against those that train."""

import numpy as np
import pytest
import torch

from leukoflow.export import spiking
from leukoflow.models import registry
from leukoflow.models.layers.lif import LIF


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_spikes_are_those_of_the_neurons(steps: int) -> None:
    torch.manual_seed(0)
    currents = torch.randn(steps * 3, 5, 7) * 2
    fired = spiking.spikes(LIF(steps), list(currents.chunk(steps)))
    wanted = LIF(steps).eval()(currents)
    assert 0.05 < wanted.mean() < 0.95 or steps == 1
    assert torch.equal(torch.cat(fired), wanted)


@pytest.mark.parametrize("steps", [1, 4, 7])
def test_a_constant_current_fires_at_the_same_steps(steps: int) -> None:
    torch.manual_seed(0)
    edges = torch.tensor([2.0, 1.0, 0.0, -1.0])
    current = torch.cat([torch.rand(4000) * 3, edges])
    fired = spiking.constant_spikes(LIF(steps, constant=True), [current][0])
    assert torch.equal(torch.cat(fired), LIF(steps, constant=True).eval()(current))


@pytest.mark.parametrize("threshold", [1.0, -2.0, -16.0, 4 / 3])
@pytest.mark.parametrize("below", [False, True])
def test_the_steep_line_is_a_step(threshold: float, below: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By the numbers that go into the exported operator, at the threshold and at its neighbours."""
    kept: dict[str, float] = {}

    def symbolic(name: str, inputs: tuple, attributes: dict, **_: object) -> torch.Tensor:
        assert name == "HardSigmoid"
        kept.update(attributes)
        return inputs[0]

    monkeypatch.setattr(torch.onnx, "is_in_onnx_export", lambda: True)
    monkeypatch.setattr(torch.onnx.ops, "symbolic", symbolic)
    spiking._reached(threshold, torch.zeros(1), below)
    at = np.float32(threshold)
    x = np.array([np.nextafter(at, np.float32(-99)), at, np.nextafter(at, np.float32(99)), -50, 50], np.float32)
    line = np.clip(np.float32(kept["alpha"]) * x + np.float32(kept["beta"]), 0, 1)
    assert line.tolist() == ((x <= at) if below else (x >= at)).astype(float).tolist()


def test_the_network_gives_the_same_logits() -> None:
    torch.manual_seed(0)
    network = registry.build("neurallnet", 4, "small").train()
    x = torch.rand(4, 3, 48, 48)
    for _ in range(12):
        network(x)
    network.eval()
    with torch.inference_mode():
        wanted = network(x)
        assert wanted.abs().max() > 0.01
        assert torch.allclose(spiking.over_steps(network, x), wanted, atol=1e-6)
