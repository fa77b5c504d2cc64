"""Run two frozen networks over one shard of a view; go on where an earlier attempt stopped."""

import hashlib
import logging
import shutil
from pathlib import Path

import torch

from leukoflow.config.features import DeepFeatures
from leukoflow.core.files import read_table, write_json, write_table
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.features import deep
from leukoflow.images.shards import open_shards
from leukoflow.models.inference import best_device

log = logging.getLogger(__name__)


def main(argv: list[str] | None) -> None:
    """Parse the arguments, extract, write the rows, their index and what they are."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(DeepFeatures), required=True, help="entry of section features")
    arguments.add_argument("--images", type=Path, required=True, help="shard of a view (.npy), its index next to it")
    arguments.add_argument("--weights", nargs="*", type=Path, default=[], help="a file for each network that has one")
    arguments.add_argument("--code", default="", help="fingerprint of the code; rows of other code are not kept")
    arguments.add_argument("--resume", type=Path, required=True, help="folder for an attempt's rows")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help=".npy")
    arguments.add_argument("--index", type=Path, required=True, help=".parquet")
    arguments.add_argument("--description", type=Path, required=True, help="networks, columns, digest (JSON)")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    features: DeepFeatures = args.settings
    shard = open_shards([args.images])
    networks = deep.load_networks(features, args.weights)
    facts = [network.facts() for network in networks]
    index = read_table(args.images.with_suffix(".parquet"))
    pixels = "".join(index["shard_digest"].astype(str).unique())
    folder = args.resume / _digest(features, facts, args.code, pixels, shard.shape[0])
    device = best_device()
    extractor = deep.Extractor(networks, features.grid)
    done = deep.rows_done(folder)
    log.info("%d of %d rows done; on %s, %d threads", done, len(shard), device, torch.get_num_threads())
    batches = -(-(len(shard) - done) // features.batch_size)
    for _ in progress(
        deep.extract(extractor, shard.gather, len(shard), features.batch_size, device, folder), batches, "batch"
    ):
        pass
    digest = deep.finish(folder, args.output)
    write_table(args.index, index.drop(columns="shard_digest"))
    write_json(
        args.description,
        {"rows": len(shard), "digest": digest, "grid": features.grid, "seed": features.seed, "networks": facts},
    )
    shutil.rmtree(args.resume, ignore_errors=True)


def _digest(features: DeepFeatures, facts: list[dict], *rest: object) -> str:
    """What rows belong to: networks and their weights, grid, code, pixels."""
    text = f"{facts} {features.grid} {features.seed} {rest}"
    return hashlib.sha256(text.encode()).hexdigest()[:32]


if __name__ == "__main__":
    run(main)
