"""NeurALLNet's neurons against SpikingJelly's own, and that no layer is silent."""

import pytest
import torch
from spikingjelly.activation_based import functional, neuron, surrogate

from leukoflow.models import inference, registry
from leukoflow.models.layers import lif
from leukoflow.models.layers.lif import LIF
from leukoflow.models.layers.norm import BatchNorm2d


def reference(x: torch.Tensor, tau: float = 2.0) -> torch.Tensor:
    """SpikingJelly's multi-step neuron on currents [T, ...]."""
    node = neuron.LIFNode(tau=tau, surrogate_function=surrogate.ATan(), detach_reset=True, step_mode="m")
    functional.reset_net(node)
    return node(x)


@pytest.mark.parametrize("tau", [2.0, 1.5, 4.0])
@pytest.mark.parametrize("layout", ["flat", "channels_last"])
@pytest.mark.parametrize("block", [lif._BLOCK, 100])
def test_lif_equals_spikingjelly_in_values_and_gradients(
    tau: float, layout: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lif, "_BLOCK", block)
    torch.manual_seed(0)
    x = (torch.randn(4 * 3, 5, 6, 7) * 1.5 + 0.5).double()
    if layout == "channels_last":
        x = x.contiguous(memory_format=torch.channels_last)
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.randn(x.shape, dtype=x.dtype)
    spikes = LIF(4, tau)(ours)
    expected = reference(theirs.unflatten(0, (4, 3)), tau).flatten(0, 1)
    assert 0.03 < spikes.mean() < 0.6
    assert torch.equal(spikes, expected)
    (spikes * weight).sum().backward()
    (expected * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-10, atol=1e-12)


# Derived from the layout of the full network and what each ablation leaves out.
@pytest.mark.parametrize(
    ("options", "parameters"),
    [
        ({"squeeze_excitation": False}, 239_776), ({"refinement": False}, 249_888), ({"hidden": 64}, 319_776),
        ({"hidden": 0}, 304_032), ({"batch_norm": False}, 332_896), ({"lif_between": True}, 336_544),
        ({"spiking": False}, 336_544), ({"steps": 1}, 336_544), ({"steps": 8}, 336_544),
    ],
)  # fmt: skip
def test_ablations_have_their_own_sizes_and_none_is_silent(options: dict, parameters: int) -> None:
    torch.manual_seed(0)
    model = registry.build("neurallnet", **options)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    images = torch.randint(100, 256, (8, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        model.train()
        for _ in range(3):
            model(inference.to_input(images, torch.device("cpu")))
    rates = inference.mean_firing_rates(model, [images], torch.device("cpu"))
    assert len(rates) == (
        0
        if options.get("spiking") is False
        else 6 - (options in ({"refinement": False}, {"hidden": 0})) + 4 * options.get("lif_between", False)
    )
    assert all(0.02 < rate < 0.3 for rate in rates.values()), rates


def test_between_depthwise_and_pointwise_spikes_are_binary() -> None:
    model = registry.build("neurallnet", size="small", lif_between=True)
    seen = []
    model.stages[0][3].register_forward_hook(lambda layer, args, out: seen.append(args[0]))
    model(torch.rand(2, 3, 32, 32))
    assert set(seen[0].unique().tolist()) == {0.0, 1.0}


def test_the_twin_differs_in_its_neurons_alone() -> None:
    ours, twin = (registry.build("neurallnet", size="small", spiking=kind) for kind in (True, False))
    assert {k: v.shape for k, v in ours.state_dict().items()} == {k: v.shape for k, v in twin.state_dict().items()}
    assert not [module for module in twin.modules() if isinstance(module, LIF)]
    assert sum(isinstance(module, torch.nn.ReLU) for module in twin.modules()) == sum(
        isinstance(module, LIF) for module in ours.modules()
    )


def test_lif_with_a_constant_current_equals_repeating_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lif, "_BLOCK", 5)  # of 24 neurons
    torch.manual_seed(0)
    x = torch.randn(3, 8, dtype=torch.float64) * 2
    ours, theirs = x.clone().requires_grad_(), x.clone().requires_grad_()
    weight = torch.randn(12, 8, dtype=torch.float64)
    (LIF(4, constant=True)(ours) * weight).sum().backward()
    (LIF(4)(theirs.repeat(4, 1)) * weight).sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-12, atol=1e-12)


def test_a_call_leaves_no_trace_in_the_next() -> None:
    model = registry.build("neurallnet", size="small").eval()
    x = torch.rand(2, 3, 32, 32)
    first = model(x)
    model(torch.rand(3, 3, 32, 32))
    assert torch.equal(model(x), first)


def test_no_layer_is_silent_before_training() -> None:
    torch.manual_seed(0)
    model = registry.build("neurallnet")
    images = torch.randint(100, 256, (16, 64, 64, 3), dtype=torch.uint8)
    with torch.no_grad():
        model.train()
        for _ in range(3):
            model(inference.to_input(images, torch.device("cpu")))
    rates = inference.mean_firing_rates(model, [images[:8], images[8:]], torch.device("cpu"))
    assert set(rates) == {"stem", "stage1", "stage2", "stage3", "refinement", "head"}
    assert all(0.05 < rate < 0.3 for rate in rates.values()), rates


def test_firing_rates_are_means_over_all_images() -> None:
    model = registry.build("neurallnet", size="small")
    images = torch.randint(0, 256, (6, 32, 32, 3), dtype=torch.uint8)
    with torch.no_grad():
        model.train()(inference.to_input(images, torch.device("cpu")))
    whole = inference.mean_firing_rates(model, [images], torch.device("cpu"))
    parts = inference.mean_firing_rates(model, [images[:1], images[1:]], torch.device("cpu"))
    assert whole == pytest.approx(parts, abs=1e-6)


def test_other_networks_have_no_firing_rates() -> None:
    model = registry.build("resnet50_hmscam", size="small")
    assert inference.mean_firing_rates(model, [], torch.device("cpu")) == {}


def test_spikes_are_binary_and_strides_change_the_map_not_the_weights() -> None:
    model = registry.build("neurallnet", size="small", strides=[1, 2, 2, 2])
    spikes = model.stem(torch.rand(2, 3, 32, 32))
    assert spikes.shape == (8, 16, 32, 32)
    assert set(spikes.unique().tolist()) <= {0.0, 1.0}


def test_running_statistics_start_as_the_mean_of_the_first_batches() -> None:
    norm = BatchNorm2d(1)
    batches = [torch.randn(4, 1, 3, 3) * 0.1 + mean for mean in (1.0, 2.0, 3.0)]
    for batch in batches:
        norm(batch)
    expected = torch.stack([batch.mean() for batch in batches]).mean()
    torch.testing.assert_close(norm.running_mean[0], expected)
    for _ in range(12):
        norm(batches[0])
    assert norm.momentum == 0.1


@pytest.mark.parametrize("constant", [True, False])
def test_without_a_gradient_the_spikes_are_the_same_to_the_bit(constant: bool) -> None:
    torch.manual_seed(0)
    x = (torch.randn(4, 6, 5, 5) * 2).contiguous(memory_format=torch.channels_last)
    layer = LIF(4, 1.7, constant)
    with torch.no_grad():
        quick = layer(x)
    assert torch.equal(quick, layer(x.requires_grad_())) and 0.05 < quick.mean() < 0.6
