"""A classifier of deep features that is given pictures: extraction, fusion stack, scaling and choice in front of it."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from leukoflow.config.features import DeepFeatures
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table
from leukoflow.features.deep import Extractor, load_networks
from leukoflow.features.matrix import chosen_columns
from leukoflow.features.scaling import Scaler, inverse_of
from leukoflow.features.selection import Transform, load_transform
from leukoflow.features.stack import pooled
from leukoflow.models.spec import ModelSpec


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


class Chosen(nn.Module):
    """Features float32 [B, F] to those that a classifier reads, scaled: float32 [B, k].

    The same as `Transform` and the choice of columns make of them, in operators that have a gradient and go into other
    formats. What is not finite becomes NaN, so that it is seen in the answer; deep features are never missing.
    """

    centre: Tensor
    inverse: Tensor
    columns: Tensor
    projection: Tensor | None

    def __init__(self, scaler: Scaler, projection: np.ndarray | None, columns: np.ndarray) -> None:
        super().__init__()
        self.clip = scaler.clip
        self.register_buffer("centre", torch.from_numpy(scaler.centre))
        self.register_buffer("inverse", torch.from_numpy(inverse_of(scaler)))
        self.register_buffer("columns", torch.from_numpy(columns))
        taken = None if projection is None else torch.from_numpy(np.ascontiguousarray(projection[:, columns]))
        self.register_buffer("projection", taken)

    def forward(self, x: Tensor) -> Tensor:
        """See the class."""
        scaled = ((x.double() - self.centre) * self.inverse).clamp(-self.clip, self.clip).to(x.dtype)
        scaled = torch.where(x.isfinite(), scaled, torch.nan)
        if self.projection is not None:
            return scaled @ self.projection.to(scaled.dtype)
        return scaled.index_select(1, self.columns)


class FromPictures(nn.Module):
    """Images float32 [B, 3, H, W] in [0, 1] to the logits [B, K] of a classifier of features.

    `spec` holds the classifier's facts, and those of a network that reads pictures: Grad-CAM weighs the last maps of
    both networks, and the self-attention of the fusion stack attends to their positions.
    """

    def __init__(
        self, extractor: Extractor, transform: Transform, columns: np.ndarray, names: list[str], classifier: nn.Module
    ) -> None:
        super().__init__()
        self.extractor = extractor
        self.stack = transform.stack
        self.fitted = transform.scaler, transform.projection
        self.chosen = Chosen(transform.scaler, transform.projection, columns)
        self.names = names
        self.classifier = classifier
        self.spec = _spec(classifier, extractor, self.stack)

    @property
    def trunks(self) -> list[str]:
        """Names of both networks."""
        return [network.name for network in self.extractor.networks]

    def in_front(self, trained_stack: bool) -> InFront:
        """The size of all but the classifier; trained_stack: whether the fusion stack was trained, not drawn."""
        networks = [network.model for network in self.extractor.networks]
        saved = [tensor for model in networks for tensor in model.state_dict().values()]
        learnt = [parameter for model in networks for parameter in model.parameters()]
        parameters = sum(parameter.numel() for parameter in learnt)
        stacked = 0
        if self.stack is not None:
            stacked = sum(parameter.numel() for parameter in self.stack.parameters())
            saved += self.stack.state_dict().values()
        scaler, projection = self.fitted
        arrays = [scaler.centre, scaler.scale, scaler.fill, np.array([scaler.clip]), self.chosen.columns.cpu().numpy()]
        arrays += [] if projection is None else [projection]
        numbers = sum(tensor.numel() for tensor in saved) + sum(array.size for array in arrays)
        return InFront(
            parameters=parameters + stacked,
            trained=stacked if trained_stack else 0,
            buffers=numbers - parameters - stacked,
            bytes=sum(tensor.numel() * tensor.element_size() for tensor in saved)
            + sum(array.nbytes for array in arrays),
        )

    def features(self, images: Tensor) -> Tensor:
        """Images to the features [B, k] that the classifier reads; extracted in single precision, as for training."""
        with torch.autocast(images.device.type, enabled=False):
            rows = self.extractor(images)
            made = _pooled(rows, self.extractor) if self.stack is None else self.stack(rows)
            return self.chosen(made)

    def forward(self, images: Tensor) -> Tensor:
        """Images to logits."""
        return self.classifier(self.features(images))


def _pooled(rows: Tensor, extractor: Extractor) -> Tensor:
    first, second = (network.channels for network in extractor.networks)
    return pooled(rows, (first, second), extractor.grid)


def _spec(classifier: nn.Module, extractor: Extractor, stack: nn.Module | None) -> ModelSpec:
    """Facts of the classifier behind both networks."""
    spec: Any = classifier.spec
    targets = tuple(f"extractor.last.{number}" for number in range(len(extractor.last)))
    return replace(spec, reads="images", target=targets, attends="stack.attention" if stack is not None else "")


def from_pictures(
    classifier: nn.Module,
    inputs: int,
    features: DeepFeatures,
    weights: list[Path],
    selection: Path,
    device: torch.device,
) -> FromPictures:
    """The classifier behind what a selection's folder holds (stack, scaler, ranking) and the networks of its entry.

    inputs: features that the classifier reads. Raises LeukoFlowError if the networks are not those that the
    selection was made from.
    """
    facts = read_json(selection / "features.json")
    networks = load_networks(features, weights)
    if facts["kind"] != "deep" or facts["networks"] != [network.facts() for network in networks]:
        raise LeukoFlowError(f"{selection}: was made from other networks; delete that folder and run again")
    columns, names = chosen_columns(facts["names"], read_table(selection / "ranking.csv"), inputs, selection)
    transform = load_transform(selection / "stack.safetensors", selection / "scaler.safetensors", facts, device)
    extractor = Extractor(networks, features.grid)
    return FromPictures(extractor, transform, columns, names, classifier).to(device).eval()
