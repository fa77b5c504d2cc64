"""Training of the Attention U-Net on the masks of several sources at once.

Two sigmoid outputs, cell and nucleus; where a source does not tell the nucleus apart, the second output learns nothing
from it. Loss: binary cross-entropy + 1 - soft Dice (Milletari et al. 2016, arXiv 1606.04797), over annotated pixels.
"""

import logging
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from leukoflow.cells.attention_unet import AttentionUNet
from leukoflow.cells.labels import NUCLEUS
from leukoflow.cells.masks import known
from leukoflow.config.segmentation import Segmentation, SegmenterTraining
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.seeding import stream_seed
from leukoflow.core.step import progress
from leukoflow.models.inference import to_input
from leukoflow.training import canvases, checkpoint
from leukoflow.training.canvases import Source
from leukoflow.training.recipe import first_highest
from leukoflow.training.stain import augment_stain, restain

log = logging.getLogger(__name__)
VALIDATION_BATCHES = 8
"""Batches of validation canvases, the same in every epoch."""


@dataclass(frozen=True)
class SegmenterEpoch:
    """One line of the history; Dice coefficients in [0, 1], means over sources."""

    epoch: int
    train_loss: float
    validation_loss: float
    validation_cell_dice: float
    validation_nucleus_dice: float
    learning_rate: float
    seconds: float

    @property
    def dice(self) -> float:
        """What stops the training: the mean Dice of the parts that are annotated at all; NaN if none is."""
        values = [self.validation_cell_dice, self.validation_nucleus_dice]
        known = [value for value in values if not math.isnan(value)]
        return float(np.mean(known)) if known else math.nan


@dataclass(frozen=True)
class FittedSegmenter:
    """Weights of the best epoch, and how training went."""

    weights: dict[str, Tensor]
    history: tuple[SegmenterEpoch, ...]
    best_epoch: int
    device: torch.device


def fit_segmenter(
    network: AttentionUNet,
    train: Sequence[Source],
    validation: Sequence[Source],
    training: SegmenterTraining,
    state_file: Path,
    accelerator: str = "auto",
) -> FittedSegmenter:
    """Train `network` until no epoch is left or `patience` of them brought no better validation Dice.

    Goes on from `state_file`, which is written after every epoch, where it exists.
    """
    if not train or not validation:
        raise LeukoFlowError("training a segmenter needs masks in the training and in the validation role")
    for role, sources in (("training", train), ("validation", validation)):
        if not any(((source.parts > 0) & known(source.parts)[0]).any() for source in sources):
            raise LeukoFlowError(f"no mask of the {role} role holds a cell; check masks, or give more of them")
    torch.use_deterministic_algorithms(True, warn_only=True)
    fabric = Fabric(accelerator=accelerator, devices=1, precision=training.precision)
    model = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimiser = torch.optim.Adam(model.parameters(), lr=training.learning_rate)
    wrapped, wrapped_optimiser = fabric.setup(model, optimiser)
    history: tuple[SegmenterEpoch, ...] = ()
    best: dict[str, Tensor] = {}
    if state_file.exists():
        state = checkpoint.restore(state_file, model, optimiser, SegmenterEpoch)
        checkpoint.check_best(state_file, state, _best(state.history))
        history, best = state.history, state.best
        log.info("going on after epoch %d of %d", len(history), training.epochs)
    while not _finished(training, history):
        rate = training.learning_rate * (1 + math.cos(math.pi * len(history) / training.epochs)) / 2
        for group in optimiser.param_groups:
            group["lr"] = rate
        started = time.perf_counter()
        loss = _train_epoch(wrapped, wrapped_optimiser, train, training, len(history), fabric)
        validated = _validate(wrapped, validation, training, fabric)
        history += (SegmenterEpoch(len(history), loss, *validated, rate, time.perf_counter() - started),)
        if _best(history) == len(history) - 1:
            best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        checkpoint.save(state_file, model, optimiser, checkpoint.State(history, best, _best(history)))
        last = history[-1]
        log.info(
            "epoch %d/%d: loss %.4f; validation loss %.4f, Dice of cells %.4f, of nuclei %.4f; at most %.0f s left",
            len(history), training.epochs, last.train_loss, last.validation_loss, last.validation_cell_dice,
            last.validation_nucleus_dice, last.seconds * (training.epochs - len(history)),
        )  # fmt: skip
    return FittedSegmenter(best, history, _best(history), fabric.device)


def new_network(settings: Segmentation) -> AttentionUNet:
    """The network that a config asks for, its weights drawn from the seed."""
    torch.manual_seed(stream_seed(settings.training.seed, "segmenter weights"))
    return AttentionUNet(width=settings.width, gates=settings.gates)


def _best(history: Sequence[SegmenterEpoch]) -> int:
    """The epoch of the highest Dice; of equal ones that of the lowest loss, then the earliest."""
    return first_highest([(epoch.dice, -epoch.validation_loss) for epoch in history])


def _finished(training: SegmenterTraining, history: Sequence[SegmenterEpoch]) -> bool:
    if not history:
        return False
    return len(history) >= training.epochs or len(history) - 1 - _best(history) >= training.patience


def _train_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    sources: Sequence[Source],
    training: SegmenterTraining,
    epoch: int,
    fabric: Fabric,
) -> float:
    model.train()
    total = torch.zeros((), dtype=torch.float64, device=fabric.device)
    for step in progress(range(training.steps), training.steps, "batch"):
        stream = (training.seed, "train", epoch, step)
        pictures, parts = canvases.batch(sources, training.batch_size, training.crop, *stream)
        draw = torch.Generator().manual_seed(stream_seed("stain", *stream))
        positions = torch.arange(step * training.batch_size, (step + 1) * training.batch_size)
        x = to_input(torch.from_numpy(pictures), fabric.device)
        x = augment_stain(restain(x, positions, training.stain, training.seed, epoch), draw)
        truth, weight = (tensor.to(fabric.device) for tensor in targets(parts))
        logits = model(x.contiguous(memory_format=torch.channels_last)).float()
        loss = segmentation_loss(logits, truth, weight)
        optimiser.zero_grad()
        fabric.backward(loss)
        optimiser.step()
        total += loss.detach().double()
    if not torch.isfinite(total):
        raise LeukoFlowError(f"training of the segmenter diverged in epoch {epoch}: lower its learning_rate")
    return float(total) / training.steps


@torch.inference_mode()
def _validate(
    model: nn.Module, sources: Sequence[Source], training: SegmenterTraining, fabric: Fabric
) -> tuple[float, float, float]:
    """Mean loss, and Dice of cells and of nuclei over the sources that annotate them (NaN if none does)."""
    model.eval()
    losses: list[float] = []
    dice: dict[int, list[float]] = {0: [], 1: []}
    for source in sources:
        sums = torch.zeros(3, 2, dtype=torch.float64)
        for step in range(max(1, VALIDATION_BATCHES // len(sources))):
            stream = (training.seed, "validation", source.name, step)
            pictures, parts = canvases.batch([source], training.batch_size, training.crop, *stream)
            truth, weight = targets(parts)
            logits = model(to_input(torch.from_numpy(pictures), fabric.device)).float().cpu()
            losses.append(float(segmentation_loss(logits, truth, weight)))
            predicted = (logits > 0).double() * weight
            wanted = truth.double() * weight
            sums += torch.stack([pixels.sum(dim=(0, 2, 3)) for pixels in (predicted * wanted, predicted, wanted)])
        for part in dice:
            if sums[1, part] + sums[2, part] > 0:
                dice[part].append(float(2 * sums[0, part] / (sums[1, part] + sums[2, part])))
    means = [float(np.mean(values)) if values else math.nan for values in dice.values()]
    return float(np.mean(losses)), means[0], means[1]


def targets(parts: np.ndarray) -> tuple[Tensor, Tensor]:
    """Truth and weight, float32 [B, 2, H, W] each (cell, nucleus), of parts maps uint8 [B, H, W]."""
    annotated, told_apart = known(parts)
    truth = np.stack([(parts != 0) & annotated, parts == NUCLEUS], axis=1)
    weight = np.stack([annotated, told_apart], axis=1)
    return torch.from_numpy(truth.astype(np.float32)), torch.from_numpy(weight.astype(np.float32))


def segmentation_loss(logits: Tensor, truth: Tensor, weight: Tensor) -> Tensor:
    """Binary cross-entropy + 1 - soft Dice, each the mean over the two parts: a scalar.

    logits, truth, weight: float32 [B, 2, H, W]; pixels of weight 0 count for nothing. Dice = 2 sum(p t) / (sum(p) +
    sum(t)) over the batch.
    """
    axes = (0, 2, 3)
    entropy = binary_cross_entropy_with_logits(logits, truth, reduction="none")
    entropy = (entropy * weight).sum(axes) / weight.sum(axes).clamp(min=1)
    chance = torch.sigmoid(logits) * weight
    overlap = 2 * (chance * truth).sum(axes) + 1
    dice = overlap / (chance.sum(axes) + (truth * weight).sum(axes) + 1)
    return (entropy + 1 - dice).mean()
