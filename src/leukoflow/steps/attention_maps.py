"""Keep what attention makes of feature maps, on one test image of each class.

Of each architecture the first network that attends is looked at, and the first one that is built without attention, its
twin. Of the maps the channels are kept that differ most between positions: those of the maps before attention, the same
ones behind it, and the twin's own.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, run
from leukoflow.explain.around import around_attention, likeness, strongest, without_attention
from leukoflow.explain.sample import sample
from leukoflow.images.shards import open_view
from leukoflow.models import inference

log = logging.getLogger(__name__)
CHANNELS = 3
COLUMNS = [
    "model", "architecture", "image_id", "y", "predicted", "stage", "channels", "likeness", "place", "channel",
    "rows", "columns", "values",
]  # fmt: skip


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the runs' folders")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of a panel's runs")
    arguments.add_argument("--view", type=Path, required=True, help="summary of the view (view.json)")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="table (Parquet)")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    first: Run = args.of[0]
    classes = len(read_json(args.runs / first.name / "model.json")["classes"])
    predictions = read_table(args.runs / first.name / "predictions" / f"{first.cohort}.parquet")
    chosen = sample(first, predictions, classes, classes)
    view = open_view(args.view)
    pictures = torch.from_numpy(view.gather(view.rows_of(chosen["image_id"])))
    parts = list(_looked_at(args, chosen, inference.to_input(pictures, torch.device("cpu"))))
    write_table(args.output, pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS))
    log.info("%d images, %s", len(chosen), ", ".join(dict.fromkeys(part["model"].iloc[0] for part in parts)) or "none")


def _looked_at(args: argparse.Namespace, chosen: pd.DataFrame, images: Tensor) -> Iterator[pd.DataFrame]:
    """Rows of each network that is looked at and each of its stages."""
    seen: set[tuple[str, bool]] = set()
    for trained in args.of:
        folder = args.runs / trained.name
        description = read_json(folder / "model.json")
        architecture = description["architecture"]
        if {(architecture, True), (architecture, False)} <= seen:
            continue
        model = inference.load_model(description, folder / "weights.safetensors")
        around, last = around_attention(model, images), without_attention(model, images)
        attends = around is not None
        if (architecture, attends) in seen or not (attends or last is not None):
            continue
        seen.add((architecture, attends))
        with torch.inference_mode():
            answers = model(images).argmax(dim=1).numpy()
        facts = chosen[["image_id", "y"]].assign(predicted=answers, model=trained.model, architecture=architecture)
        if around is not None:
            channels = strongest(around[0], CHANNELS)
            same = around[0].shape[1] == around[1].shape[1]
            yield _rows(facts, "before", around[0], channels)
            yield _rows(facts, "after", around[1], channels if same else strongest(around[1], CHANNELS))
        if last is not None:
            yield _rows(facts, "without", last, strongest(last, CHANNELS))


def _rows(facts: pd.DataFrame, stage: str, maps: Tensor, channels: Tensor) -> pd.DataFrame:
    """A row for each image and channel; facts: a row for each image; channels: int64 [n, c]."""
    alike = likeness(maps).double().numpy()
    kept = maps.gather(1, channels[:, :, None, None].expand(-1, -1, *maps.shape[2:])).flatten(2).numpy()
    of_image = facts.assign(stage=stage, channels=maps.shape[1], likeness=alike)
    parts = [
        of_image.assign(
            place=index, channel=channels[:, index].numpy(), rows=maps.shape[2], columns=maps.shape[3],
            values=list(np.ascontiguousarray(kept[:, index])),
        )
        for index in range(channels.shape[1])
    ]  # fmt: skip
    return pd.concat(parts, ignore_index=True)[COLUMNS]


if __name__ == "__main__":
    run(main)
