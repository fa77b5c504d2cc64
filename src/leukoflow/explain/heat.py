"""Where a network looks: Grad-CAM for a class, attention, and attention rollout, for many images at a time.

A network says in its `ModelSpec` which layer's maps Grad-CAM weighs and what attends to positions.
"""

from operator import attrgetter
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate, multi_head_attention_forward, scaled_dot_product_attention
from torch.overrides import TorchFunctionMode

from leukoflow.core.errors import LeukoFlowError
from leukoflow.models.spec import ModelSpec

METHODS = {"gradcam": "Grad-CAM", "attention": "Attention", "rollout": "Attention rollout"}
"""Names of the methods for people."""
_PROBE_SIDE = 96
"""Side of the blank image by which a network's blocks of attention are counted."""
_ROUNDING = 1e-6
"""Heat below this share of what it is summed from is rounding, and would be stretched to the whole range."""


def heat(model: nn.Module, images: Tensor, classes: Tensor, method: str = "gradcam") -> Tensor:
    """Heat maps float32 [n, H, W] in [0, 1] (least and most of each map; a map without any heat is all 0).

    images: float32 [n, 3, H, W] in [0, 1] on the model's device; classes: int64 [n], the class that each map is to
    explain. The model, made by `models.registry.build`, is in evaluation mode and stays as it is.

    `gradcam` (Selvaraju et al. 2017, doi 10.1109/ICCV.2017.74): ReLU(sum_c w_c A_c) over the target layer's maps A,
    with w_c the mean over positions of the gradient of the class's logit to A_c. Of a spiking network, maps and
    gradients are averaged over the time steps before, the gradient being the neurons' surrogate (Hassan et al. 2026,
    doi 10.1177/20552076261466149). `attention`: the last block's attention, mean over heads: from the class token, or,
    where the mean over tokens is what is classified, the mean over tokens; or a network's own gate over positions.
    `rollout` (Abnar and Zuidema 2020, doi 10.18653/v1/2020.acl-main.385): the product over blocks of (A + 1) / 2. These
    two show where a network gathers from, whichever the class.

    LeukoFlowError for a method that `methods` does not name.
    """
    attends = _attends(model)
    if method == "gradcam" and spec_of(model).target:
        maps = _gradcam(model, images, classes)
    elif method == "attention" and isinstance(attends, nn.Sigmoid):
        maps = _gate(attends, model, images)
    elif method in ("attention", "rollout") and (weights := _attention(attends, model, images)):
        maps = _positions(weights, images, rollout=method == "rollout")
    else:
        known = ", ".join(methods(model)) or "none"
        raise LeukoFlowError(f"explain: {spec_of(model).name} has no method {method!r}; known: {known}")
    whole = interpolate(maps.float()[:, None], size=images.shape[2:], mode="bilinear", align_corners=False)[:, 0]
    return stretched(whole)


def methods(model: nn.Module) -> tuple[str, ...]:
    """The methods that a network allows, Grad-CAM first."""
    found = ("gradcam",) if spec_of(model).target else ()
    attends = _attends(model)
    if isinstance(attends, nn.Sigmoid):
        return (*found, "attention")
    device = next(model.parameters()).device
    blocks = len(_attention(attends, model, torch.zeros(1, 3, _PROBE_SIDE, _PROBE_SIDE, device=device)))
    # With one block, rollout is its attention.
    return (*found, *("attention", "rollout")[:blocks])


def stretched(maps: Tensor) -> Tensor:
    """Each map [n, H, W] stretched to [0, 1]; a constant one becomes 0."""
    low, high = maps.amin(dim=(1, 2), keepdim=True), maps.amax(dim=(1, 2), keepdim=True)
    some = high - low > _ROUNDING * torch.maximum(high.abs(), low.abs())
    return torch.where(some, (maps - low) / torch.where(some, high - low, 1.0), 0.0)


def spec_of(model: nn.Module) -> ModelSpec:
    """The facts of a model that `models.registry.build` made."""
    found: Any = model.spec
    return found


def _attends(model: nn.Module) -> nn.Module | None:
    path = spec_of(model).attends
    return attrgetter(path)(model) if path else None


def _gradcam(model: nn.Module, images: Tensor, classes: Tensor) -> Tensor:
    """[n, h, w], before it is enlarged.

    The layer's maps start the graph: nothing is kept of the layers before it, which are most of the network.
    """
    kept: list[Tensor] = []

    def start(_module: nn.Module, _inputs: Any, output: Tensor) -> Tensor:
        kept.append(output.detach().requires_grad_())
        torch.set_grad_enabled(True)
        return kept[-1].clone()  # what follows may write into it

    handle = attrgetter(spec_of(model).target)(model).register_forward_hook(start)
    try:
        with torch.inference_mode(False), torch.no_grad():
            logits = model(images)
            with torch.enable_grad():
                score = logits.gather(1, classes[:, None]).sum()
            (gradient,) = torch.autograd.grad(score, kept[0])
    finally:
        handle.remove()
    return weighed(kept[0].detach(), gradient, images)


def weighed(maps: Tensor, gradient: Tensor, images: Tensor) -> Tensor:
    """Grad-CAM float32 [n, h, w] of a target layer's maps, as it puts them out, and a score's gradient to them."""
    activation, gradient = (_as_maps(each, images) for each in (maps, gradient))
    terms = gradient.mean(dim=(2, 3), keepdim=True) * activation
    total = terms.sum(dim=1)
    return torch.where(total > _ROUNDING * terms.abs().sum(dim=1), total, 0.0)


def _as_maps(values: Tensor, images: Tensor) -> Tensor:
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


def _gate(gate: nn.Module, model: nn.Module, images: Tensor) -> Tensor:
    """A gate over positions [n, h, w]."""
    kept: list[Tensor] = []
    handle = gate.register_forward_hook(lambda _module, _inputs, output: kept.append(output))
    try:
        with torch.inference_mode():
            model(images)
    finally:
        handle.remove()
    return kept[0].mean(dim=1)


def _attention(attends: nn.Module | None, model: nn.Module, images: Tensor) -> list[Tensor]:
    """Attention of each block in turn, mean over heads: [n, T, T] each, rows sum to 1. Empty where nothing attends."""
    if attends is None or isinstance(attends, nn.Sigmoid):
        return []
    blocks = len(attends) if isinstance(attends, (nn.Sequential, nn.ModuleList)) else 1
    recorder = _Recorder()
    with torch.inference_mode(), recorder:
        model(images)
    # A second trunk may use the same blocks again; the first one's are shown.
    return recorder.weights[:blocks]


class _Recorder(TorchFunctionMode):
    """Keeps the weights of every attention that is computed within, whoever computes it."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: list[Tensor] = []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is multi_head_attention_forward:
            found: tuple[Tensor, Any] = func(*args, **kwargs | {"need_weights": True, "average_attn_weights": True})
            self.weights.append(found[1])
            return found
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
    # The class token is classified where there is one, the mean over tokens elsewhere.
    row = gathered[:, 0] if first else gathered.mean(dim=1)
    return row[:, first:].unflatten(1, (height, width))
