"""Where a network looks: Grad-CAM for a class, attention, and attention rollout, for many images at a time.

A network says in its `ModelSpec` which layers' maps Grad-CAM weighs and what attends to positions.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, multi_head_attention_forward, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.layers.attention import PositionAttention
from leukoflow.models.spec import ModelSpec

METHODS = {
    "gradcam": "Grad-CAM",
    "gradcam_1": "Grad-CAM, first trunk",
    "gradcam_2": "Grad-CAM, second trunk",
    "attention": "Attention",
    "rollout": "Attention rollout",
    "stack_1": "Self-attention of the stack, first trunk",
    "stack_2": "Self-attention of the stack, second trunk",
}
"""Names of the methods for people."""
OF_A_CLASS = ("gradcam", "gradcam_1", "gradcam_2")
"""Methods whose maps depend on the class that is explained."""
_PROBE_SIDE = 96
"""Side of the blank image by which a network's blocks of attention are counted."""
_ROUNDING = 1e-6
"""Heat below this share of what it is summed from is rounding, and would be stretched to the whole range."""


def heat(model: nn.Module, images: Tensor, classes: Tensor, method: str = "gradcam") -> Tensor:
    """Heat maps float32 [n, H, W] in [0, 1] (least and most of each map; a map without any heat is all 0).

    images: float32 [n, 3, H, W] in [0, 1] on the model's device; classes: int64 [n], the class that each map is to
    explain. The model, made by `models.registry.build` or from pictures on, is in evaluation mode and stays as it is.

    `gradcam` (Selvaraju et al. 2017, doi 10.1109/ICCV.2017.74): ReLU(sum_c w_c A_c) over the target layer's maps A,
    with w_c the mean over positions of the gradient of the class's logit to A_c. Of a spiking network, maps and
    gradients are averaged over the time steps before, the gradient being the neurons' surrogate (Hassan et al. 2026,
    doi 10.1177/20552076261466149). Where two trunks stand side by side, `gradcam_1` and `gradcam_2` are the maps of
    each, and `gradcam` is their sum over the picture, each times its number of positions: in that unit both say how
    much of the logit lies where, so that the trunk that weighs more in the answer weighs more in the map.

    The others show where a network gathers from, whichever the class. `attention`: the last block's attention, mean
    over heads: from the class token, or, where the mean over tokens is what is classified, the mean over tokens; or a
    network's own gate over positions. `rollout` (Abnar and Zuidema 2020, doi 10.18653/v1/2020.acl-main.385): the
    product over blocks of (A + 1) / 2. `stack_1`, `stack_2`: what the positions of each trunk's maps give to all
    others in the self-attention of a fusion stack, mean over these.

    LeukoFlowError for a method that `methods` does not name.
    """
    size = images.shape[2:]
    if method in OF_A_CLASS and method in (targets := gradcam_methods(model)):
        maps = _gradcam(model, images, classes)
        whole = both(maps, size) if method == "gradcam" else enlarged(maps[targets.index(method) - 1], size)
    elif method not in OF_A_CLASS and method in (attention := attention_maps(model, images)):
        whole = enlarged(attention[method], size)
    else:
        known = ", ".join(methods(model)) or "none"
        raise LeukoFlowError(f"explain: {spec_of(model).name} has no method {method!r}; known: {known}")
    return stretched(whole)


def methods(model: nn.Module) -> tuple[str, ...]:
    """The methods that a network allows, Grad-CAM first."""
    return gradcam_methods(model) + attention_methods(model)


def attention_methods(model: nn.Module) -> tuple[str, ...]:
    """Those that do not depend on a class."""
    layers = attending_layers(model)
    if layers and all(isinstance(layer, PositionAttention) for layer in layers):
        return tuple(f"stack_{number}" for number in range(1, len(layers) + 1))
    # How many blocks there are is not seen before they run: some are used twice, some are left out.
    device = next(model.parameters()).device
    return tuple(attention_maps(model, torch.zeros(1, 3, _PROBE_SIDE, _PROBE_SIDE, device=device)))


def gradcam_methods(model: nn.Module) -> tuple[str, ...]:
    """Those of Grad-CAM: of several trunks all together, then of each."""
    count = len(spec_of(model).targets)
    return ("gradcam", *(f"gradcam_{number}" for number in range(1, count + 1)))[: count + 1 if count > 1 else count]


def enlarged(maps: Tensor, size: Sequence[int]) -> Tensor:
    """Maps [n, h, w] over a picture of this size: float32 [n, H, W]."""
    return interpolate(maps.float()[:, None], size=tuple(size), mode="bilinear", align_corners=False)[:, 0]


def both(maps: Sequence[Tensor], size: Sequence[int]) -> Tensor:
    """Grad-CAM of several trunks over a picture, added in the unit of the logit: [n, H, W]."""
    return torch.stack([trunk.shape[1] * trunk.shape[2] * enlarged(trunk, size) for trunk in maps]).sum(dim=0)


def stretched(maps: Tensor) -> Tensor:
    """Each map [n, H, W] stretched to [0, 1]; a constant one becomes 0."""
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    some = high - low > _ROUNDING * torch.maximum(high.abs(), low.abs())
    return torch.where(some, (maps - low) / torch.where(some, high - low, 1.0), 0.0)


def spec_of(model: nn.Module) -> ModelSpec:
    """The facts of a model that `models.registry.build` made."""
    spec: Any = model.spec
    return spec


def target_layers(model: nn.Module) -> list[nn.Module]:
    """The layers whose maps Grad-CAM weighs."""
    return [attrgetter(path)(model) for path in spec_of(model).targets]


def attending_layers(model: nn.Module) -> list[nn.Module]:
    """What attends to positions, one after the other; none in a network that is built without it."""
    path = spec_of(model).attends
    attends = attrgetter(path)(model) if path else None
    if attends is None:
        return []
    return list(attends) if isinstance(attends, (nn.Sequential, nn.ModuleList)) else [attends]


def _gradcam(model: nn.Module, images: Tensor, classes: Tensor) -> list[Tensor]:
    """Of each target layer [n, h, w], before it is enlarged.

    The layers' maps start the graph: nothing is kept of the layers before them, which are most of the network. A second
    trunk that runs behind the first one's maps is frozen.
    """
    kept: list[Tensor] = []

    def start(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        torch.set_grad_enabled(True)
        return kept[-1].clone()  # what follows may write into it

    with ExitStack() as hooks:
        for layer in target_layers(model):
            hooks.callback(layer.register_forward_hook(start).remove)
        with torch.inference_mode(False), torch.no_grad():
            logits = model(images)
            with torch.enable_grad():
                score = logits.gather(1, classes[:, None]).sum()
            gradients = torch.autograd.grad(score, kept)
    return [weighed(maps.detach(), gradient, images) for maps, gradient in zip(kept, gradients, strict=True)]


def weighed(maps: Tensor, gradient: Tensor, images: Tensor) -> Tensor:
    """Grad-CAM float32 [n, h, w] of a target layer's maps, as it puts them out, and a score's gradient to them."""
    activation, gradient = (as_maps(values, images) for values in (maps, gradient))
    terms = gradient.mean(dim=(2, 3), keepdim=True) * activation
    total = terms.sum(dim=1)
    return torch.where(total > _ROUNDING * terms.abs().sum(dim=1), total, 0.0)


def as_maps(values: Tensor, images: Tensor) -> Tensor:
    """Maps [n, C, h, w] of maps [T * n, C, h, w], averaged over the time steps, or of tokens [n, T, D]."""
    if values.ndim == 3:
        height, width, first = _raster(values.shape[1], images)
        return values[:, first:].transpose(1, 2).unflatten(2, (height, width))
    return values.unflatten(0, (-1, len(images))).mean(dim=0)


def _raster(tokens: int, images: Tensor) -> tuple[int, int, int]:
    """Rows and columns of the tokens that are positions of the images, and how many other tokens come first."""
    ratio = images.shape[2] / images.shape[3]
    height = int((tokens * ratio) ** 0.5 + 1e-6)
    width = int(height / ratio + 1e-6)
    return height, width, tokens - height * width


def attention_maps(model: nn.Module, images: Tensor) -> dict[str, Tensor]:
    """Maps [n, h, w] of the methods that do not depend on a class, by name; none if nothing attends."""
    with torch.inference_mode(), watched(model) as seen:
        model(images)
    return seen.maps(images)


class Seen:
    """What attends to positions while a network runs."""

    def __init__(self) -> None:
        self.gates: list[Tensor] = []
        """A gate over positions [n, 1, h, w]."""
        self.blocks: list[Tensor] = []
        """Attention of each block in turn, mean over heads: [n, T, T] each, rows sum to 1."""
        self.stacks: list[tuple[Tensor, tuple[int, int]]] = []
        """Self-attention among the positions of each trunk [n, P, P], and how many rows and columns these are."""

    def maps(self, images: Tensor) -> dict[str, Tensor]:
        """See `attention_maps`."""
        maps = {"attention": self.gates[0].mean(dim=1)} if self.gates else {}
        if self.blocks:
            maps["attention"] = _positions(self.blocks, images, rollout=False)
        if len(self.blocks) > 1:  # of one block, rollout is its attention
            maps["rollout"] = _positions(self.blocks, images, rollout=True)
        for number, (weights, size) in enumerate(self.stacks, start=1):
            maps[f"stack_{number}"] = weights.mean(dim=1).unflatten(1, size)
        return maps


@contextmanager
def watched(model: nn.Module) -> Iterator[Seen]:
    """While the context lasts, what a network's `spec.attends` names is kept, whoever runs the network."""
    seen, layers = Seen(), attending_layers(model)

    def gate(_module: nn.Module, _inputs: Any, output: Tensor) -> None:
        seen.gates.append(output)

    def stack(module: nn.Module, inputs: tuple[Tensor], _output: Tensor) -> None:
        assert isinstance(module, PositionAttention)
        seen.stacks.append((module.weights(inputs[0]), (inputs[0].shape[2], inputs[0].shape[3])))

    with ExitStack() as hooks:
        for layer in layers:
            if isinstance(layer, nn.Sigmoid):
                hooks.callback(layer.register_forward_hook(gate).remove)
            elif isinstance(layer, PositionAttention):
                hooks.callback(layer.register_forward_hook(stack).remove)
        if not layers or isinstance(layers[0], (nn.Sigmoid, PositionAttention)):
            yield seen
        else:
            weights = hooks.enter_context(recorded())
            yield seen
            # A second trunk may use the same blocks again; the first one's are shown.
            seen.blocks = weights[: len(layers)]


@contextmanager
def recorded() -> Iterator[list[Tensor]]:
    """The weights of every attention that is computed while the context lasts, mean over heads: [n, T, T] each."""
    recorder = _Recorder()
    with recorder:
        yield recorder.weights


class _Recorder(TorchFunctionMode):
    """Keeps the weights of every attention that is computed within, whoever computes it."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is multi_head_attention_forward:
            outputs: tuple[Tensor, Any] = func(*args, **kwargs | {"need_weights": True, "average_attn_weights": True})
            self.weights.append(outputs[1])
            return outputs
        if func is scaled_dot_product_attention:
            query, key = args[:2]
            scale = kwargs.get("scale") or query.shape[-1] ** -0.5
            self.weights.append((query @ key.transpose(-2, -1) * scale).float().softmax(dim=-1).mean(dim=1))
        return func(*args, **kwargs)


def _positions(weights: list[Tensor], images: Tensor, rollout: bool) -> Tensor:
    """What is gathered from each position [n, h, w], of the last block or rolled out over all."""
    gathered = weights[-1]
    if rollout:
        one = torch.eye(gathered.shape[1], device=gathered.device)
        gathered = one.expand_as(gathered)
        for weight in weights:
            gathered = (weight + one) / 2 @ gathered
    height, width, first = _raster(gathered.shape[1], images)
    # The class token is classified if there is one, the mean over tokens elsewhere.
    row = gathered[:, 0] if first else gathered.mean(dim=1)
    return row[:, first:].unflatten(1, (height, width))
