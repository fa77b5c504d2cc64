"""Run a trained model over a cohort that it was not trained on and write its predictions."""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from leukoflow.config.tasks import Task
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.step import parser, run, settings
from leukoflow.features.matrix import Matrix, open_selection
from leukoflow.images.shards import Shards, open_view
from leukoflow.models import inference
from leukoflow.training.predictions import predictions

log = logging.getLogger(__name__)


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
    arguments.add_argument("--manifest", type=Path, required=True, help="the cohort's images")
    arguments.add_argument("--groups", type=Path, required=True, help="duplicate groups")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True)
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    description = read_json(args.description)
    if args.view:
        data: Shards | Matrix = open_view(args.view)
    else:
        data, _ = open_selection(args.features.parents[1], args.features.stem, description["options"]["inputs"])
    device = inference.best_device()
    model = inference.load_model(description, args.weights).to(device)
    table = _external(args.manifest, args.groups, args.cohort, args.settings)
    write_table(args.output, predictions(model, data, table, device, description))
    log.info("%d images of %s", len(table), args.cohort)


def _external(manifest: Path, groups: Path, cohort: str, task: Task) -> pd.DataFrame:
    table = read_table(manifest, ["image_id", "label"])
    every = read_table(groups)
    known = every[every["cohort"] == cohort].set_index("image_id")["duplicate_group"]
    labels = [None if pd.isna(label) else str(label) for label in table["label"]]
    classes = [task.class_of(label) for label in labels]
    y = np.array([-1 if number is None else number for number in classes], np.int64)
    groups_of_images = known.reindex(table["image_id"]).to_numpy()
    return table.assign(cohort=cohort, group=groups_of_images, role="external", y=y).drop(columns="label")


if __name__ == "__main__":
    run(main)
