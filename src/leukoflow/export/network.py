"""A trained network as it is exported: from bytes of a picture to logits, features, and the maps that heat weighs."""

import copy
from operator import attrgetter

import torch
from torch import Tensor, nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.explain.heat import spec_of
from leukoflow.export.spiking import fold_norms, over_steps
from leukoflow.models.layers.lif import LIF
from leukoflow.models.penultimate import last_linear

OUTPUTS = ("logits", "features", "maps")
Found = tuple[Tensor, ...]


class Exported(nn.Module):
    """uint8 [N, H, W, 3], RGB, to logits float32 [N, K], features float32 [N, D] that the last linear layer reads, and,
    where the architecture names a layer for Grad-CAM, its maps as they come.

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
        self.target = attrgetter(spec.target)(self.model) if spec.target else None
        if self.spiking:
            fold_norms(self.model, self.target)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of what comes out."""
        return OUTPUTS if self.target is not None else OUTPUTS[:2]

    def forward(self, images: Tensor) -> Found:
        """See the class."""
        return self.of_pictures(images.permute(0, 3, 1, 2).float() / 255)

    def of_pictures(self, x: Tensor) -> Found:
        """The same of pictures float32 [N, 3, H, W] in [0, 1]."""
        last = last_linear(self.model)
        if last is None:
            raise LeukoFlowError(f"export: {type(self.model).__name__} has no linear layer; it cannot be exported")
        read: list[Tensor] = []
        maps: list[Tensor] = []
        handles = [last.register_forward_pre_hook(lambda _, inputs: read.append(inputs[0]))]
        if self.target is not None:
            handles.append(self.target.register_forward_hook(lambda _, inputs, output: maps.append(output)))
        try:
            logits = over_steps(self.model, x) if self.spiking else self.model(x)
        finally:
            for handle in handles:
                handle.remove()
        # Several vectors of an image (time steps, two trunks with one head) are averaged, as their logits are.
        features = torch.stack(read).mean(dim=0)
        return (logits, features, *([torch.cat(maps)] if maps else []))
