"""Train the Attention U-Net on the training roles of several sources, and tune thresholds on the same images."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch

from leukoflow.cells.threshold import tune
from leukoflow.config.segmentation import Segmentation
from leukoflow.core.files import write_json, write_table
from leukoflow.core.step import log, parser, run, settings
from leukoflow.models.inference import save_tensors
from leukoflow.training.canvases import Source
from leukoflow.training.checkpoint import digest_of
from leukoflow.training.masked import balance, derive_nuclei, facts_of, files_of, history_of, masked_source
from leukoflow.training.segmenter import fit_segmenter, new_network

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
    segmentation: Segmentation = args.settings
    train, validation = ([masked_source(folder, role) for folder in args.sources] for role in ("train", "validation"))
    rules, dice = tune([_some(source) for source in train])
    log.info("thresholds: %s; Dice on the images they were tuned on: %s", rules, dice)
    description: dict[str, Any] = {
        "method": segmentation.method,
        "sources": [folder.name for folder in args.sources],
        "width": segmentation.width,
        "gates": segmentation.gates,
    }
    description |= {"thresholds": rules.described(), "threshold_dice": dice}
    description["cell_diameters"] = {source.name: source.diameter for source in train}
    result = None
    if segmentation.method == "unet":
        balance([*train, *validation])
        if segmentation.derived_nuclei:
            derive_nuclei([*train, *validation])
        digest = digest_of(files_of(args.sources), segmentation.model_dump_json(), args.code)
        state = args.resume / digest / "state.safetensors"
        result = fit_segmenter(new_network(segmentation), train, validation, segmentation.training, state)
        description |= facts_of(result, args.threads)
    write_table(args.history, history_of(result))
    write_json(args.description, description)
    save_tensors(args.weights, result.weights if result else {})
    shutil.rmtree(args.resume, ignore_errors=True)


def _some(source: Source) -> tuple[np.ndarray, np.ndarray]:
    rows = np.linspace(0, len(source.images) - 1, min(TUNED_ON, len(source.images))).round().astype(int)
    return source.images[rows], source.parts[rows]


if __name__ == "__main__":
    run(main)
