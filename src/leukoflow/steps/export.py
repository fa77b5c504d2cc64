"""Write a trained network as files that answer without PyTorch, and hold them against it.

Networks go out as ONNX, which takes bytes of a picture: as they are, in 8-bit integers with the ranges of training
images, and the gradient for heat; next to them weights, what novelty is told by, and training images where they may be
shown. `step card` adds what a reader and a program must know of them.
"""

import argparse
import logging
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import nn

from leukoflow.config.export import Export
from leukoflow.config.features import DeepFeatures
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_json, read_table, write_json
from leukoflow.core.runs import parse_run
from leukoflow.core.seeding import generator
from leukoflow.core.step import parser, run, settings
from leukoflow.export import folder as files
from leukoflow.export.maps import explained
from leukoflow.features.pictures import FromPictures, from_pictures
from leukoflow.images.shards import Shards, open_view
from leukoflow.models import inference
from leukoflow.runtime.schema import FILES

log = logging.getLogger(__name__)


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Export), required=True, help="section export, as JSON")
    arguments.add_argument("--run", type=parse_run, required=True, help="name of the run's folder")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="model.json")
    arguments.add_argument("--features", type=settings(DeepFeatures), help="entry of section features that it reads")
    arguments.add_argument("--selection", type=Path, help="folder of the run's scaled and ranked features")
    arguments.add_argument("--backbones", nargs="*", type=Path, default=[], help="weights of the entry's networks")
    arguments.add_argument("--view", type=Path, required=True, help="summary of the view (view.json)")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--novelty", type=Path, required=True, help="what new images are compared with")
    arguments.add_argument("--segmenter", nargs=2, type=Path, metavar=("WEIGHTS", "DESCRIPTION"), help="of the U-Net")
    arguments.add_argument("--size", type=int, default=224, help="side in which cells are looked for, pixels")
    arguments.add_argument("--with-pictures", action="store_true", help="training images may be shown")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--folder", type=Path, required=True, help="folder of the exported model")
    arguments.add_argument("--costs", type=Path, required=True, help="what each form costs (JSON)")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    asked: Export = args.settings
    model = _model(args)
    view, split = open_view(args.view), read_table(args.split)
    split = split[split["fold"] == args.run.fold]
    train, test = split[split["role"] == "train"], split[split["role"] == "test"]
    if train.empty or test.empty:
        raise LeukoFlowError(f"{args.split}: fold {args.run.fold} has no training or no test images")
    calibration, _ = _pictures(view, _drawn(train, asked.calibration, asked.seed, "calibration"))
    args.folder.mkdir(parents=True, exist_ok=True)
    if isinstance(model, FromPictures):
        inference.save_tensors(args.folder / FILES["weights"], model.state_dict())
    else:
        _copy(args.weights, args.folder / FILES["weights"])
    exported = files.write_networks(args.folder, model, calibration)
    log.info("networks written")
    costs = files.costs(args.folder, model, *_pictures(view, _drawn(test, asked.compared, asked.seed, "compared")))
    files.write_novelty(args.folder, args.novelty)
    if args.segmenter:
        weights, description = args.segmenter
        files.write_segmenter(args.folder, weights, description, args.size)
    shown = _balanced(train, asked.examples if args.with_pictures else 0, asked.seed)
    files.write_examples(args.folder, exported, *_pictures(view, shown))
    for cost in costs:
        log.info("%s: accuracy %.3f, %.1f ms", cost.form, cost.accuracy, cost.milliseconds)
    facts = {"parameters": sum(parameter.numel() for parameter in model.parameters()), **explained(model)}
    write_json(args.costs, {"costs": [cost.model_dump() for cost in costs], "examples": len(shown), **facts})


def _model(args: argparse.Namespace) -> nn.Module:
    """The run's model; one that reads features with what makes them of pictures in front."""
    description = read_json(args.description)
    model = inference.load_model(description, args.weights)
    if args.features is None:
        return model
    inputs = int(description["options"]["inputs"])
    return from_pictures(model, inputs, args.features, args.backbones, args.selection, torch.device("cpu"))


def _pictures(view: Shards, table: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Pictures uint8 [n, S, S, 3] and classes int [n] of rows of a split."""
    return view.gather(view.rows_of(table["image_id"])), table["y"].to_numpy(np.int64)


def _drawn(table: pd.DataFrame, most: int, seed: int, stream: str) -> pd.DataFrame:
    """At most so many rows, drawn by the seed, in their order."""
    if len(table) <= most:
        return table
    return table.iloc[np.sort(generator(seed, "export", stream).choice(len(table), most, replace=False))]


def _balanced(table: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """At most so many rows, as many of each class if there are enough."""
    share = most // table["y"].nunique()
    return pd.concat([_drawn(part, share, seed, f"examples {y}") for y, part in table.groupby("y")])


def _copy(source: Path, target: Path) -> None:
    with atomic(target) as temporary:
        shutil.copyfile(source, temporary)


if __name__ == "__main__":
    run(main)
