"""Run a trained model over changed test images and write its predictions, every change on the same images.

The table is that of step predict with the columns `perturbation` (family), `level` and `target`. Test images without a
change are among its rows, as perturbation `none`.
"""

import argparse
import logging
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from leukoflow.audits.changed import BATCH, ChangedPictures, add_view, changed_pictures
from leukoflow.config.features import DeepFeatures
from leukoflow.config.robustness import Robustness
from leukoflow.config.shortcuts import Shortcuts
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.seeding import generator
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.perturbations import Change, changes_of
from leukoflow.images.shortcut_changes import shortcut_changes
from leukoflow.models import inference

log = logging.getLogger(__name__)
COLUMNS = [
    "cohort", "image_id", "group", "role", "y", "fold", "seed", "perturbation", "level", "target",
    "logits", "probabilities",
]  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--settings", type=settings(Robustness), required=True, help="evaluation.robustness, as JSON"
    )
    arguments.add_argument("--cohort", required=True, help="the run's own cohort")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="model.json")
    add_view(arguments)
    arguments.add_argument("--features", type=settings(DeepFeatures), help="entry of section features that it reads")
    arguments.add_argument("--selection", type=Path, help="folder of the run's scaled and ranked features")
    arguments.add_argument("--backbones", nargs="*", type=Path, default=[], help="weights of the entry's networks")
    arguments.add_argument("--split", type=Path, required=True, help="the cohort's split")
    arguments.add_argument("--shortcuts", type=settings(Shortcuts), help="section evaluation.shortcuts (JSON)")
    arguments.add_argument("--groups", type=Path, help="acquisition clusters, whose stains are tried")
    arguments.add_argument("--manifest", type=Path, help="the cohort's manifest, for widths and heights")
    arguments.add_argument("--fold", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True)
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    description = read_json(args.description)
    table = sample(read_table(args.split), args.fold, args.settings)
    pictures = changed_pictures(args, table["image_id"], args.settings.seed)
    changes = changes_of(args.settings)
    if args.shortcuts:
        changes += _shortcut_changes(args, pictures, description["classes"])
    device = inference.best_device()
    model = _model(args, description, device)
    seen = Seen(pictures, changes, args.threads)
    outputs = [torch.empty(0, len(description["classes"]))]  # for pictures without any cell
    outputs += [inference.predict(model, [images], device, description["precision"]) for images in seen]
    logits = seen.by_change(torch.cat(outputs))
    if pictures.data.many:
        shares = torch.tensor(description["class_shares"])
        logits = [
            inference.over_cells(values, torch.from_numpy(seen.owners(index)), len(table), shares)
            for index, values in enumerate(logits)
        ]
    tables = [_predicted(table, change, values) for change, values in zip(changes, logits, strict=True)]
    whole = pd.concat(tables, ignore_index=True).assign(cohort=args.cohort, fold=args.fold, seed=args.seed)
    write_table(args.output, whole[COLUMNS])
    log.info("%d images of %s, changed in %d ways", len(table), args.cohort, len(changes) - 1)


def _model(args: Any, description: dict[str, Any], device: torch.device) -> nn.Module:
    """The run's model; one that reads features has what makes them of pictures in front."""
    model = inference.load_model(description, args.weights).to(device)
    if args.features is None:
        return model
    # Imported here because networks that read pictures do without it, and it takes seconds.
    from leukoflow.features.pictures import from_pictures

    inputs = int(description["options"]["inputs"])
    return from_pictures(model, inputs, args.features, args.backbones, args.selection, device)


def sample(split: pd.DataFrame, fold: int, robustness: Robustness) -> pd.DataFrame:
    """Test images of a fold (all of them are labelled), at most as many as asked for: image_id, group, role, y.

    Which ones depends on the seed and their number alone, so that all models of a split meet the same.
    """
    table = split[(split["fold"] == fold) & (split["role"] == "test")]
    table = table[["image_id", "group", "role", "y"]].reset_index(drop=True)
    if len(table) <= robustness.images:
        return table
    chosen = generator(robustness.seed, "stress", "sample", fold).choice(len(table), robustness.images, replace=False)
    return table.iloc[np.sort(chosen)].reset_index(drop=True)


def _shortcut_changes(args: argparse.Namespace, pictures: ChangedPictures, classes: list[str]) -> list[Change]:
    """Other stains, and shortcuts taken away."""
    split = read_table(args.split)
    train = split[(split["fold"] == args.fold) & (split["role"] == "train")]
    groups = read_table(args.groups)
    clusters = groups[groups["cohort"] == args.cohort].set_index("image_id")["acquisition"]
    train = train[["image_id", "y"]].assign(cluster=clusters.reindex(train["image_id"]).to_numpy())
    sizes = read_table(args.manifest, ["image_id", "width", "height"]).set_index("image_id").max(axis=1)
    scales = read_table(args.files, ["image_id", "um_per_pixel"]).set_index("image_id")["um_per_pixel"]
    data = pictures.data
    scales = scales * sizes.astype(float) / data.shape[0]
    return shortcut_changes(data, pictures.rows, train, scales, classes, args.shortcuts, args.settings.seed)


class Seen:
    """Batches of changed pictures, uint8 [m, S, S, 3]: each batch of images under every change, then the next."""

    def __init__(self, pictures: ChangedPictures, changes: list[Change], threads: int = 1) -> None:
        self.pictures, self.changes, self.threads = pictures, changes, threads
        self._owners: list[list[np.ndarray]] = [[] for _ in changes]

    def __iter__(self) -> Iterator[Tensor]:
        count = len(self.changes) * -(-len(self.pictures.rows) // BATCH)
        with_bar = progress(self._made(), count, "batch")
        for index, made, owner in with_bar:
            self._owners[index].append(owner)
            if len(made):
                yield torch.from_numpy(np.ascontiguousarray(made))

    def _made(self) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
        for batch in self.pictures.batches():
            made = thread_map(partial(self.pictures.under, batch=batch), self.changes, self.threads)
            for index, (images, owner) in enumerate(made):
                yield index, images, owner

    def owners(self, change: int) -> np.ndarray:
        """The image of each picture that was seen under a change: int [m]."""
        return np.concatenate(self._owners[change]) if self._owners[change] else np.empty(0, np.int64)

    def by_change(self, logits: Tensor) -> list[Tensor]:
        """Logits of all that was seen, [M, K], under their changes: [m, K] of each."""
        batches = len(self._owners[0])
        sizes = [len(owners[batch]) for batch in range(batches) for owners in self._owners]
        parts = logits.split(sizes)
        every = len(self.changes)
        return [torch.cat(parts[index::every]) if batches else logits for index in range(every)]


def _predicted(table: pd.DataFrame, change: Change, logits: Tensor) -> pd.DataFrame:
    return table.assign(
        perturbation=change.family,
        level=change.level,
        target=change.target,
        logits=list(logits.numpy()),
        probabilities=list(logits.double().softmax(dim=1).float().numpy()),
    )


if __name__ == "__main__":
    run(main)
