"""Explain test images of a trained network: heat maps of every method that it allows, and what they are worth.

Each image is explained for the class that the network predicts. Reference maps, which know the picture at most, are
added to its own methods. Rows of the heat, uint8 [n, h, w], are those of the table.
"""

import argparse
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d

from leukoflow.cells.labels import labels_by_id
from leukoflow.config.explain import Explain
from leukoflow.config.features import DeepFeatures
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, read_json, read_table, write_table
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.explain import scores
from leukoflow.explain.heat import heat, methods, spec_of
from leukoflow.explain.reference_maps import REFERENCE_MAPS, reference_map
from leukoflow.explain.sample import sample
from leukoflow.images.shards import open_view
from leukoflow.models import inference

log = logging.getLogger(__name__)
BATCH = 32
KEPT = 56
"""Most rows and columns of the heat that is kept; maps of networks are coarser."""


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Explain), required=True, help="evaluation.explain (JSON)")
    arguments.add_argument("--run", type=parse_run, required=True, help="name of the run's folder")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="model.json")
    arguments.add_argument("--view", type=Path, required=True, help="summary of the view (view.json)")
    arguments.add_argument("--predictions", type=Path, required=True, help="the run's, of its own cohort")
    arguments.add_argument("--features", type=settings(DeepFeatures), help="entry of section features that it reads")
    arguments.add_argument("--selection", type=Path, help="folder of the run's scaled and ranked features")
    arguments.add_argument("--backbones", nargs="*", type=Path, default=[], help="weights of the entry's networks")
    arguments.add_argument("--cells", type=Path, help="folder of the cohort's label maps, where the study has them")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="table (Parquet)")
    arguments.add_argument("--heat", type=Path, required=True, help="heat maps (NPY)")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    description = read_json(args.description)
    chosen = sample(args.run, read_table(args.predictions), args.settings.images, len(description["classes"]))
    view = open_view(args.view)
    pictures = view.gather(view.rows_of(chosen["image_id"]))
    labels = None
    if args.cells:
        by_id = labels_by_id(sorted(args.cells.glob("*.npy")), list(chosen["image_id"]))
        labels = np.stack([by_id[image] for image in chosen["image_id"]])
    model = _model(args, description)
    table, maps = explained(model, chosen, pictures, labels, args.settings, args.run)
    with atomic(args.heat) as temporary:
        np.save(temporary, maps)
    write_table(args.output, table)
    log.info("%d images by %s", len(chosen), ", ".join(dict.fromkeys(table["method"])))


def _model(args: argparse.Namespace, description: dict[str, Any]) -> nn.Module:
    """The run's model; one that reads features with what makes them of pictures in front."""
    device = inference.best_device()
    model = inference.load_model(description, args.weights).to(device)
    if args.features is None:
        return model
    # Imported here because networks that read pictures do without it, and it takes seconds.
    from leukoflow.features.pictures import from_pictures

    inputs = int(description["options"]["inputs"])
    return from_pictures(model, inputs, args.features, args.backbones, args.selection, device)


def explained(
    model: nn.Module,
    chosen: pd.DataFrame,
    pictures: np.ndarray,
    labels: np.ndarray | None,
    explain: Explain,
    of: Run,
) -> tuple[pd.DataFrame, np.ndarray]:
    """A row for each method and image, and its heat uint8 [rows, h, w]; scrambles the model.

    pictures: uint8 [n, H, W, 3]; labels: label maps uint16 [n, S, S] of the same images letterboxed alike.
    """
    names = methods(model)
    if not names:
        raise LeukoFlowError(
            f"{of.name}: {spec_of(model).name} names no target and nothing that attends in its ModelSpec; name one, or "
            "leave explain out of the experiment's checks"
        )
    every = (*names, *REFERENCE_MAPS)
    starts = range(0, len(chosen), BATCH)
    parts = []
    for start in progress(starts, len(starts), "batch"):
        rows = slice(start, start + BATCH)
        parts.append(
            _scored(
                model, every, chosen[rows], pictures[rows], None if labels is None else labels[rows], explain, of.seed
            )
        )
    # Heat of each method, as a tensor [n, H, W].
    heats = {name: torch.cat([maps[name] for _, maps in parts]) for name in every}
    table = pd.concat([rows for rows, _ in parts], ignore_index=True)
    order = {name: number for number, name in enumerate(every)}
    table = table.assign(_method=table["method"].map(order)).sort_values(["_method", "image_id"], ignore_index=True)
    table = table.drop(columns="_method")
    for name, head_only in (("rank_head", True), ("rank_all", False)):
        # A reference map is the same whatever the network.
        table[name] = np.concatenate(
            [
                _scrambled(model, heats, names, chosen, pictures, of.seed, head_only),
                np.ones(len(REFERENCE_MAPS) * len(chosen)),
            ]
        )
    kept = [adaptive_avg_pool2d(heats[name][:, None], min(KEPT, heats[name].shape[1]))[:, 0] for name in every]
    return table, (torch.cat(kept) * 255).round().byte().numpy()


def _scored(
    model: nn.Module,
    every: tuple[str, ...],
    chosen: pd.DataFrame,
    pictures: np.ndarray,
    labels: np.ndarray | None,
    explain: Explain,
    seed: int,
) -> tuple[pd.DataFrame, dict[str, Tensor]]:
    """A batch: its rows, and the heat of each method [n, H, W] on the CPU."""
    images, classes = _inputs(model, chosen, pictures)
    absent = scores.blurred(images)
    regions = _regions(labels, images)
    edges = reference_map(images, "edges")
    facts = {f"{name}_area": weights.mean(dim=(1, 2)) for name, weights in regions.items()}
    facts["probability"] = scores.probability(model, images, classes)
    facts["blurred"] = scores.probability(model, absent, classes)
    tables, maps = [], {}
    for method in every:
        is_reference = method in REFERENCE_MAPS
        hot = reference_map(images, method) if is_reference else heat(model, images, classes, method)
        maps[method] = hot.cpu()
        values = {name: scores.share_inside(hot, weights) for name, weights in regions.items()}
        values["deletion"], values["insertion"] = scores.deletion_insertion(
            model, images, absent, hot, classes, explain.steps, seed
        )
        numbers = {name: tensor.double().cpu().numpy() for name, tensor in (facts | values).items()}
        numbers["rank_edges"] = scores.rank_correlation(hot, edges)
        empty = (hot.amax(dim=(1, 2)) == 0).cpu().numpy()
        tables.append(chosen.assign(method=method, reference_map=is_reference, empty=empty, **numbers))
    return pd.concat(tables, ignore_index=True), maps


def _inputs(model: nn.Module, chosen: pd.DataFrame, pictures: np.ndarray) -> tuple[Tensor, Tensor]:
    """Images float32 [n, 3, H, W] and the predicted classes int64 [n] on the model's device."""
    device = next(model.parameters()).device
    classes = torch.from_numpy(chosen["predicted"].to_numpy(np.int64, copy=True)).to(device)
    return inference.to_input(torch.from_numpy(pictures), device), classes


def _regions(labels: np.ndarray | None, images: Tensor) -> dict[str, Tensor]:
    """Weights [n, H, W] of white cells and of their nuclei; NaN if the study has no cells."""
    side = (images.shape[2], images.shape[3])
    if labels is None:
        nothing = torch.full((len(images), *side), torch.nan, device=images.device)
        return {"cells": nothing, "nuclei": nothing}
    inside = {"cells": labels > 0, "nuclei": labels & 1 > 0}
    return {name: scores.fitted(torch.from_numpy(mask).to(images.device), side) for name, mask in inside.items()}


def _scrambled(
    model: nn.Module,
    heats: dict[str, Tensor],
    names: tuple[str, ...],
    chosen: pd.DataFrame,
    pictures: np.ndarray,
    seed: int,
    head_only: bool,
) -> np.ndarray:
    """Rank correlation of each method's maps with those of the scrambled network, [methods * n]."""
    images, _ = _inputs(model, chosen[:BATCH], pictures[:BATCH])
    scores.scramble(model, images, seed, head_only)
    values = []
    for method in names:
        for start in range(0, len(chosen), BATCH):
            rows = slice(start, start + BATCH)
            maps = heat(model, *_inputs(model, chosen[rows], pictures[rows]), method)
            values.append(scores.rank_correlation(heats[method][rows], maps.cpu()))
    return np.concatenate(values)


if __name__ == "__main__":
    run(main)
