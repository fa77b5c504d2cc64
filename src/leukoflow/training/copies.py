"""Changed copies of held-out images among the images that are trained on: a leak that a protocol may ask for.

A cohort that was enlarged by augmentation before it was divided has such copies. Here each image has one, changed once
and for all: the same for every model, fold, epoch and seed, whatever the recipe changes besides.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from leukoflow.config.training import Augmentation
from leukoflow.training.augment import augment
from leukoflow.training.batches import Examples, Images, Source

CHANGES = Augmentation(rotation=15, flip_horizontal=True, flip_vertical=True, brightness=0.1, contrast=0.1)
"""What a copy differs by: mirrors, turns up to 15 degrees, brightness and contrast within a tenth."""
SEED = 0


def copied_images(split: pd.DataFrame) -> set[str]:
    """Images of one fold that are trained on as changed copies: those of the training role that are held out too."""
    learnt = split["role"] == "train"
    return set(split.loc[learnt, "image_id"]) & set(split.loc[~learnt, "image_id"])


@dataclass(frozen=True)
class Copies:
    """Pictures of which some rows are changed copies."""

    images: Images
    rows: np.ndarray
    """Rows that are changed, int [n]."""

    def gather(self, rows: np.ndarray) -> np.ndarray:
        """Pictures of the given rows, uint8 [n, H, W, 3]."""
        images = self.images.gather(rows)
        indices = np.flatnonzero(np.isin(rows, self.rows))
        if len(indices):
            pictures = torch.from_numpy(images[indices]).permute(0, 3, 1, 2).float() / 255
            changed = augment(pictures, torch.from_numpy(rows[indices]), CHANGES, SEED, 0)
            images[indices] = (changed * 255).round().to(torch.uint8).permute(0, 2, 3, 1).numpy()
        return images


def with_copies(examples: Examples, source: Source, split: pd.DataFrame, fold: int) -> Examples:
    """The training examples of a fold in which images that are held out as well are changed copies."""
    copied = sorted(copied_images(split[split["fold"] == fold]))
    if not copied:
        return examples
    rows, _ = source.groups_of(copied)
    return Examples(Copies(source, np.sort(rows)), examples.rows, examples.y)
