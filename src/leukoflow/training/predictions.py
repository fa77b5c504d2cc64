"""What a trained model says of a cohort's images, one row for each."""

import logging
from collections.abc import Mapping
from typing import Any

import pandas as pd
import torch
from torch import nn

from leukoflow.core.step import progress
from leukoflow.features.matrix import Matrix
from leukoflow.images.shards import Shards
from leukoflow.models import inference

log = logging.getLogger(__name__)
BATCH = 64
COLUMNS = ["cohort", "image_id", "group", "role", "y", "fold", "seed", "perturbation", "logits", "probabilities"]


def held_out(split: pd.DataFrame, fold: int) -> pd.DataFrame:
    """The validation and test rows of one fold: image_id, group, role, y."""
    table = split[(split["fold"] == fold) & split["role"].isin(["validation", "test"])]
    return table[["image_id", "group", "role", "y"]].reset_index(drop=True)


def predictions(
    model: nn.Module,
    data: Shards | Matrix,
    table: pd.DataFrame,
    device: torch.device,
    description: Mapping[str, Any],
) -> pd.DataFrame:
    """The images of a table (cohort, image_id, group, role, y) in the form of `COLUMNS`; logits and probabilities are
    lists of K float32.

    The model is on the device. `description` is its model.json: precision, fold, seed, and the share of each class in
    the training role, which an image without cells gets where rows are cells.
    """
    rows, owner = data.groups_of(table["image_id"])
    starts = range(0, len(rows), BATCH)
    images = (torch.from_numpy(data.gather(rows[start : start + BATCH])) for start in starts)
    loaded = progress(images, len(starts), "batch")
    shares = torch.tensor(description["class_shares"])
    outputs = torch.empty(0, len(shares))
    if len(rows):
        outputs = inference.predict(model, loaded, device, description["precision"])
    if data.many:
        outputs = inference.over_cells(outputs, torch.from_numpy(owner), len(table), shares)
        log.info("%d cells; %d of %d images have none", len(rows), len(table) - len(set(owner)), len(table))
    logits = outputs.numpy()
    probabilities = torch.from_numpy(logits).double().softmax(dim=1).float().numpy()
    facts = {name: description[name] for name in ("fold", "seed")}
    made = table.assign(**facts, perturbation="none", logits=list(logits), probabilities=list(probabilities))
    return made[COLUMNS]
