"""The training loop: Lightning Fabric for device and precision, one checkpoint an epoch, the same weights whether or
not it was interrupted (bit for bit on a CPU with the same number of threads)."""

import logging
import time
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from leukoflow.config.training import Training
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.seeding import stream_seed
from leukoflow.core.step import progress
from leukoflow.models.inference import predict, to_input
from leukoflow.training import batches, checkpoint, recipe
from leukoflow.training.augment import augment
from leukoflow.training.batches import Examples

log = logging.getLogger(__name__)


def fit(
    model: nn.Module,
    backbone: tuple[str, ...],
    train: Examples,
    validation: Examples,
    classes: int,
    training: Training,
    seed: int,
    state_file: Path,
    accelerator: str = "auto",
) -> recipe.Fitted:
    """Train until the recipe says stop, going on from `state_file` where it exists.

    The file is written after every epoch. It must belong to this very run: same code, config, data and seed.
    """
    if len(train) < 2 or not len(validation):
        raise LeukoFlowError(f"training needs images: {len(train)} in the training role, {len(validation)} to validate")
    torch.use_deterministic_algorithms(True, warn_only=True)
    fabric = Fabric(accelerator=accelerator, devices=1, precision=training.precision)
    log.info("training on %s, %s, %d threads", fabric.device, training.precision, torch.get_num_threads())
    optimiser = recipe.optimiser(model, backbone, training)
    wrapped, wrapped_optimiser = fabric.setup(model, optimiser)
    history: tuple[recipe.Epoch, ...] = ()
    best: dict[str, Tensor] = {}
    if state_file.exists():
        state = checkpoint.restore(state_file, model, optimiser, recipe.Epoch)
        history, best = state.history, state.best
        log.info("going on after epoch %d of %d", len(history), training.epochs)
    weights = None
    if training.balance == "weights":
        weights = torch.from_numpy(batches.class_weights(train.y, classes)).float().to(fabric.device)
    while not recipe.finished(training, history):
        factor = recipe.rate_factor(training.schedule, training.epochs, history)
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * factor
        started = time.perf_counter()
        # Dropout draws from the global generator: seeded by epoch, it needs no place in the checkpoint.
        torch.manual_seed(stream_seed(seed, "epoch", len(history)))
        loss, accuracy = _train_epoch(wrapped, wrapped_optimiser, train, training, weights, seed, len(history), fabric)
        seconds = time.perf_counter() - started
        _renew_statistics(wrapped, train, training, seed, len(history), fabric)
        validation_loss, validation_accuracy = _validate(wrapped, validation, training, fabric)
        history += (
            recipe.Epoch(
                len(history), loss, accuracy, validation_loss, validation_accuracy,
                training.learning_rate * factor, len(train) / seconds, seconds,
            ),
        )  # fmt: skip
        if recipe.best_epoch(training, history) == len(history) - 1:
            best = {name: value.detach().cpu().clone() for name, value in model.state_dict().items()}
        checkpoint.save(state_file, model, optimiser, checkpoint.State(history, best))
        _report(training, history)
    return recipe.Fitted(best, history, recipe.best_epoch(training, history), fabric.device)


def _train_epoch(
    model: nn.Module,
    optimiser: torch.optim.Optimizer,
    train: Examples,
    training: Training,
    weights: Tensor | None,
    seed: int,
    epoch: int,
    fabric: Fabric,
) -> tuple[float, float]:
    """One pass; mean loss and accuracy over the images as they were trained on."""
    model.train()
    order = batches.shuffled(train.y, training, seed, epoch)
    sums = torch.zeros(2, dtype=torch.float64, device=fabric.device)
    loaded = batches.load(train, order, training.workers)
    for images, y, positions in progress(loaded, len(order), "batch"):
        x = _augmented(to_input(images, fabric.device), positions, training, seed, epoch)
        y = y.to(fabric.device)
        logits = model(x).float()
        loss = cross_entropy(logits, y, weights)
        optimiser.zero_grad()
        fabric.backward(loss)
        optimiser.step()
        with torch.no_grad():
            sums += torch.stack([loss * len(y), (logits.argmax(1) == y).sum()]).double()
    if not torch.isfinite(sums).all():
        raise LeukoFlowError(f"training diverged in epoch {epoch}: lower learning_rate, or use precision 32-true")
    seen = sum(len(each) for each in order)
    return float(sums[0]) / seen, float(sums[1]) / seen


def _augmented(x: Tensor, positions: Tensor, training: Training, seed: int, epoch: int) -> Tensor:
    """Images changed as the recipe says; rows of features are left alone."""
    return augment(x, positions, training.augmentation, seed, epoch) if x.ndim == 4 else x


@torch.no_grad()
def _renew_statistics(
    model: nn.Module, train: Examples, training: Training, seed: int, epoch: int, fabric: Fabric
) -> None:
    """Set the running statistics of every batch norm to their plain mean over some training batches, with the weights
    as they now are (Wu and Johnson 2021, arXiv 2105.07576, section 3)."""
    norms = [each for each in model.modules() if isinstance(each, _BatchNorm)]
    if not norms or not training.statistics_batches:
        return
    moving = [each.momentum for each in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.warm = None, True  # type: ignore[assignment]
    model.train()
    order = batches.shuffled(train.y, training, seed, epoch)[: training.statistics_batches]
    for images, _, positions in batches.load(train, order, training.workers):
        model(_augmented(to_input(images, fabric.device), positions, training, seed, epoch))
    for norm, momentum in zip(norms, moving, strict=True):
        # A run that goes on from a checkpoint knows the count of batches only: so must this one.
        norm.momentum, norm.warm = momentum, False  # type: ignore[assignment]


def _validate(model: nn.Module, validation: Examples, training: Training, fabric: Fabric) -> tuple[float, float]:
    loaded = batches.load(validation, batches.in_order(len(validation), training.batch_size))
    logits = predict(model, (images for images, *_ in loaded), fabric.device)
    y = torch.from_numpy(validation.y)
    return float(cross_entropy(logits.double(), y)), float((logits.argmax(1) == y).double().mean())


def _report(training: Training, history: tuple[recipe.Epoch, ...]) -> None:
    last = history[-1]
    log.info(
        "epoch %d/%d: loss %.4f, accuracy %.4f; validation %.4f, %.4f; %.0f images/s, at most %.0f s left",
        len(history),
        training.epochs,
        last.train_loss,
        last.train_accuracy,
        last.validation_loss,
        last.validation_accuracy,
        last.images_per_second,
        last.seconds * (training.epochs - len(history)),
    )
