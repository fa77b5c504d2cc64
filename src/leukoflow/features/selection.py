"""What was fitted on a training role, in files: from extracted rows to the features that are ranked."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file
from torch import nn

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.finite import check_finite
from leukoflow.features.scaling import Scaler, apply
from leukoflow.features.stack import channels_of, load_stack, reducer
from leukoflow.models.inference import save_tensors


@dataclass(frozen=True)
class Transform:
    """Stack (or mean over positions), scaler, and for `pca` the projection."""

    reduce: Callable[[np.ndarray], np.ndarray]
    """Extracted rows float32 [n, D] to features float32 [n, F]."""
    scaler: Scaler
    """Fitted on F features."""
    projection: np.ndarray | None
    """float32 [F, k]."""
    stack: nn.Module | None = None
    """The fusion stack that `reduce` runs, if there is one."""

    def __call__(self, rows: np.ndarray) -> np.ndarray:
        """Extracted rows float32 [n, D] to features float32 [n, F], or [n, k] with a projection."""
        scaled = apply(self.scaler, self.reduce(rows))
        return scaled if self.projection is None else scaled @ self.projection


def save_scaler(path: Path, scaler: Scaler, projection: np.ndarray | None) -> None:
    """Write a scaler, and the projection if there is one, as safetensors."""
    arrays = {**vars(scaler), "clip": np.array([scaler.clip])}
    if math.isinf(scaler.clip):  # no limit is said by leaving it out
        del arrays["clip"]
    if projection is not None:
        arrays["projection"] = projection
    save_tensors(path, {name: torch.from_numpy(array) for name, array in arrays.items()})


def load_scaler(path: Path) -> tuple[Scaler, np.ndarray | None]:
    """What `save_scaler` wrote. Raises LeukoFlowError for a damaged file, and one that holds NaN or infinity."""
    try:
        arrays = load_file(path)
        check_finite(path, arrays, "delete it and run again")
        projection = arrays.pop("projection", None)
        clip = float(arrays["clip"][0]) if "clip" in arrays else math.inf
        return Scaler(arrays["centre"], arrays["scale"], arrays["fill"], clip), projection
    except (SafetensorError, OSError, KeyError) as error:
        raise LeukoFlowError(f"{path}: cannot be loaded as a scaler ({error}); delete it and run again") from error


def load_transform(stack: Path, scaler: Path, facts: Mapping[str, Any], device: torch.device) -> Transform:
    """All that `fit_features` fitted; facts: the selection's `features.json`."""
    layer = None
    if facts["kind"] == "deep" and facts["stack"] != "none":
        layer = load_stack(stack, channels_of(facts), int(facts["grid"]), facts["stack_size"], facts["attention"])
    return Transform(reducer(facts, layer, device), *load_scaler(scaler), stack=layer)
