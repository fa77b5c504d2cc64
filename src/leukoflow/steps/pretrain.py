"""Teach a model's trunk without labels, on the training role of one split; go on where an earlier attempt stopped."""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from leukoflow.config.models import Model
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.seeding import stream_seed
from leukoflow.core.step import parser, run, settings
from leukoflow.images.shards import open_view
from leukoflow.models import pretrained, registry
from leukoflow.training import batches, checkpoint, self_supervised
from leukoflow.training.copies import with_copies
from leukoflow.training.share import with_share


def main(argv: list[str] | None) -> None:
    """Parse the arguments, train, write the trunk's weights and the history."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Model), required=True, help="entry of section models (JSON)")
    arguments.add_argument("--name", required=True, help="the entry's name")
    arguments.add_argument("--view", type=Path, required=True, help="summary of the view (view.json)")
    arguments.add_argument("--start", type=Path, nargs="?", help="weights that the trunk starts from (safetensors)")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--fold", type=int, required=True)
    arguments.add_argument("--seed", type=int, required=True)
    arguments.add_argument("--code", default="", help="fingerprint of the code; a checkpoint of other code is not used")
    arguments.add_argument("--resume", type=Path, required=True, help="folder for checkpoints")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--weights", type=Path, required=True, help="of the trunk (safetensors)")
    arguments.add_argument("--history", type=Path, required=True)
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    model: Model = args.settings
    where = f"models.{args.name}.self_supervised"
    if model.self_supervised is None:
        raise LeukoFlowError(f"{where}: is missing; without it there is nothing to do")
    spec = registry.spec(model.architecture)
    trunk = pretrained.trunk_of(spec, where)
    split = with_share(read_table(args.split), args.fold, model.training.share, args.seed)
    view = open_view(args.view)
    train = with_copies(batches.examples_of(view, split, args.fold, "train"), view, split, args.fold)
    # The same random weights as those that training without this step starts from; the head is thrown away.
    torch.manual_seed(stream_seed(args.seed, "weights"))
    network = registry.build(spec.name, 2, model.size, **model.options)
    # A partner is not taught.
    alone = model.model_copy(update={"partner": None})
    begun = pretrained.start(network, spec, args.name, alone, args.start)
    state_file = args.resume / _digest(args) / "state.safetensors"
    tensors, history = self_supervised.pretrain(
        network, trunk, train, model.self_supervised, model.training, args.seed, state_file
    )
    words = f"self-trained (SimSiam, {len(history)} epochs)"
    write_table(args.history, pd.DataFrame([asdict(epoch) for epoch in history]))
    source = begun.words.partition(";")[0]
    words = words if source == pretrained.RANDOM else f"{source}, {words}"
    trunk_inputs = {part: value for part, value in begun.inputs.items() if part == "trunk"}
    pretrained.save_trunk(args.weights, tensors, words, trunk_inputs)
    shutil.rmtree(args.resume, ignore_errors=True)


def _digest(args: Any) -> str:
    """What a checkpoint belongs to: config, code, split, pixels, weights, fold and seed."""
    files = [args.split, args.view, *([args.start] if args.start else [])]
    return checkpoint.digest_of(files, args.settings.model_dump_json(), args.fold, args.seed, args.code)


if __name__ == "__main__":
    run(main)
