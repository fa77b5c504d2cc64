"""How strange images of every kind are to a trained model, and the thresholds beyond which it should not answer.

A seeded sample of the run's validation, test and external images, and pictures that are no smears, each with its
scores; the reference is a sample of the training images, as many of each class if there are enough.
"""

import argparse
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from leukoflow.audits import novelty
from leukoflow.audits.thresholds import thresholds_of
from leukoflow.config.evaluation import Evaluation
from leukoflow.config.views import View
from leukoflow.core.files import read_json, read_table, write_json, write_table
from leukoflow.core.picture import Picture, Raster
from leukoflow.core.runs import parse_run
from leukoflow.core.seeding import generator
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.features.matrix import Matrix, open_selection
from leukoflow.images.non_smears import non_smears
from leukoflow.images.shards import Shards, open_view
from leukoflow.images.stain import fitted
from leukoflow.images.views import render_view
from leukoflow.models import inference
from leukoflow.models.penultimate import collect

log = logging.getLogger(__name__)
BATCH = 64
Found = tuple[np.ndarray, np.ndarray]


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Evaluation), required=True, help="section evaluation, as JSON")
    arguments.add_argument("--run", type=parse_run, required=True, help="name of the run's folder")
    arguments.add_argument("--weights", type=Path, required=True)
    arguments.add_argument("--description", type=Path, required=True, help="model.json")
    source = arguments.add_mutually_exclusive_group(required=True)
    source.add_argument("--view", nargs="+", type=Path, help="view.json of the own cohort, then of each external one")
    source.add_argument("--features", nargs="+", type=Path, help="scaled/COHORT.npy of the same cohorts")
    arguments.add_argument("--view-settings", type=settings(View), required=True, help="entry of section views (JSON)")
    arguments.add_argument("--stain", type=Path, help="stain of the view's target (JSON), if it was found")
    arguments.add_argument("--predictions", nargs="+", type=Path, required=True, help="of the same cohorts")
    arguments.add_argument("--split", type=Path, required=True)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--output", type=Path, required=True, help="scores of images (Parquet)")
    arguments.add_argument("--reference", type=Path, required=True, help="what new images are compared with")
    arguments.add_argument("--thresholds", type=Path, required=True, help="thresholds of the run (JSON)")
    args = arguments.parse_args(argv)

    torch.set_num_threads(args.threads)
    description = read_json(args.description)
    model = _Model(args, description)
    asked = args.settings.novelty
    split = read_table(args.split)
    train = split[(split["fold"] == args.run.fold) & (split["role"] == "train")]
    train = _balanced(train, asked.images, args.settings.seed)
    features, _ = model.over_images(0, train)
    sound = np.isfinite(features).all(1)
    reference = novelty.refer(features[sound], train["y"].to_numpy()[sound], asked.neighbours)

    predictions = read_table(args.predictions[0], ["image_id", "group", "role", "y", "probabilities", "cohort"])
    parts = []
    for number, path in enumerate(args.predictions):
        table = predictions if number == 0 else read_table(path, ["image_id", "group", "role", "cohort"])
        for role, part in table.groupby("role", sort=False):
            part = _sample(part, asked.images, args.settings.seed, str(role))
            scores = model.scores(reference, *model.over_images(number, part))
            kind = str(part["cohort"].iloc[0])
            parts += [
                _rows(part[["image_id", "group"]], str(role), kind, name, score) for name, score in scores.items()
            ]
    parts += list(_non_smears(model, reference, args))
    scored = pd.concat(parts, ignore_index=True)
    write_table(args.output, scored)
    inference.save_tensors(args.reference, {k: torch.from_numpy(v) for k, v in reference.tensors().items()})
    write_json(args.thresholds, thresholds_of(args.run, predictions, scored, description["classes"], args.settings))
    log.info("%d images scored", len(scored) // scored["score"].nunique())


class _Model:
    """A trained model and the images of its cohorts."""

    def __init__(self, args: argparse.Namespace, description: dict[str, Any]) -> None:
        self.device = inference.best_device()
        self.model = inference.load_model(description, args.weights).to(self.device)
        self.description = description
        inputs = description["options"].get("inputs", 0)
        self.data: list[Shards | Matrix] = [open_view(path) for path in args.view or ()]
        self.data += [open_selection(path.parents[1], path.stem, inputs)[0] for path in args.features or ()]

    def over_images(self, number: int, table: pd.DataFrame) -> Found:
        """Features [n, D] and logits [n, K] of the images; of several cells the means, NaN if there is none."""
        data = self.data[number]
        rows, owner = data.groups_of(table["image_id"])
        starts = range(0, len(rows), BATCH)
        images = (torch.from_numpy(data.gather(rows[start : start + BATCH])) for start in starts)
        outputs = self.over_batches(progress(images, len(starts), "batch")) if len(rows) else None
        if not data.many and outputs is not None:
            return outputs
        return _means(outputs, owner, len(table), len(self.description["classes"]))

    def over_batches(self, batches: Iterator[torch.Tensor]) -> Found:
        """Features and logits of batches of model inputs."""
        made = collect(self.model, batches, self.device, self.description["precision"])
        return made[0].numpy(), made[1].numpy()

    def scores(self, reference: novelty.Reference, features: np.ndarray, logits: np.ndarray) -> dict[str, np.ndarray]:
        """Every score that means something for this model."""
        return novelty.scores_of(reference, features, logits, energy=self.description["fitting"] != "direct")


def _means(outputs: Found | None, owner: np.ndarray, images: int, classes: int) -> Found:
    """Means over the cells of each image."""
    if outputs is None:
        return np.full((images, 1), np.nan), np.full((images, classes), np.nan)
    counts = np.bincount(owner, minlength=images)[:, None]
    made = []
    for values in outputs:
        sums = np.zeros((images, values.shape[1]))
        np.add.at(sums, owner, values)
        with np.errstate(invalid="ignore"):
            made.append(sums / np.where(counts, counts, np.nan))
    return made[0], made[1]


def _sample(table: pd.DataFrame, most: int, seed: int, *stream: str) -> pd.DataFrame:
    """At most so many rows, drawn by the seed, in their order."""
    if len(table) <= most:
        return table
    return table.iloc[np.sort(generator(seed, "novelty", *stream).choice(len(table), most, replace=False))]


def _balanced(train: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """As many of each class, if there are enough, and at most so many in all."""
    share = max(2, most // train["y"].nunique())
    parts = [_sample(part, share, seed, "train", str(y)) for y, part in train.groupby("y")]
    return pd.concat(parts, ignore_index=True)


def _non_smears(model: _Model, reference: novelty.Reference, args: argparse.Namespace) -> Iterator[pd.DataFrame]:
    """Scores of non-smears, where the model reads whole pictures."""
    view: View = fitted(args.view_settings, args.stain)
    if args.view is None or not view.whole:
        log.info("no non-smears: this model reads features or cells, which they do not have")
        return
    settings: Evaluation = args.settings
    for kind, pictures in non_smears(settings.novelty.non_smears, view.size, settings.seed).items():
        # They have no scale of their own; what is shown of them is as large as the view.
        known = [Picture(Raster(picture), None, view.um_per_pixel) for picture in pictures]
        images = torch.from_numpy(np.stack([render_view(picture, view) for picture in known]))
        scores = model.scores(reference, *model.over_batches(iter(images.split(BATCH))))
        names = [f"{kind}/{index}" for index in range(len(pictures))]
        table = pd.DataFrame({"image_id": names, "group": names})
        for name, score in scores.items():
            yield _rows(table, "non-smear", kind, name, score)


def _rows(images: pd.DataFrame, role: str, kind: str, score: str, values: np.ndarray) -> pd.DataFrame:
    table = images[["image_id", "group"]].astype(object).reset_index(drop=True)
    return table.assign(role=role, kind=kind, score=score, value=values)


if __name__ == "__main__":
    run(main)
