"""Draw one shard of a synthetic cohort: JPEG images and 16-bit PNG instance masks below the root, and their listing."""

import time
from pathlib import Path

import cv2

from leukoflow.cohorts.synthetic import damage, draw, encode, encode_mask, plan, rows
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import atomic, write_table
from leukoflow.core.shards import shard_slice
from leukoflow.core.step import log, parser, progress, run, settings

LISTING = ["path", "label", "patient", "slide", "site", "mask"]


def main(argv: list[str] | None) -> int | None:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(SyntheticCohort), required=True, help="the cohort, JSON")
    arguments.add_argument("--shard", type=int, required=True, help="which shard, from 0")
    arguments.add_argument("--shards", type=int, required=True, help="number of shards")
    arguments.add_argument("--root", type=Path, required=True, help="folder that paths are relative to")
    arguments.add_argument("--output", type=Path, required=True, help="listing of the shard, Parquet")
    options = arguments.parse_args(argv)
    if not 0 <= options.shard < options.shards:
        raise LeukoFlowError(
            f"--shard {options.shard}: there are {options.shards} shards; give 0 to {options.shards - 1}"
        )

    cv2.setNumThreads(1)  # shards are the jobs: one core each
    table = plan(options.settings)
    table = table.iloc[shard_slice(len(table), options.shard, options.shards)]
    start = time.perf_counter()
    for row in progress(rows(table), len(table), "image"):
        drawing = draw(options.settings, row)
        _write(options.root / row.path, damage(encode(drawing), row.corrupt))
        _write(options.root / row.mask, encode_mask(drawing))
    write_table(options.output, table[LISTING])
    log.info("%d images, %.1f images/s", len(table), len(table) / (time.perf_counter() - start))
    return None


def _write(path: Path, data: bytes) -> None:
    with atomic(path) as temporary:
        temporary.write_bytes(data)


if __name__ == "__main__":
    run(main)
