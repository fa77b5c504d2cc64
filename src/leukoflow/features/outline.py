"""The whole way of a classifier of deep features, from the picture on, with networks that hold no weights: for shapes
and counts of parameters."""

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from leukoflow.config.features import DeepFeatures
from leukoflow.features.stack import Stack
from leukoflow.models.layers.backbones import Standardise, as_maps, feature_network, resized


class Outline(nn.Module):
    """Images float32 [B, 3, H, W] to logits [B, K]: both networks, the fusion stack, as many columns as the classifier
    reads, the classifier. Scaling and ranking, which choose the columns, have no layers."""

    def __init__(self, features: DeepFeatures, classifier: nn.Module, inputs: int) -> None:
        super().__init__()
        self.standardise = Standardise(features.backbones[0].name)
        self.networks = nn.ModuleDict(
            {
                backbone.name.replace(".", "_"): feature_network(backbone.name, backbone.size)
                for backbone in features.backbones
            }
        )
        self.sizes = [backbone.size for backbone in features.backbones]
        channels = [int(network.num_features) for network in self.networks.values()]  # type: ignore[arg-type]
        self.grid = features.grid
        self.stack = None
        if features.stack != "none":
            self.stack = Stack((channels[0], channels[1]), features.grid, features.stack_size)
        self.classifier = classifier
        self.inputs = inputs

    def forward(self, x: Tensor) -> Tensor:
        """Images to logits."""
        x = self.standardise(x)
        grid = 1 if self.stack is None else self.grid
        maps = []
        for network, size in zip(self.networks.values(), self.sizes, strict=True):
            images = resized(x, size)
            maps.append(as_maps(network, network(images), images))
        rows = torch.cat([adaptive_avg_pool2d(features, grid).flatten(1) for features in maps], dim=1)
        rows = rows if self.stack is None else self.stack(rows)
        return self.classifier(rows[:, : self.inputs])
