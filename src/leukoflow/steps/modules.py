"""Compare the modules of attention of a trained network on changed test images with those on the unchanged ones.

For networks whose `ModelSpec` names a row of modules with a method `weights`. Besides the modules, the gate over
positions within one of them is compared (SpatialGate), and what all of them make of the maps (F3), each of which is its
own attention. Medians and quartiles go into one table, the values of single images into another.
"""

import logging
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from leukoflow.audits.changed import add_view, changed_pictures
from leukoflow.audits.modules import compared, images_of, rows_of, table_of
from leukoflow.config.robustness import Robustness
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.runs import parse_run
from leukoflow.core.seeding import generator
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.perturbations import Change, changes_of
from leukoflow.models import inference, registry

log = logging.getLogger(__name__)
Found = dict[str, tuple[np.ndarray, np.ndarray]]
"""Feature maps [n, C, h, w] and attention [n, ...] of each module, float32."""


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument(
        "--settings", type=settings(Robustness), required=True, help="evaluation.robustness, as JSON"
    )
    arguments.add_argument("--run", type=parse_run, required=True, help="name of the run's folder")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="model.json")
    add_view(arguments)
    arguments.add_argument("--split", type=Path, required=True, help="the cohort's split")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="modules (CSV)")
    arguments.add_argument("--images-output", type=Path, required=True, help="values of single images (Parquet)")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    robustness: Robustness = args.settings
    split = read_table(args.split)
    names = split.loc[(split["fold"] == args.run.fold) & (split["role"] == "test"), "image_id"].to_numpy(object)
    count = min(robustness.module_images, len(names))
    chosen = np.sort(generator(robustness.seed, "modules", "sample").choice(len(names), count, replace=False))
    pictures = changed_pictures(args, names[chosen], robustness.seed)
    batches = list(pictures.batches())
    device = inference.best_device()
    description = read_json(args.description)
    model = inference.load_model(description, args.weights).to(device)
    name = registry.spec(description["architecture"]).modules
    blocks = model.get_submodule(name) if name else None
    if not isinstance(blocks, nn.Sequential):
        raise LeukoFlowError(f"{args.description}: this network has no modules of attention to compare")
    shown = pictures.data.image_ids[pictures.rows[:count]].astype(str)
    unchanged, *changes = changes_of(robustness)

    def under(change: Change) -> Found:
        images = [pictures.under(change, batch)[0] for batch in batches]
        return modules_of(model, blocks, np.concatenate(images)[:count], device)  # of pictures of cells the first ones

    clean = under(unchanged)
    rows: list[dict[str, object]] = []
    singles = []
    for change in progress([unchanged, *changes], len(changes) + 1, "change"):
        for name, (maps, attention) in under(change).items():
            measured = compared(clean[name][0], maps, clean[name][1], attention)
            rows += rows_of(name, change.family, change.level, measured)
            singles.append(images_of(name, change.family, change.level, shown, measured, args.run.columns()))
    write_table(args.images_output, pd.concat(singles, ignore_index=True))
    write_table(args.output, table_of(rows, args.run.columns()))
    log.info("%d images, %d modules, changed in %d ways", count, len(clean), len(changes))


@torch.inference_mode()
def modules_of(model: nn.Module, blocks: nn.Sequential, images: np.ndarray, device: torch.device) -> Found:
    """What each module, by the name of its class, makes of images uint8 [n, H, W, 3], and its attention; then the gate
    over positions, if there is one, and the maps behind all modules."""
    watched = {type(block).__name__: block for block in blocks}
    gate = getattr(model, "gate", None)
    watched |= {} if gate is None else {"SpatialGate": gate}
    watched["F3"] = model.get_submodule("fused")
    caught: dict[str, tuple[list[Tensor], list[Tensor]]] = {name: ([], []) for name in watched}

    def catch(name: str, module: nn.Module, inputs: tuple[Tensor], output: Tensor) -> None:
        weigh = getattr(module, "weights", None)
        caught[name][0].append(output.float().cpu())
        caught[name][1].append((output if weigh is None else weigh(inputs[0])).float().cpu())

    hooks = [module.register_forward_hook(partial(catch, name)) for name, module in watched.items()]
    try:
        for start in range(0, len(images), 16):
            model(inference.to_input(torch.from_numpy(np.ascontiguousarray(images[start : start + 16])), device))
    finally:
        for hook in hooks:
            hook.remove()
    return {name: (torch.cat(maps).numpy(), torch.cat(weights).numpy()) for name, (maps, weights) in caught.items()}


if __name__ == "__main__":
    run(main)
