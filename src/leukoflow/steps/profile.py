"""Measure what the networks of runs cost: size, operations, time, memory, energy.

Of each model on a view the first run given is measured, networks that are alike once. A model that reads features of
networks is measured from the picture on: networks, fusion stack, scaling, choice, classifier. What a view does to a
picture before is timed by view. Files under --outputs are written by their names: efficiency, energy, layers, speed,
passes, pruning (CSV).
"""

import json
import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from torch import nn

from leukoflow.cohorts import synthetic
from leukoflow.config.base import Section
from leukoflow.config.cohorts import SyntheticCohort
from leukoflow.config.features import DeepFeatures
from leukoflow.config.profile import Profile
from leukoflow.config.segmentation import Segmentation
from leukoflow.config.views import STANDARD, View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.files import read_json, read_table, write_table
from leukoflow.core.picture import Picture, Raster
from leukoflow.core.runs import Run, parse_run
from leukoflow.core.step import parser, progress, run, settings
from leukoflow.cost import efficiency
from leukoflow.cost.profile import Measured, Way, measure_run
from leukoflow.cost.speed import median_ms
from leukoflow.images.views import render_view
from leukoflow.quality.measure import measure

log = logging.getLogger(__name__)
PICTURE = 224
"""Side of the picture that views are timed on, pixels."""
NAMES = ("efficiency", "energy", "layers", "speed", "passes", "pruning")


class Sources(Section):
    """Features of networks that models of this task read."""

    entries: dict[str, DeepFeatures] = {}
    """Entries of section features, by name."""
    weights: dict[str, tuple[Path, ...]] = {}
    """Files of weights of each entry's networks that have any."""


class Views(Section):
    """What comes before the networks."""

    views: dict[str, View] = {}
    """Entries of section views, by name."""
    segmentation: Segmentation = Segmentation()
    """How cells are found where a view needs them."""


@dataclass(frozen=True)
class Making:
    """How features are made of pictures."""

    sources: Sources
    selections: Path
    """Folder of the features that were scaled and ranked."""
    side: int
    """Side of the pictures, pixels."""


def main(argv: list[str] | None = None) -> None:
    """Run the step."""
    arguments = parser(__doc__)
    arguments.add_argument("--settings", type=settings(Profile), required=True, help="evaluation.profile, as JSON")
    arguments.add_argument("--runs", type=Path, required=True, help="folder of the runs")
    arguments.add_argument("--of", nargs="+", type=parse_run, required=True, help="names of the runs, all of one task")
    arguments.add_argument("--side", type=int, default=224, help="side of the pictures, pixels")
    text = "features of networks that the models read, and files of their weights, as JSON"
    arguments.add_argument("--features", type=settings(Sources), default=Sources(), help=text)
    arguments.add_argument("--selections", type=Path, default=Path(), help="folder of scaled and ranked features")
    text = "views that the runs are on, and section segmentation, as JSON"
    arguments.add_argument("--views", type=settings(Views), default=Views(), help=text)
    arguments.add_argument("--segmenter", nargs=2, type=Path, metavar=("WEIGHTS", "DESCRIPTION"), help="finds cells")
    arguments.add_argument("--output", type=Path, required=True, help="folder for the tables")
    args = arguments.parse_args(argv)
    models = {trained: read_json(args.runs / trained.name / "model.json") for trained in args.of}
    histories = {trained: read_table(args.runs / trained.name / "history.csv") for trained in args.of}
    making = Making(args.features, args.selections, args.side)
    measured = _measured(args.runs, models, args.settings, making)
    chains = chain_times(args.views, args.segmenter, args.settings)
    made = {
        "efficiency": efficiency.efficiency(models, histories, measured, chains),
        "energy": efficiency.energies(models, measured),
        "layers": efficiency.layers(measured),
        "speed": efficiency.speeds(measured),
        "passes": efficiency.passes(measured),
        "pruning": efficiency.pruning(measured),
    }
    for name in NAMES:
        write_table(args.output / f"{name}.csv", made[name])


def _measured(
    folder: Path, models: Mapping[Run, Mapping[str, Any]], settings: Profile, making: Making
) -> dict[Run, Measured]:
    """The first run of each model on each view, measured."""
    first: dict[tuple[str, str], Run] = {}
    for model in models:
        first.setdefault((model.view, model.model), model)
    known: dict[str, Measured] = {}
    measured = {}
    for trained in progress(first.values(), len(first), "model"):
        alike = _network(trained, models[trained])
        if alike not in known:
            log.info("%s on %s", trained.model, trained.view)
            known[alike] = measure_run(
                folder / trained.name, models[trained], settings, _way(trained, models[trained], making)
            )
        measured[trained] = known[alike]
    return measured


def chain_times(config: Views, segmenter: list[Path] | None, settings: Profile) -> dict[str, float]:
    """Milliseconds of making what a network reads of one decoded picture, by view; none of views of single cells.

    The picture is a drawn smear, the same for all. Raises LeukoFlowError if a view needs cells and no segmenter is
    given.
    """
    # Imported here because only this needs it.
    from leukoflow.cells.segmenter import load_finder

    cohort = SyntheticCohort(kind="synthetic", images=4, patients=4, size=PICTURE)
    image = synthetic.draw(cohort, next(synthetic.rows(synthetic.plan(cohort)))).image
    known = measure(image, with_scale=True).picture
    size = config.segmentation.size
    finder = load_finder(config.segmentation, segmenter[0], segmenter[1], size, "cpu") if segmenter else None

    def rendered(view: View) -> np.ndarray:
        picture, labels = Picture(Raster(image), known.bar, known.um_per_pixel, known.scale_known), None
        if view.needs_cells:
            if finder is None:
                raise LeukoFlowError("profile: a view needs cells, and --segmenter is not given; name its files")
            (labels,) = finder.label_maps([picture.rendition(size)])
        return render_view(picture, view, labels)

    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    # Any reference stain takes as long as the one that a run's view is brought to.
    views = {
        name: view if view.target == "given" else view.brought_to(*STANDARD) for name, view in config.views.items()
    }
    whole = {name: view for name, view in views.items() if view.kind != "cells"}
    return {name: median_ms(partial(rendered, view), settings) for name, view in whole.items()}


def _way(run: Run, facts: Mapping[str, Any], making: Making) -> Way | None:
    """How a run's model gets from a picture to its features; None for one that reads pictures, or cells' features.

    Raises LeukoFlowError for features of networks whose entry is not given.
    """
    features = facts.get("features") or {}
    if facts["reads"] != "features" or features.get("kind") == "morphology":
        return None
    name = str(features.get("name"))
    if name not in making.sources.entries:
        raise LeukoFlowError(f"{run.name}: reads features {name}, which --features does not describe; add that entry")
    selection = making.selections / replace(run, model=name).name
    files = list(making.sources.weights.get(name, ()))
    build = partial(_build, int(facts["options"]["inputs"]), making.sources.entries[name], files, selection)
    return Way(build, making.side, trained_stack=features.get("stack") == "as_described")


def _build(
    inputs: int, entry: DeepFeatures, weights: list[Path], selection: Path, model: nn.Module, device: torch.device
) -> nn.Module:
    # Imported here because networks that read pictures do without it, and it takes seconds.
    from leukoflow.features.pictures import from_pictures

    return from_pictures(model, inputs, entry, weights, selection, device)


def _network(run: Run, facts: Mapping[str, Any]) -> str:
    """What networks that are alike have in common; a forest grows on its own images, and training prunes blocks."""
    names = ("architecture", "size", "options", "input_size", "fitting")
    scope = run.view if facts["fitting"] == "direct" else run.name if facts["options"].get("pruning") else ""
    features = (facts.get("features") or {}).get("name", "")
    return json.dumps([*(facts[name] for name in names), len(facts["classes"]), scope, features], sort_keys=True)


if __name__ == "__main__":
    run(main)
