"""Train one model on one view, or on features of it, split, fold and seed; go on where an earlier attempt stopped."""

import json
import logging
import shutil
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from leukoflow.config.models import Model
from leukoflow.config.training import Augmentation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_json, write_table
from leukoflow.core.seeding import stream_seed
from leukoflow.core.step import parser, progress, run, settings, texts
from leukoflow.features.matrix import Matrix, open_selection
from leukoflow.images.shards import Shards, open_view
from leukoflow.models import inference, inputs, pretrained, registry
from leukoflow.models.pretrained import Start
from leukoflow.models.spec import ModelSpec
from leukoflow.training import batches, checkpoint, recipe
from leukoflow.training.batches import Examples
from leukoflow.training.copies import with_copies
from leukoflow.training.predictions import held_out, predictions
from leukoflow.training.recipe import Fitted
from leukoflow.training.share import with_share

log = logging.getLogger(__name__)


def main(argv: list[str] | None) -> None:
    """Parse the arguments, train, predict what was held out, write weights, description, history and predictions."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Model), required=True, help="entry of section models (JSON)")
    arguments.add_argument("--name", required=True, help="the entry's name")
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--classes", type=texts, required=True, help="classes of the task, in order, as a JSON list")
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument("--view", type=Path, help="summary of the view (view.json)")
    source.add_argument("--features", type=Path, help="ranked features (scaled/COHORT.npy of a selection)")
    arguments.add_argument("--start", type=Path, nargs="?", help="weights that the trunk starts from (safetensors)")
    arguments.add_argument("--partner", type=Path, nargs="?", help="weights that a second trunk starts from")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--fold", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--code", default="", help="fingerprint of the code; a checkpoint of other code is not used")
    arguments.add_argument("--resume", type=Path, required=True, help="folder for checkpoints")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True)
    arguments.add_argument("--history", type=Path, required=True)
    arguments.add_argument("--predictions", type=Path, required=True, help="of the validation and test roles")
    args = arguments.parse_args(argv)

    model_settings: Model = args.settings
    torch.set_num_threads(max(1, args.threads // model_settings.training.devices))
    spec = registry.spec(model_settings.architecture)
    data, options, facts = _source(args, spec)
    split = with_share(read_table(args.split), args.fold, model_settings.training.share, args.seed)
    roles = {role: batches.examples_of(data, split, args.fold, role) for role in ("train", "validation")}
    roles["train"] = with_copies(roles["train"], data, split, args.fold)
    torch.manual_seed(stream_seed(args.seed, "weights"))
    model = registry.build(spec.name, len(args.classes), model_settings.size, **options)
    begin = pretrained.start if model_settings.self_supervised is None else pretrained.go_on
    start = begin(model, spec, args.name, model_settings, args.start, args.partner)
    frozen, frozen_facts = _frozen(model, spec, start, args)
    parameters = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    started = time.perf_counter()
    if spec.fitting == "direct":
        result = _fit_directly(model, spec, roles, args.seed)
    else:
        result = _fit_by_epochs(model, spec, start, frozen, roles, args)
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
        "options": options,
        "classes": args.classes,
        "parameters": parameters,
        "trainable": parameters - _never_trained(model, result, model_settings, frozen),
        "frozen": frozen_facts,
        "reads": spec.reads,
        "input_size": data.shape[0],
        "recipe": model_settings.recipe or "own",
        "weights": "fitted" if spec.fitting == "direct" else facts.get("weights", start.words),
        "input": start.inputs,
        "features": facts or None,
        "fitting": spec.fitting,
        "epochs": len(result.history),
        "best_epoch": result.best_epoch,
        "best_epoch_by": result.chosen_by,
        "train_images": len(np.unique(data.image_ids[roles["train"].rows].astype(str))),
        "train_rows": len(roles["train"]),
        "class_shares": _class_shares(split, args.fold, len(args.classes)),
        "seconds": sum(epoch.seconds for epoch in result.history) or time.perf_counter() - started,
        "device": _device_name(result.device),
        "threads": args.threads,
        "devices": model_settings.training.devices,
        "precision": result.precision,
        "compiled": result.compiled,
        "fold": args.fold,
        "seed": args.seed,
        "firing_rates": rates,
    }
    table = held_out(split, args.fold).assign(cohort=args.cohort)
    _write(args, result, description, predictions(model, data, table, result.device, description))


def _frozen(
    model: nn.Module, spec: ModelSpec, start: Start, args: Any
) -> tuple[dict[str, tuple[str, ...]], dict[str, Any] | None]:
    """Prefixes of the layers that stay by what a stage trains, and what `model.json` says of them; None if no
    freezing is asked for. Layers of random weights are never frozen: they would keep them.

    Raises LeukoFlowError for stages of an architecture that does not name such layers.
    """
    training = args.settings.training
    if not (training.frozen_epochs or training.stages):
        return {}, None
    named = {"head": spec.backbone + spec.partner, "last": spec.frozen}
    for stage in training.stages:
        if stage.train != "all" and not named[stage.train]:
            raise LeukoFlowError(
                f"models.{args.name}.training.stages: {spec.name} names no layers that stage {stage.train!r} could "
                "leave as they were loaded; train all from the first epoch"
            )
    frozen = {
        train: tuple(prefix for prefix in prefixes if start.loaded and prefix.startswith(start.loaded))
        for train, prefixes in named.items()
    }
    tensors, parameters = _held(model, frozen["last"])
    facts: dict[str, Any] = {"epochs": training.frozen_epochs, "tensors": tensors, "parameters": parameters}
    if training.stages:
        rows = [(stage.model_dump(), *_held(model, frozen.get(stage.train, ()))) for stage in training.stages]
        facts = {"stages": [{**row, "tensors": count, "parameters": size} for row, count, size in rows]}
    asked = {stage.train for stage in training.stages} - {"all"} or {"last"}
    random = {part: _held(model, named[part])[0] - _held(model, frozen[part])[0] for part in asked}
    note = ""
    if not any(named[part] for part in asked):
        note = f"{spec.name} names no layers to freeze"
    elif any(random.values()):
        which = max(random, key=random.__getitem__)
        whose = "that the paper freezes" if which == "last" else "of the trunk"
        note = f"{random[which]} tensors {whose} started from random weights and are trained"
    if note:
        key = "stages" if training.stages else "frozen_epochs"
        log.warning("models.%s.training.%s: %s", args.name, key, note)
    return frozen, {**facts, "note": note}


def _held(model: nn.Module, prefixes: tuple[str, ...]) -> tuple[int, int]:
    """Tensors and parameters whose names begin so."""
    sizes = [
        parameter.numel() for name, parameter in model.named_parameters() if prefixes and name.startswith(prefixes)
    ]
    return len(sizes), sum(sizes)


def _never_trained(model: nn.Module, result: Fitted, settings: Model, frozen: dict[str, tuple[str, ...]]) -> int:
    """Parameters that were frozen in every epoch up to the one whose weights are kept."""
    left = {name: parameter.numel() for name, parameter in model.named_parameters()}
    for epoch in range(result.best_epoch + 1):
        prefixes = frozen.get(recipe.stage(settings.training, epoch).train, ())
        left = {name: size for name, size in left.items() if prefixes and name.startswith(prefixes)}
    return sum(left.values())


def _source(args: Any, spec: ModelSpec) -> tuple[Shards | Matrix, dict[str, Any], dict[str, Any]]:
    """What the model reads, its options, and for features where they are from.

    Raises LeukoFlowError if the model reads the other kind, or features are to be augmented.
    """
    model: Model = args.settings
    where = f"models.{args.name}"
    if spec.reads == "images":
        if args.view is None:
            raise LeukoFlowError(f"{where}.features: {spec.name} reads pictures; remove this key")
        return open_view(args.view), dict(model.options), {}
    if args.features is None:
        raise LeukoFlowError(f"{where}: {spec.name} reads features; name an entry of section features in key features")
    if model.training.augmentation != Augmentation():
        raise LeukoFlowError(f"{where}.training.augmentation: features cannot be augmented; remove this key")
    sized = {**spec.sizes.get(model.size, {}), **model.options}
    data, facts = open_selection(args.features.parents[1], args.features.stem, int(sized["features"]))
    if data.shape[0] < int(sized["features"]):
        log.warning("%d features wanted, %d there are", sized["features"], data.shape[0])
    return data, {**model.options, "inputs": data.shape[0]}, {"name": model.features, **facts}


def _class_shares(split: pd.DataFrame, fold: int, classes: int) -> list[float]:
    """Share of each class among the images of the training role."""
    y = split.loc[(split["fold"] == fold) & (split["role"] == "train"), "y"]
    counts = np.bincount(y.to_numpy(np.int64), minlength=classes)
    return [float(share) for share in counts / max(1, counts.sum())]


def _fit_by_epochs(
    model: nn.Module,
    spec: ModelSpec,
    start: Start,
    frozen: dict[str, tuple[str, ...]],
    roles: dict[str, Examples],
    args: Any,
) -> Fitted:
    # Imported here because a model that is fitted directly does without it, and it takes seconds.
    from leukoflow.training.loop import fit

    state_file = args.resume / _digest(args) / "state.safetensors"
    return fit(
        model,
        # A partner of random weights is new, like the head.
        spec.backbone + tuple(prefix for prefix in spec.partner if prefix in start.loaded),
        roles["train"],
        roles["validation"],
        len(args.classes),
        args.settings.training,
        args.seed,
        state_file,
        frozen,
    )


def _fit_directly(model: nn.Module, spec: ModelSpec, roles: dict[str, Examples], seed: int) -> Fitted:
    """Fit a model that is no network: features of all training images, then one call. One that reads features stops by
    those of the validation role."""
    x, y = _features(model, roles["train"])
    if spec.reads == "features":
        model.fit(x, y, seed, _features(model, roles["validation"]))  # type: ignore[operator]
    else:
        model.fit(x, y, seed)  # type: ignore[operator]
    return Fitted(dict(model.state_dict()), (), 0, torch.device("cpu"))


def _features(model: nn.Module, examples: Examples) -> tuple[Tensor, Tensor]:
    """What a model that is no network makes of rows, and their classes."""
    order = batches.in_order(len(examples), 64)
    with torch.inference_mode():
        features = [
            model.features(inference.to_input(images, torch.device("cpu")))  # type: ignore[operator]
            for images, *_ in progress(batches.load(examples, order), len(order), "batch")
        ]
    return torch.cat(features), torch.from_numpy(examples.y)


def _digest(args: Any) -> str:
    """What a checkpoint belongs to: config, code, split, pixels or features, fold and seed."""
    folder = args.features.parents[1] if args.features else None
    files = [args.view] if folder is None else [folder / "features.json", folder / "ranking.csv"]
    files += [path for path in (args.start, args.partner) if path]
    settings = args.settings.model_dump_json()
    return checkpoint.digest_of([args.split, *files], settings, args.classes, args.fold, args.seed, args.code)


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type


def _write(args: Any, result: Fitted, description: dict[str, Any], predicted: pd.DataFrame) -> None:
    columns = list(recipe.Epoch.__dataclass_fields__)
    history = pd.DataFrame([asdict(epoch) for epoch in result.history], columns=columns)
    write_table(args.history, history.assign(kept=history["epoch"] == result.best_epoch))
    write_json(args.description, description)
    stated = {inputs.METADATA: json.dumps({"input": description["input"]})}
    inference.save_tensors(args.weights, result.weights, stated)
    write_table(args.predictions, predicted)
    shutil.rmtree(args.resume, ignore_errors=True)


if __name__ == "__main__":
    run(main)
