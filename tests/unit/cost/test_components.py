"""Components of networks: shapes and counts against published ones, and who feeds whom in a network made for it."""

import pytest
import torch
from torch import nn

from leukoflow.cost.components import INPUT, OUTPUT, components
from leukoflow.models import registry

NETWORKS = [name for name in registry.names() if registry.spec(name).fitting == "gradient"]


def built(name: str, **options):
    with torch.device("meta"):
        model = registry.build(name, 4, **options)
        features = model.spec.reads == "features"
        x = torch.empty(1, 2000) if features else torch.empty(1, 3, 224, 224)
        return model, {component.name: component for component in components(model, x)}


@pytest.mark.parametrize("name", NETWORKS)
def test_parameters_of_the_components_are_those_of_the_network(name: str) -> None:
    model, parts = built(name)
    assert sum(part.parameters for part in parts.values()) == sum(parameter.numel() for parameter in model.parameters())
    order = list(parts)
    assert order[0] == INPUT and order[-1] == OUTPUT and parts[OUTPUT].gives == (4,)
    for index, part in enumerate(parts.values()):
        assert all(order.index(source) < index for source in part.sources)
        assert part.sources or part.name == INPUT or "(own)" in part.name, part.name


class Gated(nn.Module):
    """Two gates on one convolution, a residual, a neuron that PyTorch cannot follow, and a parameter of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.convolution = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.gates = nn.ModuleList(nn.Linear(8, 8) for _ in range(2))
        self.neuron = Hidden()
        self.scale = nn.Parameter(torch.ones(1))
        self.head = nn.Linear(8, 2)
        self.never = nn.Linear(3, 3)

    def forward(self, x):
        maps = self.convolution(x)
        pooled = maps.mean(dim=(2, 3))
        gate = self.gates[0](pooled) + self.gates[1](pooled)
        return self.head(self.neuron(maps + maps * gate[:, :, None, None]).mean(dim=(2, 3)) * self.scale)


class Hidden(nn.Module):
    def forward(self, x):
        return _Copy.apply(x)


class _Copy(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        return x.clone()


@pytest.mark.parametrize("device", ["cpu", "meta"])
def test_what_feeds_what_is_followed_through_the_operations_between(device: str) -> None:
    with torch.device(device):
        parts = {part.name: part for part in components(Gated(), torch.zeros(1, 3, 16, 16))}
    sources = {name: part.sources for name, part in parts.items()}
    assert sources == {
        "input": (),
        "convolution": ("input",),
        "gates.0": ("convolution",),
        "gates.1": ("convolution",),
        "add 1": ("gates.0", "gates.1"),
        "multiply 1": ("convolution", "add 1"),
        "add 2": ("convolution", "multiply 1"),
        "head": ("add 2",),
        "(own)": (),
        "never (own)": (),
        "output": ("head",),
    }
    assert parts["convolution"].takes == (3, 16, 16) and parts["convolution"].gives == (8, 8, 8)
    assert parts["multiply 1"].gives == (8, 8, 8) and parts["head"].gives == (2,)


def test_a_component_that_runs_twice_is_listed_once() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 4)

        def forward(self, x):
            return self.layer(self.layer(x))

    parts = {part.name: part for part in components(Twice(), torch.zeros(1, 4))}
    assert (parts["layer"].calls, parts["layer"].parameters) == (2, 20)


def test_the_parts_of_hmscam_are_those_of_its_parameter_table() -> None:
    """18,110,957 for modules and head, on a trunk of 23,508,032."""
    _, parts = built("resnet50_hmscam")
    sizes = {name: part.parameters for name, part in parts.items()}
    assert sum(size for name, size in sizes.items() if name.startswith("trunk.")) == 23_508_032
    assert sum(size for name, size in sizes.items() if name.startswith(("attention.", "head"))) == 18_110_957
    assert (sizes["attention.0.gates.0"], sizes["attention.0.gates.1"], sizes["head"]) == (526_464, 264_256, 8_196)
    context = ("attention.1.value", "attention.1.theta", "attention.1.phi", "attention.1.out")
    assert sum(sizes[name] for name in context) == 16_785_408
    assert sum(sizes[f"attention.1.spatial.{number}"] for number in range(3)) == 169
    assert parts["attention.1.spatial.2"].sources == ("add 1",) and parts["trunk.layer4"].gives == (2048, 7, 7)


def test_blocks_of_the_hybrids_and_squeezes_of_neurallnet() -> None:
    _, parts = built("resnet50_vit")
    assert sum(part.parameters for name, part in parts.items() if name.startswith("blocks.0.")) == 167_841_792
    assert parts["attention 1"].sources == ("blocks.0.query", "blocks.0.key", "blocks.0.value")
    _, spiking = built("neurallnet")
    assert spiking["stages.1.0"].sources == ("stages.0.4",)  # through neurons
    assert sum(part.parameters for part in spiking.values()) == 336_544
