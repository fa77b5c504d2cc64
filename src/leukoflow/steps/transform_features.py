"""Bring a cohort's features to the stack and the scale that were fitted on a training role."""

from pathlib import Path

import pandas as pd
import torch

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table
from leukoflow.core.step import parser, progress, run
from leukoflow.features.matrix import blocks_of, open_matrix, write_matrix
from leukoflow.features.selection import load_transform
from leukoflow.models.inference import best_device


def main(argv: list[str] | None) -> None:
    """Parse the arguments, transform block by block, write the rows and their index."""
    arguments = parser(__doc__)
    arguments.add_argument("--matrix", type=Path, required=True, help="matrix.json of the cohort's features")
    arguments.add_argument("--stack", type=Path, required=True)
    arguments.add_argument("--scaler", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="features.json of the selection")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help=".npy; its index is written next to it")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    matrix, extracted = open_matrix(args.matrix)
    facts = read_json(args.description)
    if any(extracted.get(name) != facts.get(name) for name in ("kind", "grid", "networks")):
        raise LeukoFlowError(f"{args.matrix}: extracted otherwise than {args.description} says; delete both, run again")
    transform = load_transform(args.stack, args.scaler, facts, best_device())
    index = pd.concat([read_table(path.with_suffix(".parquet")) for path in matrix.paths], ignore_index=True)
    blocks = list(blocks_of(len(matrix)))
    made = (transform(matrix.gather(rows)) for rows in progress(blocks, len(blocks), "block"))
    write_matrix(args.output, made, len(matrix), index)


if __name__ == "__main__":
    run(main)
