"""Self-supervised pretraining of a network's trunk: SimSiam (Chen and He 2021, arXiv 2011.10566).

Two changed copies of an image go through trunk and projector, to z1 and z2, and on through the predictor h; the loss is
the mean of -cos(h(z1), z2) and -cos(h(z2), z1), with no gradient through the second argument, and at least -1. Labels
play no part. One checkpoint an epoch, the same weights whether or not it was interrupted.
"""

import logging
import math
import time
from dataclasses import dataclass
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cosine_similarity, normalize

from leukoflow.config.self_supervised import SelfSupervised
from leukoflow.config.training import Training
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.seeding import stream_seed
from leukoflow.core.step import progress
from leukoflow.models.inference import to_input
from leukoflow.models.pretrained import trunk_tensors
from leukoflow.training import batches, checkpoint, devices, recipe
from leukoflow.training.augment import augmented
from leukoflow.training.batches import Examples

log = logging.getLogger(__name__)

COLLAPSED = 0.1
"""Spread below which the outputs count as one and the same for all images."""


@dataclass(frozen=True)
class Epoch:
    """One line of the history. `spread`: standard deviation of the normalised outputs over a batch, mean over channels,
    times the root of their number: 1 if they lie evenly on the sphere, 0 if all images look alike."""

    epoch: int
    loss: float
    spread: float
    collapsed: bool
    learning_rate: float
    images_per_second: float
    seconds: float


class SimSiam(nn.Module):
    """A network with projector and predictor on its pooled maps; two batches of images to the loss and the spread.

    `network` has `maps`; only what is in its trunk learns (prefixes of parameter names, as in `ModelSpec.backbone`).
    """

    def __init__(self, network: nn.Module, trunk: tuple[str, ...], channels: int, width: int) -> None:
        super().__init__()
        for name, parameter in network.named_parameters():
            parameter.requires_grad_(name.startswith(trunk))
        self.network = network
        self.projector = nn.Sequential(
            *_layer(channels, width), *_layer(width, width), nn.Linear(width, width, bias=False),
            nn.BatchNorm1d(width, affine=False),
        )  # fmt: skip
        self.predictor = nn.Sequential(*_layer(width, width // 4), nn.Linear(width // 4, width))

    def forward(self, first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
        """Images float32 [B, 3, H, W] in [0, 1], twice, to two scalars."""
        projected = [self.projector(pooled(self.network, x)) for x in (first, second)]
        predicted = [self.predictor(projection) for projection in projected]
        pairs = zip(predicted, reversed(projected), strict=True)
        loss = -torch.stack([cosine_similarity(ours, theirs.detach()).mean() for ours, theirs in pairs]).mean()
        outputs = normalize(projected[0].detach().float())
        return loss, outputs.std(dim=0).mean() * math.sqrt(outputs.shape[1])


def _layer(inputs: int, outputs: int) -> tuple[nn.Module, ...]:
    return nn.Linear(inputs, outputs, bias=False), nn.BatchNorm1d(outputs), nn.ReLU()


def pooled(network: nn.Module, x: Tensor) -> Tensor:
    """What the trunk makes of images, averaged over positions: float32 [B, C]."""
    maps = network.maps(x)  # type: ignore[operator]
    return maps.mean(dim=(2, 3)) if maps.ndim == 4 else maps


def pretrain(
    network: nn.Module,
    trunk: tuple[str, ...],
    train: Examples,
    settings: SelfSupervised,
    training: Training,
    seed: int,
    state_file: Path,
    accelerator: str = "auto",
) -> tuple[dict[str, Tensor], tuple[Epoch, ...]]:
    """Teach the trunk the images of `train`, going on from `state_file` where it exists; its tensors and the history.

    Of the recipe `training`, precision and loader workers are used. The file is written after every epoch; it must
    belong to this very run. Raises LeukoFlowError for fewer than two images, and where the loss is no number.
    """
    if len(train) < 2:
        raise LeukoFlowError(f"self-supervised training needs images: {len(train)} in the training role")
    torch.use_deterministic_algorithms(True, warn_only=True)
    fabric = devices.start(training.model_copy(update={"devices": 1}), accelerator)
    log.info("self-supervised training on %s, %d threads", fabric.device, torch.get_num_threads())
    ours = _recipe(settings, training)
    torch.manual_seed(stream_seed(seed, "self-supervised weights"))
    model = SimSiam(network, trunk, _channels(network, train), settings.projection)
    # The predictor's rate stays as it is (section 4.2 of the paper): its group comes last.
    optimiser = recipe.optimiser(model, ("predictor.",), ours)
    wrapped, wrapped_optimiser = fabric.setup(model, optimiser)
    history: tuple[Epoch, ...] = ()
    if state_file.exists():
        history = checkpoint.restore(state_file, model, optimiser, Epoch).history
        log.info("going on after epoch %d of %d", len(history), settings.epochs)
    for epoch in range(len(history), settings.epochs):
        factor = (1 + math.cos(math.pi * epoch / settings.epochs)) / 2
        for group in optimiser.param_groups[:-1]:
            group["lr"] = group["base"] * factor
        started = time.perf_counter()
        torch.manual_seed(stream_seed(seed, "self-supervised epoch", epoch))
        loss, spread = _epoch(fabric, wrapped, wrapped_optimiser, train, ours, seed, epoch)
        seconds = time.perf_counter() - started
        rate = settings.learning_rate * factor
        history += (Epoch(epoch, loss, spread, spread < COLLAPSED, rate, len(train) / seconds, seconds),)
        checkpoint.save(state_file, model, optimiser, checkpoint.State(history, {}))
        _report(settings, history[-1])
    return trunk_tensors(network, trunk), history


def _recipe(settings: SelfSupervised, training: Training) -> Training:
    """The settings as a recipe, for what it shares with training by labels."""
    return Training(
        epochs=settings.epochs,
        batch_size=settings.batch_size,
        optimiser=settings.optimiser,
        learning_rate=settings.learning_rate,
        weight_decay=settings.weight_decay,
        augmentation=settings.augmentation,
        workers=training.workers,
    )


@torch.no_grad()
def _channels(network: nn.Module, train: Examples) -> int:
    """Width of the pooled maps; found in evaluation mode, so that no statistics move."""
    images = torch.from_numpy(train.images.gather(train.rows[:1]))
    return pooled(network.eval(), to_input(images, torch.device("cpu"))).shape[1]


def _epoch(
    fabric: Fabric, model: nn.Module, optimiser: torch.optim.Optimizer, train: Examples, ours: Training, seed: int,
    epoch: int,
) -> tuple[float, float]:  # fmt: skip
    """One pass; mean loss and spread over the images."""
    model.train()
    order = batches.shuffled(train.y, ours, seed, epoch)
    sums = torch.zeros(2, dtype=torch.float64, device=fabric.device)
    for images, _, positions in progress(batches.load(train, order, ours.workers), len(order), "batch"):
        x = to_input(images, fabric.device)
        copies = (
            augmented(x, positions, ours.augmentation, stream_seed(seed, "copy", which), epoch) for which in range(2)
        )
        loss, spread = model(*copies)
        fabric.backward(loss)
        optimiser.step()
        optimiser.zero_grad()
        sums += torch.stack([loss.detach(), spread]).double() * len(positions)
    if not torch.isfinite(sums).all():
        raise LeukoFlowError(f"self-supervised training diverged in epoch {epoch}: lower its learning_rate")
    return float(sums[0]) / len(train), float(sums[1]) / len(train)


def _report(settings: SelfSupervised, last: Epoch) -> None:
    log.info(
        "epoch %d/%d: loss %.4f, spread %.3f; %.0f images/s, %.0f s left",
        last.epoch + 1,
        settings.epochs,
        last.loss,
        last.spread,
        last.images_per_second,
        last.seconds * (settings.epochs - last.epoch - 1),
    )
    if last.collapsed:
        log.warning("the outputs are nearly the same for all images: the representation has collapsed; lower the rate")
