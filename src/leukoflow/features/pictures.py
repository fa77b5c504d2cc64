"""A classifier of deep features that is given pictures: extraction, fusion stack, scaling and choice in front of it."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from leukoflow.config.features import DeepFeatures
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table
from leukoflow.features.deep import Extractor, is_used, load_networks
from leukoflow.features.matrix import chosen_columns
from leukoflow.features.selection import Transform, load_transform


@dataclass(frozen=True)
class InFront:
    """What lies between a picture and a classifier of features, in numbers and bytes."""

    parameters: int
    """Of both networks up to their last maps, and of the fusion stack."""
    trained: int
    """Those of them that were trained: of the fusion stack, or none."""
    buffers: int
    """Running statistics, what the scaler was fitted to, and the columns that were chosen."""
    bytes: int
    """All of these as they are held in memory."""


class FromPictures(nn.Module):
    """Images float32 [B, 3, H, W] in [0, 1] to the logits [B, K] of a classifier of features."""

    def __init__(self, extractor: Extractor, transform: Transform, columns: np.ndarray, classifier: nn.Module) -> None:
        super().__init__()
        self.extractor = extractor
        self.transform = transform
        self.columns = columns
        self.classifier = classifier
        self.stack = transform.stack  # a part of `transform`, here for whoever looks through the layers

    def in_front(self, trained_stack: bool) -> InFront:
        """The size of all but the classifier; trained_stack: whether the fusion stack was trained, not drawn."""
        networks = [network.model for network in self.extractor.networks]
        saved = [each for model in networks for name, each in model.state_dict().items() if is_used(name)]
        learnt = [each for model in networks for name, each in model.named_parameters() if is_used(name)]
        parameters = sum(each.numel() for each in learnt)
        stacked = 0
        if self.stack is not None:
            stacked = sum(each.numel() for each in self.stack.parameters())
            saved += self.stack.state_dict().values()
        scaler = self.transform.scaler
        arrays = [scaler.centre, scaler.scale, scaler.fill, np.array([scaler.clip]), self.columns]
        arrays += [] if self.transform.projection is None else [self.transform.projection]
        numbers = sum(each.numel() for each in saved) + sum(array.size for array in arrays)
        return InFront(
            parameters=parameters + stacked,
            trained=stacked if trained_stack else 0,
            buffers=numbers - parameters - stacked,
            bytes=sum(each.numel() * each.element_size() for each in saved) + sum(array.nbytes for array in arrays),
        )

    def forward(self, images: Tensor) -> Tensor:
        """Images to logits; features are extracted in single precision, as for training."""
        with torch.autocast(images.device.type, enabled=False):
            rows = self.extractor(images).cpu().numpy()
        features = self.transform(rows)[:, self.columns]
        return self.classifier(torch.from_numpy(features).to(images.device))


def from_pictures(
    classifier: nn.Module,
    inputs: int,
    features: DeepFeatures,
    weights: list[Path],
    selection: Path,
    device: torch.device,
) -> FromPictures:
    """The classifier behind what a selection's folder holds (stack, scaler, ranking) and the networks of its entry.

    inputs: features that the classifier reads. Raises LeukoFlowError where the networks are not those that the
    selection was made from.
    """
    facts = read_json(selection / "features.json")
    networks = load_networks(features, weights)
    if facts["kind"] != "deep" or facts["networks"] != [network.facts() for network in networks]:
        raise LeukoFlowError(f"{selection}: was made from other networks; delete that folder and run again")
    columns, _ = chosen_columns(facts["names"], read_table(selection / "ranking.csv"), inputs, selection)
    transform = load_transform(selection / "stack.safetensors", selection / "scaler.safetensors", facts, device)
    extractor = Extractor(networks, features.grid)
    return FromPictures(extractor, transform, columns, classifier).to(device).eval()
