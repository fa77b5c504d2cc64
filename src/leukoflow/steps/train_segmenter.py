"""Train the Attention U-Net on the training roles of several sources, and tune thresholds on the same images."""

import argparse
import hashlib
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from leukoflow.cells.threshold import tune
from leukoflow.config.segmentation import Segmentation
from leukoflow.core.files import read_table, write_json, write_table
from leukoflow.core.picture import Raster
from leukoflow.core.step import log, parser, run, settings
from leukoflow.models.inference import save_tensors
from leukoflow.training.canvases import Source, median_diameter
from leukoflow.training.segmenter import SegmenterEpoch, fit_segmenter, new_network

TUNED_ON = 20
"""Images of each source that thresholds are tuned on, evenly spaced."""


def main(argv: list[str] | None) -> None:
    """Parse the arguments, train, write weights, description and history."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Segmentation), required=True, help="section segmentation (JSON)")
    arguments.add_argument("--sources", nargs="*", type=Path, default=[], help="folders of annotated sources")
    arguments.add_argument("--code", default="", help="fingerprint of the code; a checkpoint of other code is not used")
    arguments.add_argument("--resume", type=Path, required=True, help="folder for checkpoints")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True)
    arguments.add_argument("--history", type=Path, required=True)
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    given: Segmentation = args.settings
    train, validation = ([_source(each, role) for each in args.sources] for role in ("train", "validation"))
    rules, dice = tune([_some(each) for each in train])
    log.info("thresholds: %s; Dice on the images they were tuned on: %s", rules, dice)
    description: dict[str, Any] = {
        "method": given.method,
        "sources": [each.name for each in args.sources],
        "width": given.width,
        "gates": given.gates,
    }
    description |= {"thresholds": rules.described(), "threshold_dice": dice}
    description["cell_diameters"] = {each.name: each.diameter for each in train}
    columns = list(SegmenterEpoch.__dataclass_fields__)
    weights: dict[str, torch.Tensor] = {}
    history = pd.DataFrame(columns=columns)
    if given.method == "unet":
        # As at inference: see cells.segmenter.probabilities.
        for source in [*train, *validation]:
            source.images[:] = np.stack([Raster(image).balanced for image in source.images])
        result = fit_segmenter(
            new_network(given), train, validation, given.training, args.resume / _digest(args) / "state.safetensors"
        )
        weights, history = result.weights, pd.DataFrame([vars(each) for each in result.history], columns=columns)
        description |= {
            "parameters": sum(weight.numel() for name, weight in weights.items() if not _is_statistic(name)),
            "best_epoch": result.best_epoch,
            "seconds": float(history["seconds"].sum()),
            "device": result.device.type,
            "threads": args.threads,
        }
    write_table(args.history, history)
    write_json(args.description, description)
    save_tensors(args.weights, weights)
    shutil.rmtree(args.resume, ignore_errors=True)


def _is_statistic(name: str) -> bool:
    return name.endswith(("running_mean", "running_var", "num_batches_tracked"))


def _source(folder: Path, role: str) -> Source:
    """The images of one role."""
    rows = np.flatnonzero(read_table(folder / "index.parquet")["role"].to_numpy() == role)
    images, parts = (np.load(folder / f"{name}.npy", mmap_mode="r")[rows] for name in ("images", "parts"))
    return Source(folder.name, images, parts, median_diameter(parts))


def _some(source: Source) -> tuple[np.ndarray, np.ndarray]:
    rows = np.linspace(0, len(source.images) - 1, min(TUNED_ON, len(source.images))).round().astype(int)
    return source.images[rows], source.parts[rows]


def _digest(args: argparse.Namespace) -> str:
    """What a checkpoint belongs to: settings, code and pixels."""
    digest = hashlib.sha256(f"{args.settings.model_dump_json()} {args.code}".encode())
    for folder in args.sources:
        for name in ("index.parquet", "images.npy", "parts.npy"):
            with open(folder / name, "rb") as stream:
                digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:32]


if __name__ == "__main__":
    run(main)
