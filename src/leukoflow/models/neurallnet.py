"""NeurALLNet: a convolutional spiking network with squeeze-and-excitation, 336,544 parameters.

Hassan, Shanto, Hasan, Momen: Digital Health 2026, doi 10.1177/20552076261466149. The paper gives the blocks, the total
and the cost of its convolutions; the widths follow from the total: every convolution and linear layer free of bias,
batch norm behind each but the last, squeeze-and-excitation with reduction 4 in the three stages.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
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
    backbone=("stem.", "stages.", "refinement."),
    target="last_pointwise",
)

# A neuron with tau 2 and threshold 1 fires in four steps where its current exceeds 1.07. Unit-variance currents, halved
# by a fresh squeeze-and-excitation gate, hardly ever do: the layer stays silent and learns nothing. This scale lets
# about 14 % of the neurons fire at the start.
_CURRENT_SD = 1.4
FUSED = True
"""Whether blocks are computed by `layers.fused` if that can be; for comparison with the layers one by one."""
_FIRING = 0.07
"""Mean square of spikes at the start, without batch norm."""


def build(num_classes: int, **options: Any) -> "NeurALLNet":
    """Build the network; see NeurALLNet."""
    return NeurALLNet(num_classes, **options)


class NeurALLNet(nn.Module):
    """Stem, three depthwise separable stages with gates, a refinement block, pooling, a spiking head.

    The same image is shown at each of `steps` time steps (direct coding) and the logits are averaged over them. Input
    float32 [B, 3, H, W] in [0, 1], output float32 [B, K]. `strides` are those of the stem and the three stages.

    Ablations: no gates (`squeeze_excitation`), no `refinement`, another `hidden` width (0: no hidden layer), no
    `batch_norm`. `lif_between` puts neurons between depthwise and pointwise convolution, which adds no parameter and
    makes every pointwise input binary. Not `spiking`, it is its like-for-like twin: ReLU for every neuron, one step.
    """

    def __init__(
        self,
        num_classes: int,
        widths: tuple[int, int, int, int],
        refined: int,
        hidden: int,
        strides: tuple[int, int, int, int] = (2, 2, 2, 2),
        steps: int = 4,
        squeeze_excitation: bool = True,
        refinement: bool = True,
        batch_norm: bool = True,
        lif_between: bool = False,
        spiking: bool = True,
    ) -> None:
        super().__init__()
        if steps < 1 or hidden < 0:
            raise LeukoFlowError("models: neurallnet needs at least one step, and no hidden layer of negative width")
        self.steps = steps if spiking else 1
        self.spiking = spiking
        self.lif_between = lif_between
        parts = _Parts(self.steps, spiking, batch_norm, squeeze_excitation, lif_between)
        self.stem = Block(
            nn.Conv2d(3, widths[0], 3, strides[0], 1, bias=False), *parts.norm(widths[0]), parts.neurons(constant=True)
        )
        pairs = zip(widths, widths[1:], strides[1:], strict=False)
        self.stages = nn.Sequential(*(parts.separable(*pair, gate=True) for pair in pairs))
        self.refinement = parts.separable(widths[-1], refined, 1, gate=False) if refinement else nn.Sequential()
        pooled = refined if refinement else widths[-1]
        self.head = nn.Sequential()
        if hidden:
            norm = [BatchNorm1d(hidden)] if batch_norm else []
            self.head = nn.Sequential(nn.Linear(pooled, hidden, bias=False), *norm, parts.neurons())
        self.classifier = nn.Linear(hidden or pooled, num_classes, bias=False)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out")
        if not self.spiking:
            return
        for block in (self.stem, *self.stages, self.refinement, self.head):
            scale = _CURRENT_SD * (2 if any(isinstance(layer, SqueezeExcitation) for layer in block) else 1)
            norms = [layer for layer in block if isinstance(layer, (BatchNorm1d, BatchNorm2d))]
            if norms:
                for norm in norms[:-1] if self.lif_between else []:
                    nn.init.constant_(norm.weight, _CURRENT_SD)
                nn.init.constant_(norms[-1].weight, scale)
            else:
                _scale_weights(block, scale, 0.5 if block is self.stem else _FIRING)

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        logits = self.classifier(self.head(self._spikes(x).mean(dim=(2, 3))))
        return logits.unflatten(0, (self.steps, -1)).mean(dim=0)

    def maps(self, x: Tensor) -> Tensor:
        """The last maps of spikes, averaged over the steps."""
        return self._spikes(x).unflatten(0, (self.steps, -1)).mean(dim=0)

    def _spikes(self, x: Tensor) -> Tensor:
        """Maps of all steps, [steps * B, C, h, w]."""
        # The stem sees the same image at every step: its convolution runs once, its neurons `steps` times.
        x = self.stem(x.contiguous(memory_format=torch.channels_last))
        return self.refinement(self.stages(x))

    @property
    def last_pointwise(self) -> nn.Module:
        """The last convolution, of the refinement block if there is one: currents of all steps."""
        return [layer for layer in self.modules() if isinstance(layer, nn.Conv2d)][-1]

    @property
    def firing_rates(self) -> Callable[[], dict[str, float]] | None:
        """Mean spikes per neuron and step of each layer, in the last call in evaluation mode; in [0, 1]. None for the
        twin that does not spike."""
        return self._firing_rates if self.spiking else None

    def _firing_rates(self) -> dict[str, float]:
        return {name: float(layer.firing_rate) for name, layer in self._layers()}  # type: ignore[arg-type]

    def layer_names(self) -> list[str]:
        """Names of the spiking layers, in the order of running."""
        return [name for name, _ in self._layers()]

    def _layers(self) -> list[tuple[str, LIF]]:
        names = ["stem", *(f"stage{number}" for number in range(1, len(self.stages) + 1)), "refinement", "head"]
        neurons = []
        for name, block in zip(names, (self.stem, *self.stages, self.refinement, self.head), strict=True):
            layers = [layer for layer in block.modules() if isinstance(layer, LIF)]
            neurons += [(name if layer is layers[-1] else f"{name} depthwise", layer) for layer in layers]
        return neurons


class Block(nn.Sequential):
    """Layers one after the other; in training on a processor, norms are computed together with what follows them."""

    def forward(self, x: Tensor) -> Tensor:
        """Maps to maps, of spikes if the block has neurons."""
        if not FUSED or not self._fusable(x):
            return super().forward(x)  # type: ignore[no-any-return]
        # Imported here because Numba takes a quarter of a second, and only training needs it.
        from leukoflow.models.layers import fused

        layers = list(self)
        while layers:
            layer, *layers = layers
            gate: SqueezeExcitation | None = None
            after = layers[0] if layers else None
            if isinstance(after, SqueezeExcitation):
                gate, after = after, layers[1]
            if isinstance(layer, BatchNorm2d) and isinstance(after, LIF):
                x = fused.normed_fire(x, layer, gate, after)
                layers = layers[1 if gate is None else 2 :]
            elif isinstance(layer, BatchNorm2d) and isinstance(after, nn.Conv2d) and after.kernel_size == (1, 1):
                x = fused.normed_pointwise(x, layer, after)
                layers = layers[1:]
            else:
                x = layer(x)
        return x

    def _fusable(self, x: Tensor) -> bool:
        """Whether all of this happens on a processor, in training, in 32 or 64 bits."""
        norms = [layer for layer in self if isinstance(layer, BatchNorm2d)]
        return (
            x.device.type == "cpu"
            and x.dtype in (torch.float32, torch.float64)
            and bool(norms)
            and all(norm.training for norm in norms)
            and not torch.is_autocast_enabled("cpu")
            and not torch.compiler.is_compiling()
        )


@dataclass(frozen=True)
class _Parts:
    """What blocks are made of."""

    steps: int
    spiking: bool
    batch_norm: bool
    gates: bool
    lif_between: bool

    def neurons(self, constant: bool = False) -> nn.Module:
        return LIF(self.steps, constant=constant) if self.spiking else nn.ReLU()

    def norm(self, channels: int) -> list[nn.Module]:
        return [BatchNorm2d(channels)] if self.batch_norm else []

    def separable(self, inputs: int, outputs: int, stride: int, gate: bool) -> nn.Sequential:
        """Depthwise 3x3 and pointwise convolution, each with batch norm; the gate comes before the neurons, so that
        what leaves the block is spikes."""
        return Block(
            nn.Conv2d(inputs, inputs, 3, stride, 1, groups=inputs, bias=False),
            *self.norm(inputs),
            *([self.neurons()] if self.lif_between else []),
            nn.Conv2d(inputs, outputs, 1, bias=False),
            *self.norm(outputs),
            *([SqueezeExcitation(outputs)] if gate and self.gates else []),
            self.neurons(),
        )


def _scale_weights(block: nn.Sequential, scale: float, mean_square: float) -> None:
    """If no batch norm does it, currents are scaled by the weights: the last layer's to `scale`, the others' to 1,
    from inputs of this mean square."""
    layers = [layer for layer in block if isinstance(layer, (nn.Conv2d, nn.Linear))]
    for layer in layers:
        wanted = scale if layer is layers[-1] else 1.0
        nn.init.normal_(layer.weight, std=wanted / math.sqrt(mean_square * layer.weight[0].numel()))
        mean_square = 1.0
