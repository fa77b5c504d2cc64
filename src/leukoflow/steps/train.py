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
from torch import nn

from leukoflow.config.models import Model
from leukoflow.core.files import read_table, write_json, write_table
from leukoflow.core.seeding import stream_seed
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.images.shards import Shards, open_view
from leukoflow.models import inference, registry
from leukoflow.models.spec import ModelSpec
from leukoflow.training import batches, recipe
from leukoflow.training.batches import Examples
from leukoflow.training.recipe import Fitted

log = logging.getLogger(__name__)


def main(argv: list[str] | None) -> None:
    """Parse the arguments, train, write weights, description and history."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Model), required=True, help="entry of section models (JSON)")
    arguments.add_argument("--name", required=True, help="the entry's name")
    arguments.add_argument("--classes", nargs="+", required=True)
    arguments.add_argument("--view", type=Path, required=True, help="summary of the view (view.json)")
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
    shards = open_view(args.view)
    roles = _roles(args.split, args.fold, shards)
    spec = registry.spec(model_settings.architecture)
    torch.manual_seed(stream_seed(args.seed, "weights"))
    model = registry.build(spec.name, len(args.classes), model_settings.size, **model_settings.options)
    parameters = sum(each.numel() for each in model.parameters() if each.requires_grad)
    started = time.perf_counter()
    if spec.fitting == "direct":
        result = _fit_directly(model, roles["train"], args.seed)
    else:
        result = _fit_by_epochs(model, spec, roles, args)
    model.load_state_dict(result.weights)
    model.to(result.device)
    validation = roles["validation"]
    loaded = batches.load(validation, batches.in_order(len(validation), 64))
    rates = inference.mean_firing_rates(model, (images for images, *_ in loaded), result.device)
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
        "device": _device_name(result.device),
        "threads": args.threads,
        "precision": model_settings.training.precision,
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


def _fit_by_epochs(model: nn.Module, spec: ModelSpec, roles: dict[str, Examples], args: Any) -> Fitted:
    # Imported here because a model that is fitted directly does without it, and it takes seconds.
    from leukoflow.training.loop import fit

    state_file = args.resume / _digest(args) / "state.safetensors"
    return fit(
        model,
        spec.backbone,
        roles["train"],
        roles["validation"],
        len(args.classes),
        args.settings.training,
        args.seed,
        state_file,
    )


def _fit_directly(model: nn.Module, train: Examples, seed: int) -> Fitted:
    """Fit a model that is no network: features of all training images, then one call."""
    order = batches.in_order(len(train), 64)
    with torch.inference_mode():
        features = [
            model.features(inference.to_input(images, torch.device("cpu")))  # type: ignore[operator]
            for images, *_ in progress(batches.load(train, order), len(order), "batch")
        ]
    model.fit(torch.cat(features), torch.from_numpy(train.y), seed)  # type: ignore[operator]
    return Fitted(dict(model.state_dict()), (), 0, torch.device("cpu"))


def _digest(args: Any) -> str:
    """What a checkpoint belongs to: config, code, split, pixels, fold and seed."""
    digest = hashlib.sha256(args.split.read_bytes() + args.view.read_bytes())
    digest.update(f"{args.settings.model_dump_json()} {args.classes} {args.fold} {args.seed} {args.code}".encode())
    return digest.hexdigest()[:32]


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _write(args: Any, result: Fitted, description: dict[str, Any]) -> None:
    columns = list(recipe.Epoch.__dataclass_fields__)
    write_table(args.history, pd.DataFrame([asdict(each) for each in result.history], columns=columns))
    write_json(args.description, description)
    inference.save_tensors(args.weights, result.weights)
    shutil.rmtree(args.resume, ignore_errors=True)


if __name__ == "__main__":
    run(main)
