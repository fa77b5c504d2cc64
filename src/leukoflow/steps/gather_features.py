"""Sum up the features of a cohort's view: their shards, what the columns are, where the weights are from.

Whatever uses the features depends on this one small file, which changes with any of their values.
"""

from pathlib import Path

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, write_json
from leukoflow.core.step import parser, run


def main(argv: list[str] | None) -> None:
    """Parse the arguments, gather, write."""
    arguments = parser(__doc__)
    arguments.add_argument("--descriptions", nargs="+", type=Path, required=True, help="that of each shard (JSON)")
    arguments.add_argument("--output", type=Path, required=True, help="matrix.json, next to the shards")
    args = arguments.parse_args(argv)
    shards, common = [], None
    for path in args.descriptions:
        facts = read_json(path)
        shards.append({"name": path.stem, "rows": facts.pop("rows"), "digest": facts.pop("digest")})
        if common not in (None, facts):
            raise LeukoFlowError(f"{path}: made by other networks than {args.descriptions[0]}; delete it and run again")
        common = facts
    rows = sum(shard["rows"] for shard in shards)
    write_json(args.output, {"kind": "deep", **(common or {}), "rows": rows, "shards": shards})


if __name__ == "__main__":
    run(main)
