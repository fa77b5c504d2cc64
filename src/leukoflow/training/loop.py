"""The training loop: Lightning Fabric for device and precision, one checkpoint an epoch, the same weights whether or
not it was interrupted (bit for bit on a CPU with the same number of threads)."""

import copy
import logging
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from torch.nn.modules.batchnorm import _BatchNorm

from leukoflow.config.training import Loss, Training
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.seeding import stream_seed
from leukoflow.core.step import progress
from leukoflow.models.inference import predict, to_input
from leukoflow.training import batches, checkpoint, devices, recipe
from leukoflow.training.augment import augmented
from leukoflow.training.batches import Examples


def classification_loss(logits: Tensor, y: Tensor, loss: Loss, weights: Tensor | None = None) -> Tensor:
    """Mean loss of logits float32 [B, K] and classes int64 [B]: a scalar, in nats.

    weights: float32 [K], of the classes; the mean is then weighted. Focal loss: Lin et al. 2017, arXiv 1708.02002.
    """
    if loss.kind == "cross_entropy":
        return cross_entropy(logits, y, weights, label_smoothing=loss.label_smoothing)
    entropy = cross_entropy(logits, y, reduction="none")
    # At 0 a power below 1 has no finite gradient.
    hard = (-torch.expm1(-entropy)).clamp(min=1e-7) ** loss.gamma
    if weights is None:
        return (hard * entropy).mean()
    return (weights[y] * hard * entropy).sum() / weights[y].sum()


log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Run:
    """What the epochs of one training have in common."""

    network: nn.Module
    """The network itself."""
    model: nn.Module
    """As Fabric wraps it."""
    optimiser: Any
    """As Fabric wraps it."""
    average: nn.Module | None
    """The moving average of the weights, if there is one."""
    frozen: Mapping[str, frozenset[str]]
    """Parameters that stay as they were loaded, by what a stage trains."""
    training: Training
    seed: int
    fabric: Fabric

    def still(self, epoch: int) -> frozenset[str]:
        """Parameters that an epoch does not train."""
        return self.frozen.get(recipe.stage(self.training, epoch).train, frozenset())

    @property
    def judged(self) -> nn.Module:
        """What is validated, by the first process alone."""
        return self.model if self.average is None and self.fabric.world_size == 1 else self.saved

    @property
    def saved(self) -> nn.Module:
        """The same without Fabric's wrapping."""
        return self.network if self.average is None else self.average


def fit(
    model: nn.Module,
    backbone: tuple[str, ...],
    train: Examples,
    validation: Examples,
    classes: int,
    training: Training,
    seed: int,
    state_file: Path,
    frozen: Mapping[str, tuple[str, ...]] = MappingProxyType({}),
    accelerator: str = "auto",
) -> recipe.Fitted:
    """Train until the recipe says stop, going on from `state_file` where it exists.

    backbone: prefixes of parameter names, as in `ModelSpec`. frozen: prefixes of what stays, by what a stage trains.

    The file is written after every epoch. It must belong to this very run: same code, config, data and seed. With
    several devices this returns in the first process alone; the others end here.
    """
    if len(train) < 2 or not len(validation):
        raise LeukoFlowError(f"training needs images: {len(train)} in the training role, {len(validation)} to validate")
    torch.use_deterministic_algorithms(True, warn_only=True)
    if len(train) < 2 * training.devices:
        raise LeukoFlowError(
            f"training.devices: {training.devices} devices cannot share {len(train)} images; use fewer"
        )
    fabric = devices.start(training, accelerator)
    precision = devices.precision(training.precision, accelerator)
    log.info("training on %d x %s, %s, %d threads", training.devices, fabric.device, precision, torch.get_num_threads())
    model.to(fabric.device)
    average = copy.deepcopy(model).requires_grad_(False) if training.average else None
    prepared, compiled = devices.prepare(model, training, lambda: _sample(train, training, fabric.device))
    optimiser = recipe.optimiser(model, backbone, training)
    wrapped, wrapped_optimiser = fabric.setup(prepared, optimiser)
    names = [name for name, _ in model.named_parameters()]
    still = {key: frozenset(name for name in names if name.startswith(prefixes)) for key, prefixes in frozen.items()}
    run = _Run(model, wrapped, wrapped_optimiser, average, still, training, seed, fabric)
    history: tuple[recipe.Epoch, ...] = ()
    best: dict[str, Tensor] = {}
    if state_file.exists():
        state = checkpoint.restore(state_file, model, optimiser, recipe.Epoch, average)
        checkpoint.check_best(state_file, state, recipe.best_epoch(training, state.history))
        history, best = state.history, state.best
        log.info("going on after epoch %d of %d", len(history), training.epochs)
    weights = None
    if training.weighted_loss:
        weights = torch.from_numpy(batches.class_weights(train.y, classes)).float().to(fabric.device)
    while not recipe.finished(training, history):
        factor = recipe.rate_factor(training.schedule, training.epochs, history)
        trunk_rate = recipe.stage(training, len(history)).trunk_rate
        for group in optimiser.param_groups:
            group["lr"] = group["base"] * factor * (trunk_rate if group["trunk"] else 1)
        started = time.perf_counter()
        # Dropout draws from the global generator: seeded by epoch, it needs no place in the checkpoint.
        torch.manual_seed(stream_seed(seed, "epoch", len(history)) + fabric.global_rank)
        loss, accuracy = _train_epoch(run, train, weights, len(history))
        seconds = time.perf_counter() - started
        figures = (0.0, 0.0)
        if fabric.is_global_zero:
            _renew_statistics(run, train, len(history))
            figures = _validate(run, validation)
        validation_loss, validation_accuracy = fabric.broadcast(figures)
        history += (
            recipe.Epoch(
                len(history), loss, accuracy, validation_loss, validation_accuracy,
                training.learning_rate * factor, len(train) / seconds, seconds,
            ),
        )  # fmt: skip
        chosen = recipe.best_epoch(training, history)
        if chosen == len(history) - 1:
            best = {name: value.detach().cpu().clone() for name, value in run.saved.state_dict().items()}
        if fabric.is_global_zero:
            checkpoint.save(state_file, model, optimiser, checkpoint.State(history, best, chosen), average)
            _report(training, history)
    devices.leave(fabric)
    chosen, reason = recipe.best_epoch(training, history), recipe.choice(training, history)
    if not math.isfinite(history[chosen].validation_loss):
        raise LeukoFlowError(
            "training diverged: no epoch has a finite validation loss; lower learning_rate, or use precision 32-true"
        )
    log.info("epoch %d of %d is kept: %s", chosen + 1, len(history), reason)
    return recipe.Fitted(best, history, chosen, fabric.device, reason, precision, compiled)


def _train_epoch(run: _Run, train: Examples, weights: Tensor | None, epoch: int) -> tuple[float, float]:
    """One pass; mean loss and accuracy over the images as they were trained on."""
    training = run.training
    run.model.train()
    _freeze(run, run.still(epoch))
    order = batches.shuffled(train.y, training, run.seed, epoch)
    shares = [devices.share_of(batch, run.fabric) for batch in order]
    sums = torch.zeros(2, dtype=torch.float64, device=run.fabric.device)
    loaded = batches.load(train, shares, training.workers)
    for number, (images, y, positions) in enumerate(progress(loaded, len(order), "batch")):
        x = augmented(to_input(images, run.fabric.device), positions, training.augmentation, run.seed, epoch)
        y = y.to(run.fabric.device)
        logits = run.model(x).float()
        loss = classification_loss(logits, y, training.loss, weights)
        # Batches up to the next step, fewer at the end of the epoch.
        together = min(training.accumulate, len(order) - number // training.accumulate * training.accumulate)
        part = _part(train.y[order[number]], train.y[shares[number]], weights, run.fabric.world_size)
        run.fabric.backward(loss * part / together)
        if (number + 1) % training.accumulate == 0 or number + 1 == len(order):
            if training.clip is not None:
                run.fabric.clip_gradients(run.model, run.optimiser, max_norm=training.clip)
            run.optimiser.step()
            run.optimiser.zero_grad()
            _follow(run)
        with torch.no_grad():
            sums += torch.stack([loss * len(y), (logits.argmax(1) == y).sum()]).double()
    sums = run.fabric.all_reduce(sums, reduce_op="sum")  # type: ignore[assignment]
    if not torch.isfinite(sums).all():
        raise LeukoFlowError(f"training diverged in epoch {epoch}: lower learning_rate, or use precision 32-true")
    seen = sum(len(batch) for batch in order)
    return float(sums[0]) / seen, float(sums[1]) / seen


def _part(batch: np.ndarray, share: np.ndarray, weights: Tensor | None, processes: int) -> float:
    """Factor on the mean loss of a process's share, with which the processes' mean gradient is that of the batch.

    batch, share: classes of its images, int64. weights: of the classes.
    """
    if processes == 1:
        return 1.0
    if weights is None:
        return processes * len(share) / len(batch)
    known = weights.cpu().numpy()
    return float(processes * known[share].sum() / known[batch].sum())


def _sample(train: Examples, training: Training, device: torch.device) -> Tensor:
    """As many images as a batch has, as the network takes them."""
    rows = train.rows[: training.batch_size // training.devices]
    return to_input(torch.from_numpy(train.images.gather(rows)), device)


def _freeze(run: _Run, still: frozenset[str]) -> None:
    """Keep these parameters as they are, and let the others that are ever frozen learn; frozen batch norms keep their
    statistics."""
    ever = frozenset[str]().union(*run.frozen.values())
    for name, parameter in run.network.named_parameters():
        if name in ever:
            parameter.requires_grad_(name not in still)
    _hold_norms(run.network, still)


def _hold_norms(network: nn.Module, still: frozenset[str]) -> None:
    """Batch norms whose parameters stay keep their statistics too."""
    for name, layer in network.named_modules():
        if isinstance(layer, _BatchNorm) and f"{name}.weight" in still:
            layer.eval()


@torch.no_grad()
def _follow(run: _Run) -> None:
    """Take the average of the weights one step further; statistics and counts are copied."""
    if run.average is None:
        return
    now = run.network.state_dict()
    learned = {name for name, _ in run.average.named_parameters()}
    for name, value in run.average.state_dict().items():
        if name in learned:
            value.lerp_(now[name], 1 - run.training.average)
        else:
            value.copy_(now[name])


@torch.no_grad()
def _renew_statistics(run: _Run, train: Examples, epoch: int) -> None:
    """Set the running statistics of every batch norm that learns to their plain mean over some training batches, with
    the weights as they now are (Wu and Johnson 2021, arXiv 2105.07576, section 3)."""
    training, model = run.training, run.judged
    still = run.still(epoch)
    layers = run.saved.named_modules()
    norms = [layer for name, layer in layers if isinstance(layer, _BatchNorm) and f"{name}.weight" not in still]
    if not norms or not training.statistics_batches:
        return
    moving = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum, norm.warm = None, True  # type: ignore[assignment]
    model.train()
    _hold_norms(run.saved, still)
    order = batches.shuffled(train.y, training, run.seed, epoch)[: training.statistics_batches]
    for images, _, positions in batches.load(train, order, training.workers):
        model(augmented(to_input(images, run.fabric.device), positions, training.augmentation, run.seed, epoch))
    for norm, momentum in zip(norms, moving, strict=True):
        # A run that goes on from a checkpoint knows the count of batches only: so must this one.
        norm.momentum, norm.warm = momentum, False  # type: ignore[assignment]


def _validate(run: _Run, validation: Examples) -> tuple[float, float]:
    loaded = batches.load(validation, batches.in_order(len(validation), run.training.batch_size))
    logits = predict(run.judged, (images for images, *_ in loaded), run.fabric.device)
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
