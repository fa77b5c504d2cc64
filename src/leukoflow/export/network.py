"""A trained network as it is exported: from bytes of a picture to logits, features, and what explains them."""

import copy

import torch
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.explain.heat import attention_methods, spec_of, target_layers, watched
from leukoflow.explain.inside import channel_gates, inside_says
from leukoflow.explain.ranked import attended, attention_says
from leukoflow.export.spiking import fold_norms, over_steps
from leukoflow.models.layers.lif import LIF
from leukoflow.models.penultimate import last_linear

Found = tuple[Tensor, ...]


class Exported(nn.Module):
    """uint8 [N, H, W, 3], RGB, to what `outputs` names, in that order.

    `logits` float32 [N, K]; `features` float32 [N, D] that the last linear layer reads; `maps` of the layer that
    Grad-CAM weighs, as they come (of two trunks `maps_1` and `maps_2`); the maps of each method that does not depend on
    a class, by its name (`explain.heat`), float32 [N, h, w]; and of a classifier of ranked features `ranked`, these as
    it reads them [N, k], and `attended`, its attention to them [N, k], where it attends. Of networks with numbers of
    what goes on in them (`explain.inside`) these, `inside` [N, m].

    Of a spiking network the time steps are written out one after the other. The model given stays as it is. Raises
    LeukoFlowError for one that is no network of pictures.
    """

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        spec = spec_of(model)
        if spec.reads != "images" or spec.fitting != "gradient":
            what = "reads features" if spec.reads != "images" else "is no network"
            raise LeukoFlowError(f"export: {spec.name} {what} and cannot be exported; name networks that read pictures")
        self.model = copy.deepcopy(model).eval()
        self.spiking = any(isinstance(layer, LIF) for layer in self.model.modules())
        self.targets = target_layers(self.model)
        if self.spiking:
            fold_norms(self.model, self.targets[0] if self.targets else None)
        self.attention = attention_methods(self.model)
        self.inside = bool(inside_says(self.model))
        self.chosen: nn.Module | None = getattr(self.model, "chosen", None)
        self.classifier: nn.Module | None = getattr(self.model, "classifier", None) if self.chosen else None
        self.attends = self.classifier is not None and bool(attention_says(self.classifier))

    @property
    def maps(self) -> tuple[str, ...]:
        """Names of the maps that Grad-CAM weighs."""
        return numbered("maps", len(self.targets))

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what comes out."""
        ranked = ("ranked", "attended")[: bool(self.chosen) + self.attends]
        return ("logits", "features", *self.maps, *self.attention, *ranked, *("inside",)[: self.inside])

    def forward(self, images: Tensor) -> Found:
        """See the class."""
        return self.of_pictures(images.permute(0, 3, 1, 2).float() / 255)

    def of_pictures(self, x: Tensor) -> Found:
        """The same of pictures float32 [N, 3, H, W] in [0, 1]."""
        last = last_linear(self.model)
        if last is None:
            raise LeukoFlowError(f"export: {type(self.model).__name__} has no linear layer; it cannot be exported")
        read: list[Tensor] = []
        ranked: list[Tensor] = []
        maps: list[list[Tensor]] = [[] for _ in self.targets]
        handles = [last.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))]
        for target, kept in zip(self.targets, maps, strict=True):
            handles.append(target.register_forward_hook(lambda _, inputs, output, kept=kept: kept.append(output)))
        if self.chosen is not None:
            handles.append(self.chosen.register_forward_hook(lambda _, inputs, output: ranked.append(output)))
        try:
            with watched(self.model) as seen, channel_gates(self.model) as numbers:
                logits = over_steps(self.model, x, numbers) if self.spiking else self.model(x)
        finally:
            for handle in handles:
                handle.remove()
        if self.attends and self.classifier is not None:
            ranked.append(attended(self.classifier, ranked[0]))
        # Several vectors of an image (time steps, two trunks with one head) are averaged, as their logits are.
        features = torch.stack(read).mean(dim=0)
        attention = seen.maps(x) if self.attention else {}
        return (
            logits,
            features,
            *(torch.cat(kept) for kept in maps),
            *(attention[name] for name in self.attention),
            *ranked,
            *([torch.stack(numbers, dim=1)] if self.inside else []),
        )


def numbered(name: str, count: int) -> tuple[str, ...]:
    """Names of one thing, or of several."""
    return (name,) if count == 1 else tuple(f"{name}_{number}" for number in range(1, count + 1))
