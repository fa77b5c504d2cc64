"""White cells of images by a trained Attention U-Net or by thresholds: parts maps, and label maps."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, tee
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from torch import nn

from leukoflow.cells.attention_unet import AttentionUNet
from leukoflow.cells.labels import BACKGROUND, CYTOPLASM, NUCLEUS
from leukoflow.cells.threshold import Thresholds, segment_by_threshold, thresholds_of
from leukoflow.cells.watershed import diameters, separate
from leukoflow.config.segmentation import Gates, Segmentation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json
from leukoflow.core.picture import Picture, Raster
from leukoflow.images.views import to_segment
from leukoflow.models.inference import best_device, load_weights, to_input

BATCH = 16
GATES: dict[Gates, str] = {"quarter": "gates C/4", "half": "gates C/2", "full": "gates C", "none": "no gates"}
"""How tables name the inner width of gates, C being the channels of their level."""


def load_segmenter(description: dict[str, Any], weights: str | Path) -> AttentionUNet:
    """The network that `segmenter.json` describes, in evaluation mode on the best device.

    Raises LeukoFlowError if the weights are damaged, hold NaN or infinity, or belong to another network.
    """
    # Segmenters that were written before gates could be chosen do not name them.
    model = AttentionUNet(width=description["width"], gates=description.get("gates", "quarter"))
    try:
        model.load_state_dict(load_weights(weights, "train the segmenter again"))
    except (SafetensorError, OSError, RuntimeError) as error:
        raise LeukoFlowError(
            f"{weights}: these weights cannot be loaded ({error}); train the segmenter again"
        ) from error
    return model.eval().to(best_device(), memory_format=torch.channels_last)  # type: ignore[call-overload]


def network_of(description: Mapping[str, Any]) -> str:
    """What tells the network of `segmenter.json` from others of its study, in words; empty for thresholds."""
    if description["method"] != "unet":
        return ""
    gates = GATES[description.get("gates", "quarter")]
    adapted = description.get("adapted")
    if not adapted:
        return gates
    seen = f"{adapted['used']} of {adapted['images']} images, transductive"
    return f"{gates}, adapted to {adapted['cohort']} ({seen})"


@torch.inference_mode()
def probabilities(model: nn.Module, images: Sequence[Raster]) -> np.ndarray:
    """Probabilities of cell and of nucleus, float32 [n, 2, S, S], of images [S, S]; S a multiple of 16.

    The lamp's colour is taken out first. A pixel that is nucleus is also cell, so the first is at least the second.
    """
    device = next(model.parameters()).device
    balanced = np.stack([image.balanced for image in images])
    x = to_input(torch.from_numpy(balanced), device).contiguous(memory_format=torch.channels_last)
    chance = torch.sigmoid(model(x).float())
    chance[:, 0] = torch.maximum(chance[:, 0], chance[:, 1])
    return chance.cpu().numpy()


def parts_map(chance: np.ndarray) -> np.ndarray:
    """Parts maps uint8 [n, S, S] of probabilities float32 [n, 2, S, S]."""
    inside = np.where(chance[:, 0] > 0.5, CYTOPLASM, BACKGROUND)
    return np.where(chance[:, 1] > 0.5, NUCLEUS, inside).astype(np.uint8)


def predicted_parts(segmenter: nn.Module | Thresholds, images: Iterable[Raster]) -> Iterator[np.ndarray]:
    """Parts map uint8 [S, S] of each image [S, S], a batch at a time."""
    if isinstance(segmenter, Thresholds):
        yield from (segment_by_threshold(image, segmenter) for image in images)
        return
    left = iter(images)
    while batch := list(islice(left, BATCH)):
        yield from parts_map(probabilities(segmenter, batch))


@dataclass(frozen=True)
class CellFinder:
    """What finds white cells: a segmenter, then a watershed."""

    settings: Segmentation
    size: int
    """Side of the renditions that it looks at, pixels."""
    segmenter: nn.Module | Thresholds

    def label_maps(self, pictures: Iterable[Picture]) -> Iterator[np.ndarray]:
        """Label map uint16 [S, S] of each rendition, a batch at a time."""
        pictures, again = tee(pictures)
        predicted = predicted_parts(
            self.segmenter, (to_segment(rendition.raster, self.settings.steps) for rendition in again)
        )
        for picture, parts in zip(pictures, predicted, strict=True):
            yield separate(parts, *diameters(picture, self.settings.cell_um))


def load_finder(
    settings: Segmentation, weights: Path, description: Path, size: int, device: str | None = None
) -> CellFinder:
    """What finds cells by the segmenter that `segmenter.json` describes, on the best device or the named one.

    LeukoFlowError as `load_segmenter`.
    """
    facts = read_json(description)
    if facts["method"] != "unet":
        return CellFinder(settings, size, thresholds_of(facts["thresholds"]))
    network = load_segmenter(facts, weights)
    return CellFinder(settings, size, network.to(device) if device else network)
