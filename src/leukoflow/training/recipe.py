"""What a recipe says of each epoch: learning rates, the best epoch so far, whether to stop. Functions of the history
alone, so that a resumed run needs no state of its own for them."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from leukoflow.config.training import Schedule, Stage, Training

ADAMW_DECAY = 0.01
"""Weight decay of AdamW where a recipe names none: PyTorch's default, and that of Loshchilov and Hutter's own code."""


KINDS: dict[str, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    "rmsprop": torch.optim.RMSprop,
    "adamax": torch.optim.Adamax,
}
"""Optimisers with PyTorch's defaults."""


@dataclass(frozen=True)
class Epoch:
    """One line of the training history; losses in nats, accuracies in [0, 1]."""

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    learning_rate: float
    images_per_second: float
    seconds: float


@dataclass(frozen=True)
class Fitted:
    """Weights of the best epoch and why it is the best, how training went, what it ran on, and whether compiled (`yes`,
    `no`, or why not)."""

    weights: dict[str, Tensor]
    history: tuple[Epoch, ...]
    best_epoch: int
    device: torch.device
    chosen_by: str = ""
    precision: str = "32-true"
    compiled: str = "no"


def stage(training: Training, epoch: int) -> Stage:
    """The stage that an epoch (from 0) belongs to; of `frozen_epochs` there are two."""
    if training.stages:
        return [stage for stage in training.stages if stage.epoch <= epoch][-1]
    return Stage(epoch=0, train="last" if epoch < training.frozen_epochs else "all")


def rate_factor(schedule: Schedule, epochs: int, history: Sequence[Epoch]) -> float:
    """Factor on the learning rate of the epoch after `history`."""
    epoch = len(history)
    if epoch < schedule.warmup:
        return (epoch + 1) / (schedule.warmup + 1)
    if schedule.kind == "exponential":
        return 10 ** (-epoch / schedule.decade)
    if schedule.kind == "cosine":
        return (1 + math.cos(math.pi * epoch / epochs)) / 2
    if schedule.kind == "plateau":
        losses = [record.train_loss if schedule.plateau_of == "train" else record.validation_loss for record in history]
        return schedule.factor ** _plateaus(losses, schedule.patience)
    return 1.0


def _plateaus(losses: Sequence[float], patience: int) -> int:
    """How often `patience` + 1 epochs in a row brought no better loss; waiting starts again after each time."""
    best, waited, plateaus = math.inf, 0, 0
    for loss in losses:
        waited = 0 if loss < best else waited + 1
        best = min(best, loss)
        if waited > patience:
            plateaus, waited = plateaus + 1, 0
    return plateaus


def first_highest(ranks: Sequence[tuple[float, ...]]) -> int:
    """Index of the greatest rank, compared number by number; the first of equal ones. NaN is below every number."""
    return max(
        range(len(ranks)), key=lambda i: tuple(-math.inf if math.isnan(number) else number for number in ranks[i])
    )


def best_epoch(training: Training, history: Sequence[Epoch]) -> int:
    """Index of the best epoch by the monitored validation figure.

    Accuracy takes few values and is soon at its ceiling, so ties in it go to the lower validation loss (and ties in the
    loss to the higher accuracy), then to the earlier epoch. An epoch whose validation loss is not finite comes last.
    """
    ranks = []
    for epoch in history:
        figures = (epoch.validation_accuracy, -epoch.validation_loss)
        ordered = figures if training.monitor == "accuracy" else figures[::-1]
        ranks.append((float(math.isfinite(epoch.validation_loss)), *ordered))
    return first_highest(ranks)


def choice(training: Training, history: Sequence[Epoch]) -> str:
    """Why the best epoch is the best, for `model.json`."""
    best = history[best_epoch(training, history)]
    if training.monitor == "loss":
        return f"lowest validation loss ({best.validation_loss:.4g})"
    equal = sum(epoch.validation_accuracy == best.validation_accuracy for epoch in history)
    words = f"highest validation accuracy ({best.validation_accuracy:.4f})"
    if equal == 1:
        return words
    return f"{words}, reached in {equal} epochs; of these the lowest validation loss ({best.validation_loss:.4g})"


def finished(training: Training, history: Sequence[Epoch]) -> bool:
    """Whether all epochs are done or `patience` of them passed without a better one (as `best_epoch` compares)."""
    if not history:
        return False
    return len(history) >= training.epochs or len(history) - 1 - best_epoch(training, history) >= training.patience


def optimiser(model: nn.Module, backbone: tuple[str, ...], training: Training) -> torch.optim.Optimizer:
    """The recipe's optimiser with one parameter group for the backbone and one for the rest; `base` in each group is
    its learning rate before schedule and stages, `trunk` whether it is the backbone's."""
    groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups[name.startswith(backbone) if backbone else False].append(parameter)
    rates = {False: training.learning_rate, True: training.backbone_learning_rate or training.learning_rate}
    listed = [
        {"params": groups[key], "lr": rates[key], "base": rates[key], "trunk": key} for key in groups if groups[key]
    ]
    decay = training.weight_decay
    if decay is None:
        decay = ADAMW_DECAY if training.optimiser == "adamw" else 0.0
    if training.optimiser == "sgd":
        return torch.optim.SGD(listed, momentum=0.9, weight_decay=decay)
    return KINDS[training.optimiser](listed, weight_decay=decay)
