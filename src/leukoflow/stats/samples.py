"""Samples of images as one run, or several together, answered them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import pandas as pd
from scipy.special import softmax

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run

EVERY, UNSEEN = "all", "without overlap"
"""Subsets: all images, and those without a copy among the images that the run was trained on."""


@dataclass(frozen=True)
class Sample:
    """Labelled images of one target, role and subset."""

    target: str
    role: str
    y: np.ndarray
    """True classes, [n] int."""
    groups: np.ndarray
    """Names of the groups of images that belong together, [n]."""
    probabilities: np.ndarray
    """[n, K] float64."""
    logits: np.ndarray = field(default_factory=lambda: np.empty((0, 0)))
    """[n, K] float64, if probabilities are to be calibrated; else empty."""
    subset: str = EVERY
    unlabelled: int = 0
    """Images without a label, which no metric counts."""
    removed: int = 0
    """Images, labelled or not, left out because the model has seen a copy of them."""

    @cached_property
    def group_numbers(self) -> np.ndarray:
        """Group of each image, [n] int, 0 to G-1."""
        return pd.factorize(self.groups)[0]

    @property
    def number_of_groups(self) -> int:
        """G."""
        return int(self.group_numbers.max(initial=-1)) + 1

    @property
    def resampling(self) -> str:
        """What intervals resample: "groups" if there are several, else "images"."""
        return "groups" if self.number_of_groups > 1 else "images"

    @property
    def units(self) -> np.ndarray:
        """The unit that each image is resampled with, [n] int."""
        return self.group_numbers if self.resampling == "groups" else np.arange(len(self.y))

    def facts(self) -> dict[str, str | int]:
        """Columns that every table has."""
        facts: dict[str, str | int] = {"target": self.target, "role": self.role, "n": len(self.y)}
        return facts | {"groups": self.number_of_groups, "resampling": self.resampling}


def sample_of(
    run: Run,
    rows: pd.DataFrame,
    classes: Sequence[str],
    target: str,
    role: str,
    subset: str = EVERY,
    removed: int = 0,
    logits: bool = False,
) -> Sample:
    """The labelled images of unperturbed rows of a run's predictions for one target and role.

    With `logits`, these are read, and probabilities are their softmax in 64 bits. LeukoFlowError if the predictions do
    not fit the classes.
    """
    table = rows[rows["y"] >= 0]
    values = table["logits" if logits else "probabilities"].to_list()
    outputs = np.stack(values).astype(np.float64) if values else np.zeros((0, len(classes)))
    if outputs.shape[1] != len(classes) or (table["y"] >= len(classes)).any():
        raise LeukoFlowError(
            f"{run.name}, target {target}: {outputs.shape[1]} probabilities an image, labels up to {table['y'].max()}, "
            f"but {len(classes)} classes; predict again with the task's classes"
        )
    return Sample(
        target,
        role,
        table["y"].to_numpy(np.int64),
        table["group"].fillna(table["image_id"]).astype(str).to_numpy(object),
        softmax(outputs, axis=1) if logits else outputs,
        outputs if logits else outputs[:0],
        subset,
        len(rows) - len(table),
        removed,
    )


def together(samples: Sequence[Sample]) -> Sample:
    """Samples of one target and role, as of several folds and seeds, in one."""
    y, groups, probabilities, logits = (
        np.concatenate([getattr(sample, name) for sample in samples])
        for name in ("y", "groups", "probabilities", "logits")
    )
    return Sample(samples[0].target, samples[0].role, y, groups, probabilities, logits)
