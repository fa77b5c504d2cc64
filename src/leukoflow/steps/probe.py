"""Fit probes that see no cell's shape on the splits of a cohort, and test them on the images that models are tested on.

Features are taken once for each image; every protocol and fold has forests of its own.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
from PIL.JpegImagePlugin import JpegImageFile

from leukoflow.audits.probe_features import PICTURE_FEATURES, picture_features
from leukoflow.audits.probes import (
    PROBE_COLUMNS,
    PROBES,
    TABLES,
    answers,
    probe_scores,
    sampled,
    table_features,
)
from leukoflow.config.evaluation import Evaluation
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_table, write_table
from leukoflow.core.geometry import content_box
from leukoflow.core.parallel import thread_map
from leukoflow.core.step import log, parser, progress, run, settings
from leukoflow.images.shards import Shards, open_view

MEASURED = ["image_id", "focus", "um_per_pixel", "bar_x0", "bar_y0", "bar_x1", "bar_y1", "bar_colour"]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    args = _arguments(argv)
    cv2.setNumThreads(1)
    audit = args.settings.shortcuts
    splits = {
        path.stem.rsplit(".", 1)[-1]: sampled(read_table(path), audit.images, args.settings.seed)
        for path in args.splits
    }
    wanted = pd.unique(pd.concat([split["image_id"] for split in splits.values()]))
    images = _images(args, wanted)
    features = _features(images, open_view(args.view), args.root, args.threads)
    rows = {name: row for row, name in enumerate(images["image_id"])}
    scores, said = [], []
    for protocol, split in splits.items():
        answered = answers(features, rows, split, audit.trees, args.settings.seed, args.threads)
        facts = {"cohort": args.cohort, "task": args.task, "protocol": protocol}
        scores.append(probe_scores(answered, args.settings).assign(**facts))
        said.append(answered.assign(**facts))
        log.info("%s split: %s", protocol, scores[-1].set_index("probe")["accuracy"].round(3).to_dict())
    write_table(args.answers, pd.concat(said, ignore_index=True))
    write_table(args.output, pd.concat(scores, ignore_index=True)[PROBE_COLUMNS])


def _images(args: argparse.Namespace, wanted: np.ndarray) -> pd.DataFrame:
    """What the tables know of the images, in this order."""
    manifest = read_table(args.manifest, ["image_id", "path", "bytes", "width", "height"])
    known = manifest.merge(read_table(args.quality, MEASURED), on="image_id", validate="one_to_one")
    missing = set(wanted) - set(known["image_id"])
    if missing:
        raise LeukoFlowError(f"{args.quality}: image {min(missing)} of the split is not in it; run the cohort again")
    return known.set_index("image_id").loc[wanted].reset_index()


def _features(images: pd.DataFrame, view: Shards, root: Path, threads: int) -> dict[str, np.ndarray]:
    """Features of every probe, [n, k] each, in the order of `PROBES`."""
    pixels = {name: np.empty((len(images), width), np.float32) for name, width in PICTURE_FEATURES.items()}
    quantisation = np.zeros((len(images), TABLES), np.float32)
    rows = view.rows_of(images["image_id"])
    files = zip(rows, images["path"], images["height"], images["width"], strict=True)

    def look(item: tuple[int, str, int, int]) -> tuple[dict[str, np.ndarray], np.ndarray]:
        row, path, height, width = item
        image = view.gather([row])[0]
        x0, y0, x1, y1 = content_box(height, width, image.shape[0])
        return picture_features(image[y0:y1, x0:x1]), quantisation_tables(root / path)

    for number, (seen, tables) in enumerate(progress(thread_map(look, files, threads), len(images), "image")):
        quantisation[number] = tables
        for name, values in seen.items():
            pixels[name][number] = values
    every = pixels | table_features(images, quantisation)
    return {probe.name: every[probe.name] for probe in PROBES}


def quantisation_tables(path: Path) -> np.ndarray:
    """The first two quantisation tables in a JPEG file's header, float32 [128]; 0 if there is none."""
    try:
        with open(path, "rb") as stream:
            is_jpeg = stream.read(3) == b"\xff\xd8\xff"
            stream.seek(0)
            tables = JpegImageFile(stream).quantization if is_jpeg else {}
    except (OSError, SyntaxError) as error:
        raise LeukoFlowError(f"{path}: cannot be read ({error}); run the manifest again") from error
    numbers = np.zeros(TABLES, np.float32)
    for index in range(2):
        values = tables.get(index, ())[:64]
        numbers[64 * index : 64 * index + len(values)] = values
    return numbers


def _arguments(argv: list[str] | None) -> argparse.Namespace:
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--cohort", required=True)
    arguments.add_argument("--task", required=True)
    arguments.add_argument("--root", type=Path, required=True, help="folder that the manifest's paths are relative to")
    arguments.add_argument("--manifest", type=Path, required=True)
    arguments.add_argument("--quality", type=Path, required=True)
    arguments.add_argument("--view", type=Path, required=True, help="summary of a plain view (view.json)")
    arguments.add_argument("--splits", nargs="+", type=Path, required=True, help="COHORT.TASK.PROTOCOL.parquet of each")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--answers", type=Path, required=True, help="what each probe says of each image (Parquet)")
    arguments.add_argument("--output", type=Path, required=True, help="scores of the probes (CSV)")
    return arguments.parse_args(argv)


if __name__ == "__main__":
    run(main)
