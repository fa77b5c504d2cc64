"""Hold a segmenter, and thresholds tuned on the same images, against masks that neither has seen.

A network that is compared with the study's own on the same images comes without thresholds: they are the same.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import nn

from leukoflow.cells.agreement import Matches, match, parts_overlap, pooled
from leukoflow.cells.labels import PARTS
from leukoflow.cells.segmenter import load_segmenter, network_of, predicted_parts
from leukoflow.cells.tables import COLUMNS
from leukoflow.cells.threshold import Thresholds, thresholds_of
from leukoflow.cells.watershed import separate
from leukoflow.config.base import Section
from leukoflow.config.evaluation import Evaluation
from leukoflow.config.segmentation import Segmentation
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.picture import Raster
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.stats.intervals import mean_of


class Scoring(Section):
    """What the step depends on."""

    segmentation: Segmentation
    """Sizes of cells."""
    evaluation: Evaluation
    """Intervals."""


def main(argv: list[str] | None) -> None:
    """Parse the arguments, segment the test images, write both tables."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Scoring), required=True, help="what it depends on (JSON)")
    arguments.add_argument("--name", required=True, help="what the segmenter was trained on")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="segmenter.json")
    arguments.add_argument("--sources", nargs="*", type=Path, default=[], help="folders with experts' masks")
    arguments.add_argument("--archives", nargs="*", type=Path, default=[], help="folders with an archive's own masks")
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="Dice and IoU, CSV")
    arguments.add_argument("--instances", type=Path, required=True, help="cells found and missed, CSV")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    description = read_json(args.description)
    segmenters: dict[str, nn.Module | Thresholds] = {}
    if description["method"] == "unet":
        segmenters["unet"] = load_segmenter(description, args.weights)
    adapted = description.get("adapted", {}).get("cohort")
    if description.get("gates") in (None, args.settings.segmentation.gates) and not adapted:
        segmenters["threshold"] = thresholds_of(description["thresholds"])
    networks = {"unet": network_of(description), "threshold": ""}
    scores: list[dict[str, Any]] = []
    instances: list[dict[str, Any]] = []
    for folder in [*args.sources, *args.archives]:
        kind = "agreement" if folder in args.archives else "expert"
        for name, segmenter in segmenters.items():
            facts = {"segmenter": name, "network": networks[name], "trained_on": args.name, "source": folder.name}
            per_image = list(_per_image(folder, segmenter, args.settings.segmentation, kind))
            within = {"within": folder.name in [*description["sources"], adapted], "kind": kind}
            scores += [facts | within | row for row in _summary(per_image, kind, args.settings.evaluation)]
            if matches := [result["matches"] for result in per_image if "matches" in result]:
                instances.append(facts | _counts(matches))
    write_table(args.output, pd.DataFrame(scores, columns=COLUMNS["segmentation"]))
    write_table(args.instances, pd.DataFrame(instances, columns=COLUMNS["instances"]))


def _per_image(
    folder: Path, segmenter: nn.Module | Thresholds, segmentation: Segmentation, kind: str
) -> Iterator[dict[str, Any]]:
    """Scores of each test image of a source, and the matches of its cells where the masks tell them apart."""
    index = read_table(folder / "index.parquet")
    rows = np.flatnonzero(index["role"].to_numpy() == "test")
    images, truth, labels = (np.load(folder / f"{name}.npy", mmap_mode="r") for name in ("images", "parts", "labels"))
    scale = index["um_per_pixel"].to_numpy(float)
    predicted = predicted_parts(segmenter, map(Raster, images[rows]))
    for row, parts in zip(rows, progress(predicted, len(rows), "image"), strict=True):
        result: dict[str, Any] = {"label": index["label"].iloc[row]}
        for part, overlap in parts_overlap(parts, truth[row]).items():
            result |= {f"{part} dice": overlap.dice, f"{part} iou": overlap.iou}
        if len(labels) or kind == "agreement":
            least, largest = (diameter / scale[row] for diameter in segmentation.cell_um)
            cells = separate(parts, least, largest)
            if len(labels):
                result["matches"] = match(cells, _large_enough(labels[row], least))
            else:
                result["cell marked"] = _marked(cells, truth[row])
        yield result


def _large_enough(labels: np.ndarray, least: float) -> np.ndarray:
    """A label map without cells that are smaller than any that is looked for: cut off by the border, mostly."""
    ids = labels >> 1
    small = np.bincount(ids.ravel()) < np.pi / 4 * least**2
    return np.where(small[ids], 0, labels).astype(labels.dtype)


def _counts(matches: list[Matches]) -> dict[str, Any]:
    """One row of the table of cells found and missed."""
    whole = pooled(matches)
    errors = np.array([image.count_error for image in matches])
    return {
        "images": len(matches), "true_cells": whole.matched + whole.missed, "found_cells": whole.matched + whole.extra,
        "ap50": whole.ap50, "precision": whole.precision, "recall": whole.recall, "f1": whole.f1,
        "count_error": errors.mean(), "count_error_abs": np.abs(errors).mean(),
    }  # fmt: skip


def _marked(cells: np.ndarray, archive: np.ndarray) -> float:
    """Share of the found cells of which the archive's mask covers at least half; NaN if none was found."""
    ids = cells >> 1
    counts = np.bincount(ids.ravel())
    covered = np.bincount(ids.ravel(), weights=(archive > 0).ravel().astype(float))
    return float((covered[1:] >= 0.5 * counts[1:]).mean()) if len(counts) > 1 else np.nan


def _summary(per_image: list[dict[str, Any]], kind: str, settings: Evaluation) -> Iterator[dict[str, Any]]:
    """Means over images with their intervals; by label too where an archive is compared with.

    `images` counts those with a value, `undefined` those in which neither mask has a pixel of the part.
    """
    labels = sorted({str(result["label"]) for result in per_image if pd.notna(result["label"])})
    for label in ["", *(labels if kind == "agreement" else [])]:
        rows = [result for result in per_image if label in ("", str(result["label"]))]
        for name in [f"{part} {metric}" for part in PARTS for metric in ("dice", "iou", "marked")]:
            values = np.array([row[name] for row in rows if name in row], np.float64)
            if len(values):
                mean, low, high = mean_of(values, settings)
                part, metric = name.split(" ")
                undefined = int(np.isnan(values).sum())
                yield {
                    "label": label, "part": part, "metric": metric, "images": len(values) - undefined,
                    "undefined": undefined, "value": mean, "low": low, "high": high,
                }  # fmt: skip


if __name__ == "__main__":
    run(main)
