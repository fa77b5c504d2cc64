"""NeurALLNet: a convolutional spiking network with squeeze-and-excitation, 336,544 parameters.

Hassan, Shanto, Hasan, Momen: Digital Health 2026, doi 10.1177/20552076261466149. The paper gives the blocks, the total
and the cost of its convolutions; the widths follow from the total: every convolution and linear layer free of bias,
batch norm behind each but the last, squeeze-and-excitation with reduction 4 in the three stages.
"""

from types import MappingProxyType

import torch
from torch import Tensor, nn

from leukoflow.models.layers.lif import LIF
from leukoflow.models.layers.norm import BatchNorm1d, BatchNorm2d
from leukoflow.models.layers.squeeze_excitation import SqueezeExcitation
from leukoflow.models.spec import ModelSpec

SPEC = ModelSpec(
    name="neurallnet",
    title="NeurALLNet",
    source="Hassan et al. 2026, doi 10.1177/20552076261466149",
    sizes=MappingProxyType(
        {
            "paper": {"widths": (48, 96, 192, 384), "refined": 256, "hidden": 128},
            "small": {"widths": (16, 32, 64, 128), "refined": 64, "hidden": 32},
        }
    ),
    input_size=224,
    parameters=336_544,
)

# A neuron with tau 2 and threshold 1 fires in four steps where its current exceeds 1.07. Unit-variance currents, halved
# by a fresh squeeze-and-excitation gate, hardly ever do: the layer stays silent and learns nothing. This scale lets
# about 14 % of the neurons fire at the start.
_CURRENT_SD = 1.4


def build(
    num_classes: int,
    widths: tuple[int, int, int, int],
    refined: int,
    hidden: int,
    strides: tuple[int, int, int, int] = (2, 2, 2, 2),
    steps: int = 4,
) -> "NeurALLNet":
    """Build the network; see NeurALLNet."""
    return NeurALLNet(num_classes, widths, refined, hidden, strides, steps)


class NeurALLNet(nn.Module):
    """Stem, three depthwise separable stages with gates, a refinement block, pooling, a spiking head.

    The same image is shown at each of `steps` time steps (direct coding) and the logits are averaged over them. Input
    float32 [B, 3, H, W] in [0, 1], output float32 [B, K]. `strides` are those of the stem and the three stages.
    """

    def __init__(
        self,
        num_classes: int,
        widths: tuple[int, int, int, int],
        refined: int,
        hidden: int,
        strides: tuple[int, int, int, int],
        steps: int,
    ) -> None:
        super().__init__()
        self.steps = steps
        self.stem = nn.Sequential(
            nn.Conv2d(3, widths[0], 3, strides[0], 1, bias=False), BatchNorm2d(widths[0]), LIF(steps, constant=True)
        )
        pairs = zip(widths, widths[1:], strides[1:], strict=False)
        stages = [_separable(*pair, steps, gate=True) for pair in pairs]
        self.stages = nn.Sequential(*stages)
        self.refinement = _separable(widths[-1], refined, 1, steps, gate=False)
        self.head = nn.Sequential(nn.Linear(refined, hidden, bias=False), BatchNorm1d(hidden), LIF(steps))
        self.classifier = nn.Linear(hidden, num_classes, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        for block in (self.stem, *self.stages, self.refinement, self.head):
            gated = any(isinstance(layer, SqueezeExcitation) for layer in block)
            norm = [layer for layer in block if isinstance(layer, (BatchNorm1d, BatchNorm2d))][-1]
            nn.init.constant_(norm.weight, _CURRENT_SD * (2 if gated else 1))

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        # The stem sees the same image at every step: its convolution runs once, its neurons `steps` times.
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        x = self.refinement(self.stages(x))
        logits = self.classifier(self.head(x.mean(dim=(2, 3))))
        return logits.unflatten(0, (self.steps, -1)).mean(dim=0)

    def firing_rates(self) -> dict[str, float]:
        """Mean spikes per neuron and step of each layer, in the last call in evaluation mode; in [0, 1]."""
        names = ["stem", *(f"stage{number}" for number in range(1, len(self.stages) + 1)), "refinement", "head"]
        neurons = [each for each in self.modules() if isinstance(each, LIF)]
        return {name: float(each.firing_rate) for name, each in zip(names, neurons, strict=True)}  # type: ignore[arg-type]


def _separable(inputs: int, outputs: int, stride: int, steps: int, gate: bool) -> nn.Sequential:
    """Depthwise 3x3 and pointwise convolution, each with batch norm; the gate comes before the neurons, so that what
    leaves the block is spikes."""
    layers = [
        nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
        BatchNorm2d(inputs),
        nn.Conv2d(inputs, outputs, 1, bias=False),
        BatchNorm2d(outputs),
    ]
    return nn.Sequential(*layers, *([SqueezeExcitation(outputs)] if gate else []), LIF(steps))
