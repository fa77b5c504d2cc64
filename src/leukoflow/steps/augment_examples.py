"""Change the images of the panel of stages as the training of a model would: those of the plain view, as one batch.

Written as a view is: an array uint8 [images, side, side, 3], and next to it the images in order.
"""

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from leukoflow.config.tasks import Task
from leukoflow.config.training import Augmentation
from leukoflow.core.files import atomic, read_table, write_table
from leukoflow.core.step import parser, run, settings
from leukoflow.figures.choice import typical_of
from leukoflow.images.shards import open_view
from leukoflow.models import inference
from leukoflow.training.augment import augmented

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Augmentation), required=True, help="of the training (JSON)")
    arguments.add_argument("--seed", type=int, required=True, help="seed of the training")
    arguments.add_argument("--task", type=settings(Task), required=True, help="entry of section tasks (JSON)")
    arguments.add_argument("--manifest", type=Path, required=True)
    arguments.add_argument("--images", type=Path, required=True, help="images of the cohort with their cells summed up")
    arguments.add_argument("--view", type=Path, required=True, help="summary of the plain view (view.json)")
    arguments.add_argument("--output", type=Path, required=True, help="changed images (NPY)")
    args = arguments.parse_args(argv)

    images = read_table(args.images, ["image_id", "cells"])
    chosen = typical_of(read_table(args.manifest), images, args.task)
    names = [image for image in chosen.values() if image is not None]
    view = open_view(args.view)
    pictures = torch.from_numpy(view.gather(view.rows_of(names)))
    x = inference.to_input(pictures, torch.device("cpu")).contiguous()
    changed = augmented(x, torch.arange(len(names)), args.settings, args.seed, 0) if names else x
    with atomic(args.output) as temporary:
        np.save(temporary, (changed.permute(0, 2, 3, 1) * 255).round().byte().numpy())
    write_table(args.output.with_suffix(".parquet"), pd.DataFrame({"image_id": names}))
    log.info("%d images", len(names))


if __name__ == "__main__":
    run(main)
