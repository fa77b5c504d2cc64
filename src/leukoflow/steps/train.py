"""Train one model on one view, split, fold and seed; go on where an earlier attempt stopped."""

import hashlib
import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from lightning_fabric import Fabric
from torch import nn

from leukoflow.config.models import Model
from leukoflow.core.files import read_table, write_json, write_table
from leukoflow.core.seeding import stream_seed
from leukoflow.core.shards import shard_files
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.shards import Shards, open_shards
from leukoflow.models import inference, registry
from leukoflow.training import batches, recipe
from leukoflow.training.batches import Examples
from leukoflow.training.loop import Result, fit

log = logging.getLogger(__name__)


def main(argv: list[str] | None) -> None:
    """Parse the arguments, train, write weights, description and history."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Model), required=True, help="entry of section models (JSON)")
    arguments.add_argument("--name", required=True, help="the entry's name")
    arguments.add_argument("--classes", nargs="+", required=True)
    arguments.add_argument("--view", type=Path, required=True, help="folder of the view's shards")
    arguments.add_argument("--shards", type=int, required=True, help="number of shards")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--fold", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--code", default="", help="fingerprint of the code; a checkpoint of other code is not used")
    arguments.add_argument("--resume", type=Path, required=True, help="folder for checkpoints")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True)
    arguments.add_argument("--history", type=Path, required=True)
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    model_settings: Model = args.settings
    training = model_settings.training
    fabric = Fabric(accelerator="auto", devices=1, precision=training.precision)
    log.info("%s on %s, %s, %d threads", args.name, fabric.device, training.precision, args.threads)
    shards = open_shards(shard_files(args.view, args.shards))
    roles = _roles(args.split, args.fold, shards)
    spec = registry.spec(model_settings.architecture)
    torch.manual_seed(stream_seed(args.seed, "weights"))
    model = registry.build(spec.name, len(args.classes), model_settings.size, **model_settings.options)
    parameters = sum(each.numel() for each in model.parameters() if each.requires_grad)
    started = time.perf_counter()
    if spec.fitting == "direct":
        result = _fit_directly(model, roles["train"], args.seed)
        shutil.rmtree(args.resume, ignore_errors=True)
    else:
        result = fit(
            model, spec.backbone, roles["train"], roles["validation"], len(args.classes), training, args.seed, fabric,
            args.resume / _digest(args) / "state.safetensors",
        )  # fmt: skip
    model.load_state_dict(result.weights)
    model.to(fabric.device)
    validation = roles["validation"]
    loaded = batches.load(validation, batches.in_order(len(validation), 64))
    rates = inference.mean_firing_rates(model, (images for images, *_ in loaded), fabric.device)
    description = {
        "model": args.name,
        "architecture": spec.name,
        "title": spec.title,
        "source": spec.source,
        "size": model_settings.size,
        "options": model_settings.options,
        "classes": args.classes,
        "parameters": parameters,
        "input_size": shards.shape[0],
        "weights": "fitted" if spec.fitting == "direct" else "random",
        "fitting": spec.fitting,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "train_images": len(roles["train"]),
        "seconds": sum(each.seconds for each in result.history) or time.perf_counter() - started,
        "device": _device_name(fabric),
        "threads": args.threads,
        "precision": training.precision,
        "seed": args.seed,
        "firing_rates": rates,
    }
    _write(args, result, description)


def _roles(split: Path, fold: int, shards: Shards) -> dict[str, Examples]:
    """Training and validation examples of the fold, in the order of the shards."""
    table = read_table(split)
    table = table[(table["fold"] == fold) & table["role"].isin(["train", "validation"])]
    table = table.assign(row=shards.rows_of(table["image_id"])).sort_values("row")
    return {
        role: Examples(shards, part["row"].to_numpy(np.int64, copy=True), part["y"].to_numpy(np.int64, copy=True))
        for role, part in ((role, table[table["role"] == role]) for role in ("train", "validation"))
    }


def _fit_directly(model: nn.Module, train: Examples, seed: int) -> Result:
    """Fit a model that is no network: features of all training images, then one call."""
    order = batches.in_order(len(train), 64)
    with torch.inference_mode():
        features = [
            model.features(inference.to_input(images, torch.device("cpu")))  # type: ignore[operator]
            for images, *_ in progress(batches.load(train, order), len(order), "batch")
        ]
    model.fit(torch.cat(features), torch.from_numpy(train.y), seed)  # type: ignore[operator]
    return Result(dict(model.state_dict()), (), 0)


def _digest(args: Any) -> str:
    """What a checkpoint belongs to: config, code, split, pixels (files by size and time), fold and seed."""
    digest = hashlib.sha256(args.split.read_bytes())
    for file in sorted(args.view.iterdir()):
        status = file.stat()
        digest.update(f"{file.name} {status.st_size} {status.st_mtime_ns}\n".encode())
    digest.update(f"{args.settings.model_dump_json()} {args.classes} {args.fold} {args.seed} {args.code}".encode())
    return digest.hexdigest()[:32]


def _device_name(fabric: Fabric) -> str:
    return torch.cuda.get_device_name(fabric.device) if fabric.device.type == "cuda" else fabric.device.type


def _write(args: Any, result: Result, description: dict[str, Any]) -> None:
    columns = list(recipe.Epoch.__dataclass_fields__)
    write_table(args.history, pd.DataFrame([asdict(each) for each in result.history], columns=columns))
    write_json(args.description, description)
    inference.save_tensors(args.weights, result.weights)
    shutil.rmtree(args.resume, ignore_errors=True)


if __name__ == "__main__":
    run(main)
