"""Samples of images as one run, or several together, answered them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy.special import softmax

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.runs import Run


@dataclass(frozen=True)
class Sample:
    """Labelled images of one target and role."""

    target: str
    role: str
    y: np.ndarray
    """True classes, [n] int."""
    logits: np.ndarray
    """[n, K] float64."""
    groups: np.ndarray
    """Names of the groups of images that belong together, [n]."""

    @property
    def probabilities(self) -> np.ndarray:
        """[n, K] float64."""
        return softmax(self.logits, axis=1)

    @property
    def resampling(self) -> str:
        """What intervals resample: "groups" where there are several, else "images"."""
        return "groups" if len(np.unique(self.groups)) > 1 else "images"

    @property
    def units(self) -> np.ndarray:
        """The unit that each image is resampled with, [n] int."""
        return pd.factorize(self.groups)[0] if self.resampling == "groups" else np.arange(len(self.y))

    def facts(self) -> dict[str, str | int]:
        """Columns that every table has."""
        facts: dict[str, str | int] = {"target": self.target, "role": self.role, "n": len(self.y)}
        return facts | {"groups": len(np.unique(self.groups)), "resampling": self.resampling}


def sample_of(run: Run, predictions: pd.DataFrame, role: str, classes: Sequence[str]) -> Sample:
    """The unperturbed, labelled images of a role in a run's predictions for one target.

    LeukoFlowError where the predictions do not fit the classes.
    """
    rows = (predictions["perturbation"] == "none") & (predictions["role"] == role) & (predictions["y"] >= 0)
    table = predictions[rows]
    target = str(predictions["cohort"].iloc[0]) if len(predictions) else ""
    logits = np.stack(table["logits"].to_list()).astype(np.float64) if len(table) else np.zeros((0, len(classes)))
    if logits.shape[1] != len(classes) or (table["y"] >= len(classes)).any():
        raise LeukoFlowError(
            f"{run.name}, target {target}: predictions do not fit the {len(classes)} classes; predict again"
        )
    groups = table["group"].fillna(table["image_id"]).astype(str).to_numpy(object)
    return Sample(target, role, table["y"].to_numpy(np.int64), logits, groups)


def together(samples: Sequence[Sample]) -> Sample:
    """Samples of one target and role, as of several folds and seeds, in one."""
    parts = [np.concatenate([getattr(each, name) for each in samples]) for name in ("y", "logits", "groups")]
    return Sample(samples[0].target, samples[0].role, *parts)
