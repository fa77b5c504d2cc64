"""How long the search for copies takes among very many images, in how much memory, and what it finds.

`python tests/benchmarks/copies.py [COUNT]` (default 1000000) draws so many thumbnails in a new folder below the
temporary one, as `measure` would leave them, with copies whose pairs are known; runs the steps as the workflow does,
two jobs at a time; and prints seconds and memory of every job and how many of the planted copies are found.
`--folder FOLDER` keeps what was drawn and made there, and goes on with what is there already. `--table FILE` keeps the
jobs as CSV.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pandas as pd

from leukoflow.config.quality import Quality
from leukoflow.core.files import atomic, read_json, read_table, write_json, write_table
from leukoflow.core.shards import shard_count, shard_slice
from leukoflow.quality.hashing import THUMBNAIL, difference_hash, to_hex
from leukoflow.quality.measure import STAIN_COLUMNS
from leukoflow.quality.orientations import TURNED, laid

CORES = 2
PLANTED = 100
"""Copies of each kind."""
NOISE = 64
"""Pictures of noise that are drawn once and rolled about."""
LABELS = ("Benign", "Early", "Pre", "Pro")


def saved(image: np.ndarray, quality: int = 95) -> np.ndarray:
    """As JPEG and back."""
    data = cv2.imencode(".jpg", np.ascontiguousarray(image), [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.asarray(cv2.imdecode(data, cv2.IMREAD_GRAYSCALE))


def warped(image: np.ndarray, degrees: float = 0.0, zoom: float = 1.0, shift: float = 0.0) -> np.ndarray:
    """Turned and zoomed about the middle, and shifted by pixels, reflected at the edge."""
    matrix = cv2.getRotationMatrix2D(((THUMBNAIL - 1) / 2,) * 2, degrees, zoom)
    matrix[:, 2] += (shift, -shift)
    return cv2.warpAffine(np.ascontiguousarray(image), matrix, image.shape, borderMode=cv2.BORDER_REFLECT_101)


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "the same file": lambda image: image,
    "saved again as JPEG of quality 75": lambda image: saved(image, 75),
    "shifted by 3 pixels of the thumbnail": lambda image: saved(warped(image, shift=3)),
    **{words: lambda image, k=k: saved(laid(image, k)) for k, words in enumerate(TURNED) if k},
    "turned by 15 degrees": lambda image: saved(warped(image, 15)),
    "middle 90 % of the side": lambda image: saved(warped(image, 0, 1 / 0.9)),
}
"""Each kind of copy in words."""


def picture(number: int, noise: np.ndarray) -> np.ndarray:
    """Grey picture of stained discs on a light ground, uint8 [64, 64]: 25 in turn share the ground of one slide."""
    rng = np.random.default_rng(number)
    ground = int(np.random.default_rng([7, number // 25]).integers(200, 245))
    kept, x, y, count = rng.integers((NOISE, THUMBNAIL, THUMBNAIL, 16)).tolist()
    image = np.roll(noise[kept], (y, x), (0, 1)) + np.int16(ground)
    discs = rng.integers((0, 0, 3, 20), (THUMBNAIL, THUMBNAIL, 10, 120), (8 + count, 4)).tolist()
    image = image.astype(np.uint8)
    for x, y, radius, darker in discs:
        cv2.circle(image, (x, y), radius, ground - darker, -1)
    return image


def planted(count: int) -> dict[int, tuple[int, str]]:
    """Rows that are copies: of which row, and of which kind. Both lie anywhere among the others."""
    rows = np.random.default_rng(3).permutation(count)[: 2 * PLANTED * len(COPIES)].reshape(-1, 2)
    kinds = np.repeat(list(COPIES), PLANTED)
    return {int(copy): (int(origin), str(kind)) for (origin, copy), kind in zip(rows, kinds, strict=False)}


def draw(folder: Path, count: int, shard: int) -> pd.DataFrame:
    """Facts about the images of a shard; its thumbnails are written, unless they are there."""
    thumbnails, facts = folder / f"thumbnails/{shard:03d}.npy", folder / f"facts/{shard:03d}.parquet"
    if not facts.exists():
        cv2.setNumThreads(1)
        noise = np.random.default_rng(0).normal(0, 2, (NOISE, THUMBNAIL, THUMBNAIL)).astype(np.int16)
        copies, rows = planted(count), range(count)[shard_slice(count, shard, shard_count(count))]
        drawn, records = np.empty((len(rows), THUMBNAIL, THUMBNAIL), np.uint8), []
        for index, row in enumerate(rows):
            origin, kind = copies.get(row, (row, ""))
            image = picture(origin, noise)
            image = COPIES[kind](image) if kind else image
            drawn[index] = image
            hashed = to_hex(difference_hash(cv2.cvtColor(drawn[index], cv2.COLOR_GRAY2RGB)))
            digest = hashlib.sha256(drawn[index].tobytes()).hexdigest()
            records.append((f"{row}.jpg", LABELS[row % 4], digest, hashed))
        with atomic(thumbnails) as temporary:
            np.save(temporary, drawn)
        write_table(facts, pd.DataFrame(records, columns=["image_id", "label", "sha256", "dhash"]))
    return read_table(facts)


def prepare(folder: Path, count: int) -> None:
    """What `measure` and `manifest` leave of a cohort of drawn images."""
    shards = shard_count(count)
    with ProcessPoolExecutor(CORES) as pool:
        parts = pool.map(draw, [folder] * shards, [count] * shards, range(shards))
        table = pd.concat(parts, ignore_index=True)
    table = table.assign(slide=pd.Series(pd.NA, table.index, "string"), width=THUMBNAIL, height=THUMBNAIL)
    stain = np.random.default_rng(1).normal(0, 1, (count, len(STAIN_COLUMNS))).astype(np.float32)
    quality = pd.concat([table[["image_id", "dhash"]], pd.DataFrame(stain, columns=list(STAIN_COLUMNS))], axis=1)
    write_table(folder / "quality.parquet", quality)
    write_table(folder / "manifest.parquet", table.drop(columns="dhash"))


def run(step: str, output: Path, *arguments: object) -> None:
    """Run a step, unless its output is there, and keep what it took next to the output."""
    record = output.with_suffix(".json")
    if record.exists():
        return
    command = [sys.executable, "-m", f"leukoflow.steps.{step}", *map(str, arguments)]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    started = time.monotonic()
    process = subprocess.Popen(command, env=environment)
    _, status, used = os.wait4(process.pid, 0)
    if status:
        raise SystemExit(f"{step} failed")
    row = {"job": step, "output": output.name, "wall_s": time.monotonic() - started}
    write_json(record, row | {"cpu_s": used.ru_utime + used.ru_stime, "memory_mb": used.ru_maxrss / 1000})


def measure(folder: Path, count: int) -> pd.DataFrame:
    """Run all jobs as the workflow would: a row for each."""
    parts, settings = Quality().parts_of(count), Quality(clusters_per_class=max(40, count // 1000)).model_dump_json()
    cohort: tuple[object, ...] = ("--cohort", "drawn", folder, shard_count(count))
    described, sketches, compared = (
        [folder / f"{kind}/{part:03d}{suffix}" for part in range(parts)]
        for kind, suffix in (("described", ".npz"), ("described", ".npy"), ("compared", ".npz"))
    )
    group = [*cohort, "--settings", settings]
    with ThreadPoolExecutor(CORES) as pool:
        if parts > 1:
            jobs = [
                pool.submit(
                    *(run, "describe_images", output, *cohort, "--part", part, "--parts", parts),
                    *("--sketches", sketches[part], "--output", output),
                )
                for part, output in enumerate(described)
            ]
            for job in jobs:
                job.result()
            jobs = [
                pool.submit(
                    *(run, "compare_images", output, *group, "--part", part, "--described", *described),
                    *("--sketches", *sketches, "--output", output),
                )
                for part, output in enumerate(compared)
            ]
            for job in jobs:
                job.result()
            group += ["--compared", *compared]
    outputs = folder / "duplicates.parquet", folder / "groups.parquet"
    run("group_images", outputs[1], *group, "--duplicates", outputs[0], "--groups", outputs[1])
    records = [*folder.glob("described/*.json"), *folder.glob("compared/*.json"), folder / "groups.json"]
    return pd.DataFrame([read_json(record) for record in records]).sort_values(["job", "output"])


def recall(folder: Path, count: int) -> pd.DataFrame:
    """Of each kind of copy, how many were planted and found; and in the last row, how many other pairs were found."""
    pairs = read_table(folder / "duplicates.parquet", ["image_a", "image_b"])
    numbers = (pairs[name].str.removesuffix(".jpg").astype(int) for name in ("image_a", "image_b"))
    reported = {tuple(sorted(pair)) for pair in zip(*numbers, strict=True)}
    known = {tuple(sorted((copy, origin))): kind for copy, (origin, kind) in planted(count).items()}
    rows = [(kind, list(known.values()).count(kind)) for kind in COPIES]
    hits = pd.Series([known[pair] for pair in reported & known.keys()], dtype=str).value_counts()
    table = pd.DataFrame(rows, columns=["copy", "planted"])
    table["found"] = table["copy"].map(hits).fillna(0).astype(int)
    table.loc[len(table)] = ["pairs that were not planted", 0, len(reported - known.keys())]
    return table


def main() -> None:
    """Parse the arguments, draw, measure, print, keep."""
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("count", nargs="?", type=int, default=1_000_000, metavar="COUNT")
    arguments.add_argument("--folder", type=Path, help="where to work, and to go on (default: a new one, removed then)")
    arguments.add_argument("--table", type=Path)
    options = arguments.parse_args()
    folder = options.folder or Path(tempfile.mkdtemp(prefix="copies."))
    try:
        prepare(folder, options.count)
        table = measure(folder, options.count)
        print(table.round(1).to_string(index=False))
        kinds = table.groupby("job").agg({"wall_s": "sum", "cpu_s": "sum", "memory_mb": "max"})
        print(kinds.round(0).to_string())
        print(recall(folder, options.count).to_string(index=False))
    finally:
        if not options.folder:
            shutil.rmtree(folder)
    if options.table:
        table.to_csv(options.table, index=False)


if __name__ == "__main__":
    main()
