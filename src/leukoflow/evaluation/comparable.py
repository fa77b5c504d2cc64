"""Why a run is no test of a publication: what about it is not as published."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from leukoflow.config.features import DeepFeatures
from leukoflow.config.models import Model
from leukoflow.config.published import Number, Paper
from leukoflow.config.study import Study

OWN = "own"
"""What stands for a recipe where a model is trained by its own."""
FEW = 0.98
"""Share of the published images below which a cohort is said to be smaller."""


def reasons(study: Study, paper: Paper, number: Number, row: Mapping[str, Any], cohorts: pd.DataFrame) -> list[str]:
    """Each difference in plain words; empty where the run is as published as far as the config says.

    `row` has cohort, view and model of the run, and size, recipe, weights and parameters as its model.json says.
    """
    model = study.models[row["model"]]
    found = [f"{row['size']} size"] if row["size"] not in ("", "paper") else []
    if model.options != number.options:
        given = ", ".join(f"{key} {value}" for key, value in model.options.items())
        wanted = ", ".join(f"{key} {value}" for key, value in number.options.items())
        found.append(f"{given or 'no options'} (published: {wanted or 'none'})")
    if number.metric == "parameters":
        return found
    if number.metric in ("training_seconds", "seconds_per_image"):
        found.append("another machine")
    if number.metric == "seconds_per_image":  # whatever it has learnt
        return [*found, *_side(study, paper, row)]
    found = [*_images(study, paper, number, row["cohort"], cohorts), *found]
    if row["weights"] == "random" and model.features is None and number.architecture in paper.pretrained:
        found.append("random weights (published: pretrained)")
    if row["recipe"] not in ("", OWN):
        found.append(f"recipe {row['recipe']}")
    if paper.epochs and model.training.epochs < paper.epochs:
        found.append(f"at most {model.training.epochs} epochs (published: {paper.epochs})")
    if model.features is None:
        found += _side(study, paper, row)
    else:
        found += _features(study, paper, model)
    return found


def _side(study: Study, paper: Paper, row: Mapping[str, Any]) -> list[str]:
    side = study.views[row["view"]].size
    return [f"pictures of {side} pixels (published: {paper.side})"] if paper.side and side != paper.side else []


def _images(study: Study, paper: Paper, number: Number, cohort: str, cohorts: pd.DataFrame) -> list[str]:
    dataset = paper.datasets[number.dataset]
    url = getattr(study.cohorts[cohort], "url", None)
    if url != dataset.url if url else cohort != number.dataset:
        return [f"images of {cohort} (published: {dataset.name})"]
    facts = cohorts[(cohorts["cohort"] == cohort) & (cohorts["fact"] == "images") & (cohorts["label"] == "")]
    count = float(facts["measured"].iloc[0]) if len(facts) else np.nan
    if count < FEW * dataset.images:
        return [f"{count:,.0f} of {dataset.images:,} images"]
    return []


def _features(study: Study, paper: Paper, model: Model) -> list[str]:
    """Differences of the networks whose features a model reads."""
    entry = study.features[model.features or ""]
    if not isinstance(entry, DeepFeatures):
        return [f"features {model.features} (published: {' and '.join(paper.backbones)})"]
    names = [each.name for each in entry.backbones]
    found = []
    if set(names) != set(paper.backbones):
        found.append(f"features of {' and '.join(names)} (published: {' and '.join(paper.backbones)})")
    if any(each.weights is None for each in entry.backbones):
        found.append("networks of random weights (published: pretrained)")
    return found
