"""Batches from memory-mapped shards or features, in an order that depends on the seed and the epoch alone."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from leukoflow.config.training import Training
from leukoflow.core.seeding import generator


class Images(Protocol):
    """What a set of shards offers: rows by index, uint8 [n, H, W, 3], or features float32 [n, k]."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Images of the given rows."""


class Source(Images, Protocol):
    """Shards or features whose rows belong to images."""

    def groups_of(self, image_ids: Iterable[str]) -> tuple[np.ndarray, np.ndarray]:
        """All rows of the images, and the position of each row's image."""


@dataclass(frozen=True)
class Examples:
    """Labelled rows of a set of shards: row indices int64 [n] and classes int64 [n]."""

    images: Images
    rows: np.ndarray
    y: np.ndarray

    def __len__(self) -> int:
        return len(self.rows)


def examples_of(source: Source, split: pd.DataFrame, fold: int, role: str) -> Examples:
    """Rows of a split's role, in the order of the source. If an image has several rows, each has its class."""
    table = split[(split["fold"] == fold) & (split["role"] == role)]
    rows, owner = source.groups_of(table["image_id"])
    order = np.argsort(rows, kind="stable")
    return Examples(source, rows[order], table["y"].to_numpy(np.int64, copy=True)[owner[order]])


class _Rows(Dataset):
    """Loads whole batches: one item is one batch's positions."""

    def __init__(self, examples: Examples, batches: Sequence[np.ndarray]) -> None:
        self.examples = examples
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[Tensor, Tensor, Tensor]:
        positions = self.batches[index]
        images = self.examples.images.gather(self.examples.rows[positions])
        return torch.from_numpy(images), torch.from_numpy(self.examples.y[positions]), torch.from_numpy(positions)


def load(examples: Examples, batches: Sequence[np.ndarray], workers: int = 0) -> Iterator[tuple[Tensor, ...]]:
    """Yield (images uint8 [B, H, W, 3] or features float32 [B, k], y int64 [B], positions int64 [B]) for each batch."""
    return iter(DataLoader(_Rows(examples, batches), batch_size=None, num_workers=workers))


def in_order(count: int, batch_size: int) -> list[np.ndarray]:
    """Positions 0 to count - 1 in order, cut into batches."""
    return [np.arange(start, min(start + batch_size, count)) for start in range(0, count, batch_size)]


def shuffled(y: np.ndarray, training: Training, seed: int, epoch: int) -> list[np.ndarray]:
    """Batches of positions for one epoch; a last batch that leaves a device with one image or none joins the one
    before, for batch norm's sake.

    With `weighted_sampling`, positions are drawn with replacement, every class equally often on average.
    """
    draw = generator(seed, "order", epoch)
    if training.weighted_sampling:
        chances = class_weights(y)[y]
        order = draw.choice(len(y), size=len(y), p=chances / chances.sum())
    else:
        order = draw.permutation(len(y))
    batches = [order[start : start + training.batch_size] for start in range(0, len(y), training.batch_size)]
    if len(batches) > 1 and len(batches[-1]) < 2 * training.devices:
        batches[-2:] = [np.concatenate(batches[-2:])]
    return batches


def class_weights(y: np.ndarray, classes: int | None = None) -> np.ndarray:
    """n / (K n_k) for each class, float64 [K]; 0 for a class without images."""
    counts = np.bincount(y, minlength=classes or 0).astype(float)
    present = counts > 0
    weights = np.zeros_like(counts)
    weights[present] = len(y) / (present.sum() * counts[present])
    return weights
