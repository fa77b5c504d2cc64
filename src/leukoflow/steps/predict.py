"""Run a trained model over a cohort and write its predictions."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from leukoflow.config.tasks import Task
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.features.matrix import Matrix, open_selection
from leukoflow.images.shards import Shards, open_view
from leukoflow.models import inference

log = logging.getLogger(__name__)
BATCH = 64


def main(argv: list[str] | None) -> None:
    """Parse the arguments, predict, write one row for each image."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Task), required=True, help="entry of section tasks (JSON)")
    arguments.add_argument("--cohort", required=True, help="cohort predicted")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="model.json")
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument("--view", type=Path, help="summary of the view (view.json)")
    source.add_argument("--features", type=Path, help="ranked features (scaled/COHORT.npy of a selection)")
    arguments.add_argument(
        "--split", type=Path, help="the training cohort's split: predicts its validation and test roles"
    )
    arguments.add_argument("--manifest", type=Path, help="an external cohort's manifest: predicts all its images")
    arguments.add_argument("--groups", type=Path, help="groups of an external cohort")
    arguments.add_argument("--fold", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True)
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    description = read_json(args.description)
    if args.view:
        data: Shards | Matrix = open_view(args.view)
    else:
        data, _ = open_selection(args.features.parents[1], args.features.stem, description["options"]["inputs"])
    table = (
        _own(args.split, args.fold) if args.split else _external(args.manifest, args.groups, args.cohort, args.settings)
    )
    rows, owner = data.groups_of(table["image_id"])
    device = inference.best_device()
    model = inference.load_model(description, args.weights).to(device)
    starts = range(0, len(rows), BATCH)
    images = (torch.from_numpy(data.gather(rows[start : start + BATCH])) for start in starts)
    loaded = progress(images, len(starts), "batch")
    found = torch.empty(0, len(description["classes"]))
    if len(rows):
        found = inference.predict(model, loaded, device, description["precision"])
    if data.many:
        shares = torch.tensor(description["class_shares"])
        found = inference.over_cells(found, torch.from_numpy(owner), len(table), shares)
        log.info("%d cells; %d of %d images have none", len(rows), len(table) - len(set(owner)), len(table))
    logits = found.numpy()
    table = table.assign(
        cohort=args.cohort,
        fold=args.fold,
        seed=args.seed,
        perturbation="none",
        logits=list(logits),
        probabilities=list(torch.from_numpy(logits).double().softmax(dim=1).float().numpy()),
    )
    columns = ["cohort", "image_id", "group", "role", "y", "fold", "seed", "perturbation", "logits", "probabilities"]
    write_table(args.output, table[columns])
    log.info("%d images of %s", len(table), args.cohort)


def _own(split: Path, fold: int) -> pd.DataFrame:
    table = read_table(split)
    table = table[(table["fold"] == fold) & table["role"].isin(["validation", "test"])]
    return table[["image_id", "group", "role", "y"]].reset_index(drop=True)


def _external(manifest: Path, groups: Path, cohort: str, task: Task) -> pd.DataFrame:
    table = read_table(manifest, ["image_id", "label"])
    every = read_table(groups)
    known = every[every["cohort"] == cohort].set_index("image_id")["duplicate_group"]
    labels = [None if pd.isna(label) else str(label) for label in table["label"]]
    classes = [task.class_of(label) for label in labels]
    y = np.array([-1 if each is None else each for each in classes], np.int64)
    return table.assign(group=known.reindex(table["image_id"]).to_numpy(), role="external", y=y).drop(columns="label")


if __name__ == "__main__":
    run(main)
