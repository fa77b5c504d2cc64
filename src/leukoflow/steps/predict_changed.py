"""Run a trained model over changed test images and write its predictions, every change on the same images.

The table is that of step predict with the columns `perturbation` (family), `level` and `target`. Test images without a
change are among its rows, as perturbation `none`.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from leukoflow.config.features import DeepFeatures
from leukoflow.config.robustness import Robustness
from leukoflow.config.shortcuts import Shortcuts
from leukoflow.config.views import View
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.parallel import thread_map
from leukoflow.core.picture import Raster
from leukoflow.core.seeding import generator
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.perturbations import Change, changes_of
from leukoflow.images.shards import Shards, open_view
from leukoflow.images.shortcut_changes import shortcut_changes
from leukoflow.images.stain import fitted
from leukoflow.images.views import through
from leukoflow.models import inference

log = logging.getLogger(__name__)
BATCH = 64
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
    arguments.add_argument("--view", type=Path, required=True, help="summary of the view (view.json)")
    arguments.add_argument("--before", type=Path, help="summary of the plain view that this view is made from")
    arguments.add_argument(
        "--rendering", type=settings(View), help="the view, made anew of the changed plain one (JSON)"
    )
    arguments.add_argument("--stain", type=Path, help="stain of the view's target (JSON), if it was found")
    arguments.add_argument("--features", type=settings(DeepFeatures), help="entry of section features that it reads")
    arguments.add_argument("--selection", type=Path, help="folder of the run's scaled and ranked features")
    arguments.add_argument("--backbones", nargs="*", type=Path, default=[], help="weights of the entry's networks")
    arguments.add_argument("--split", type=Path, required=True, help="the cohort's split")
    arguments.add_argument("--shortcuts", type=settings(Shortcuts), help="section evaluation.shortcuts (JSON)")
    arguments.add_argument("--groups", type=Path, help="acquisition clusters, whose stains are tried")
    arguments.add_argument("--manifest", type=Path, help="the cohort's manifest, for widths and heights")
    arguments.add_argument("--files", type=Path, help="the cohort's files.parquet, for scales")
    arguments.add_argument("--fold", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True)
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    description = read_json(args.description)
    table = sample(read_table(args.split), args.fold, args.settings)
    data = open_view(args.before or args.view)
    rows, owner = data.groups_of(table["image_id"])
    changes = changes_of(args.settings)
    if args.shortcuts:
        changes += _shortcut_changes(args, data, rows, description["classes"])
    view = fitted(args.rendering, args.stain) if args.rendering else None
    device = inference.best_device()
    model = _model(args, description, device)
    starts = range(0, len(rows), BATCH)
    found = torch.empty(0, len(description["classes"]))
    if len(rows):
        loaded = changed_batches(data, rows, changes, args.settings.seed, args.threads, view)
        loaded = progress(loaded, len(starts) * len(changes), "batch")
        found = inference.predict(model, loaded, device, description["precision"])
    logits = by_change(found, len(rows), len(changes))
    if data.many:
        shares = torch.tensor(description["class_shares"])
        logits = torch.stack(
            [inference.over_cells(each, torch.from_numpy(owner), len(table), shares) for each in logits]
        )
    tables = [_predicted(table, change, each) for change, each in zip(changes, logits, strict=True)]
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


def _shortcut_changes(args: argparse.Namespace, data: Shards, rows: np.ndarray, classes: list[str]) -> list[Change]:
    """Other stains, and shortcuts taken away."""
    split = read_table(args.split)
    train = split[(split["fold"] == args.fold) & (split["role"] == "train")]
    groups = read_table(args.groups)
    clusters = groups[groups["cohort"] == args.cohort].set_index("image_id")["acquisition"]
    train = train[["image_id", "y"]].assign(cluster=clusters.reindex(train["image_id"]).to_numpy())
    sizes = read_table(args.manifest, ["image_id", "width", "height"]).set_index("image_id").max(axis=1)
    scales = read_table(args.files, ["image_id", "um_per_pixel"]).set_index("image_id")["um_per_pixel"]
    scales = scales * sizes.astype(float) / data.shape[0]
    return shortcut_changes(data, rows, train, scales, classes, args.shortcuts, args.settings.seed)


def changed_batches(
    data: Shards, rows: np.ndarray, changes: list[Change], seed: int, threads: int = 1, view: View | None = None
) -> Iterator[Tensor]:
    """Batches of up to `BATCH` images uint8 [b, H, W, 3] of these rows: each batch under every change, then the next.

    What is random depends on the seed, the family and the batch's place alone. A view is made of the changed images,
    as a camera or a lamp comes before whatever is done to a picture.
    """
    for start in range(0, len(rows), BATCH):
        images = data.gather(rows[start : start + BATCH])

        def changed(change: Change, images: np.ndarray = images, start: int = start) -> Tensor:
            if change.by_place is not None:
                made = change.by_place(images, start)
            else:
                made = change.apply(images, generator(seed, "stress", change.family, start))
            if view is not None:
                made = np.stack([through(Raster(each), view.chain) for each in made])
            return torch.from_numpy(np.ascontiguousarray(made))

        yield from thread_map(changed, changes, threads)


def by_change(found: Tensor, rows: int, changes: int) -> Tensor:
    """Logits [changes, rows, K] of those of `changed_batches` [changes * rows, K]."""
    sizes = [min(BATCH, rows - start) for start in range(0, rows, BATCH)]
    parts = [part.unflatten(0, (changes, -1)) for part in found.split([changes * size for size in sizes])]
    return torch.cat(parts, dim=1) if parts else found.new_empty(changes, 0, found.shape[1])


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
