"""Sum up a view: its shards, how many images each holds, and the digests of their pixels.

Whatever uses a view depends on this one small file. It changes with any pixel, so nothing is missed, and a cohort of a
million images does not make every training job wait for a thousand files.
"""

from pathlib import Path

from leukoflow.core.files import read_table, write_json
from leukoflow.core.step import parser, run


def main(argv: list[str] | None) -> None:
    """Parse the arguments, gather, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--indices", nargs="+", type=Path, required=True, help="indices (Parquet) of all shards")
    arguments.add_argument("--output", type=Path, required=True, help="view.json, next to the shards")
    args = arguments.parse_args(argv)
    shards = []
    for path in args.indices:
        index = read_table(path)
        digest = str(index["shard_digest"].iloc[0]) if len(index) else ""
        shards.append({"name": path.stem, "images": len(index), "digest": digest})
    write_json(args.output, {"images": sum(shard["images"] for shard in shards), "shards": shards})


if __name__ == "__main__":
    run(main)
