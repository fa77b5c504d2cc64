"""Fit the fusion stack, scale and rank features, on the training role of a split alone.

The validation role stops the training of the stack and takes no other part; the test role takes none. A protocol with
the leak `fitted_on_all` has features scaled and ranked on the images of all roles; the stack is trained as ever.
"""

import hashlib
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from leukoflow.config.base import Section
from leukoflow.config.features import DeepFeatures, Features
from leukoflow.config.training import Training
from leukoflow.core.files import read_table, write_json, write_table
from leukoflow.core.seeding import stream_seed
from leukoflow.core.step import parser, run, settings, texts
from leukoflow.features import scaling
from leukoflow.features.boxes import boxes
from leukoflow.features.matrix import Matrix, blocks_of, open_matrix
from leukoflow.features.ranking import rank
from leukoflow.features.selection import save_scaler
from leukoflow.features.stability import stability
from leukoflow.features.stack import Stack, StackClassifier, channels_of, names_of, random_stack, reducer
from leukoflow.models.inference import best_device, save_tensors
from leukoflow.training import batches
from leukoflow.training.recipe import Fitted

log = logging.getLogger(__name__)
PATIENCE = 5
"""Epochs without a better validation loss after which the training of the stack stops."""


class Entry(Section):
    """What the step depends on."""

    name: str
    """Name of the entry of section features."""
    features: Features
    """The entry."""


def main(argv: list[str] | None) -> None:
    """Parse the arguments, fit one after the other, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Entry), required=True, help="name and entry of section features")
    arguments.add_argument("--classes", type=texts, required=True, help="classes of the task, in order, as a JSON list")
    arguments.add_argument("--matrix", type=Path, required=True, help="matrix.json of the cohort's features")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--fold", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--on-all", action="store_true", help="scale and rank on all roles: a leak, to measure it")
    arguments.add_argument("--code", default="", help="fingerprint of the code; a checkpoint of other code is not used")
    arguments.add_argument("--resume", type=Path, required=True, help="folder for checkpoints of the stack")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--stack", type=Path, required=True, help="safetensors, empty if there is no stack")
    arguments.add_argument("--scaler", type=Path, required=True)
    arguments.add_argument("--ranking", type=Path, required=True, help="CSV; boxes.csv is written next to it")
    arguments.add_argument("--stability", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="features.json")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    features = args.settings.features
    selection = features.selection
    matrix, facts = open_matrix(args.matrix)
    split = read_table(args.split)
    # An image that is in two roles counts once.
    used = split.drop_duplicates(["fold", "image_id"]).assign(role="train") if args.on_all else split
    train = batches.examples_of(matrix, used, args.fold, "train")
    stack, training = _stack(features, facts, matrix, split, args)
    reduce = reducer(facts, stack, best_device())
    x = np.concatenate([reduce(matrix.gather(train.rows[block])) for block in blocks_of(len(train))])
    log.info("%d rows of %d features", *x.shape)
    scaler = scaling.fit(x, selection.scaling)
    scaled = scaling.apply(scaler, x)
    ranked = rank(scaled, train.y, selection, args.seed)
    steady = stability(x, train.y, selection, args.seed)

    names = names_of(facts, stack)
    # Components are mixtures of all features; of these the first stand for the others.
    shown = ranked.order if ranked.projection is None else np.arange(x.shape[1])
    write_table(args.ranking.with_name("boxes.csv"), boxes(x, scaled, names, shown))
    if ranked.projection is not None:
        names = [f"component_{number:04d}" for number in range(ranked.projection.shape[1])]
    save_tensors(args.stack, {} if stack is None else stack.state_dict())
    save_scaler(args.scaler, scaler, ranked.projection)
    listed = [names[column] for column in ranked.order]
    table = pd.DataFrame({"position": range(len(listed)), "feature": listed, "score": ranked.scores})
    write_table(args.ranking, table)
    write_table(args.stability, steady)
    write_json(args.description, _description(args, facts, stack, training, len(train), names))
    shutil.rmtree(args.resume, ignore_errors=True)


def _stack(
    features: Any, facts: dict[str, Any], matrix: Matrix, split: pd.DataFrame, args: Any
) -> tuple[Stack | None, dict[str, Any]]:
    """The fusion stack of the entry, if it has one, and how its training went."""
    if not isinstance(features, DeepFeatures) or features.stack == "none":
        return None, {}
    channels, size = channels_of(facts), features.stack_size
    if features.stack == "as_coded":
        return random_stack(channels, features.grid, size, features.seed, features.attention), {}
    torch.manual_seed(stream_seed(args.seed, "stack"))
    model = StackClassifier(Stack(channels, features.grid, size, features.attention), len(args.classes))
    fitted = _fit_stack(model, matrix, split, features.stack_epochs, args)
    model.load_state_dict(fitted.weights)
    best = fitted.history[fitted.best_epoch]
    training: dict[str, Any] = {"epochs": len(fitted.history), "best_epoch": fitted.best_epoch}
    training |= {"best_epoch_by": fitted.chosen_by}
    training |= {"validation_loss": best.validation_loss, "validation_accuracy": best.validation_accuracy}
    return model.stack.eval(), training


def _fit_stack(model: StackClassifier, matrix: Matrix, split: pd.DataFrame, epochs: int, args: Any) -> Fitted:
    # Imported here because without a stack to train nothing needs it, and it takes seconds.
    from leukoflow.training.loop import fit

    recipe = Training(epochs=epochs, batch_size=64, weighted_loss=True, monitor="loss", patience=PATIENCE)
    digest = hashlib.sha256(args.split.read_bytes() + args.matrix.read_bytes())
    digest.update(f"{args.settings.model_dump_json()} {args.classes} {args.fold} {args.seed} {args.code}".encode())
    train, validation = (batches.examples_of(matrix, split, args.fold, role) for role in ("train", "validation"))
    state = args.resume / digest.hexdigest()[:32] / "state.safetensors"
    return fit(model, (), train, validation, len(args.classes), recipe, args.seed, state)


def _description(
    args: Any, facts: dict[str, Any], stack: Stack | None, training: dict[str, Any], rows: int, names: list[str]
) -> dict[str, Any]:
    """What the features are, for `features.json` and from there `model.json`."""
    entry = args.settings.features
    described: dict[str, Any] = {"entry": args.settings.name, "kind": facts["kind"]}
    if facts["kind"] == "deep":
        networks = facts["networks"]
        sources = [network["weights"] for network in networks]
        stacked = 0 if stack is None else sum(parameter.numel() for parameter in stack.parameters())
        described |= {
            "weights": "random" if "random" in sources else " + ".join(sources),
            "networks": networks,
            "grid": facts["grid"],
            "stack": entry.stack,
            "stack_size": entry.stack_size,
            "attention": entry.attention,
            "stack_training": training,
            "parameters": sum(network["parameters"] for network in networks) + stacked,
        }
    described |= entry.selection.model_dump(mode="json", include={"scaling", "method"})
    extracted = hashlib.sha256(args.matrix.read_bytes()).hexdigest()
    described["fitted_on"] = "all images" if args.on_all else "training images"
    return {**described, "train_rows": rows, "matrix": extracted, "names": names}


if __name__ == "__main__":
    run(main)
