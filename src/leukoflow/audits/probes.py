"""Probes: simple classifiers that see no cell's shape. What they reach, a network may reach without any haematology.

Each is a random forest (Breiman 2001, doi 10.1023/A:1010933404324) with fixed settings on a few numbers of each image,
fitted on the training role and tested on the test role of the same splits that the models have.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Literal

import numpy as np
import pandas as pd

from leukoflow.config.evaluation import Evaluation
from leukoflow.core.seeding import generator, stream_seed
from leukoflow.stats.bootstrap import wilson_interval
from leukoflow.stats.intervals import limits, resampled_means, units, weights_of

Kind = Literal["no cell", "colours", "cells", "file"]


@dataclass(frozen=True)
class Probe:
    """One probe."""

    name: str
    kind: Kind
    """`no cell`: sees no white cell, so what it reaches is no haematology. `colours`: sees colours, cells' among them,
    without shapes. `cells`: sees size or number of cells, which may be biology. `file`: sees what no network sees."""
    sees: str
    """What it is given, in plain words."""


PROBES = (
    Probe("background", "no cell", "colours of the empty background"),
    Probe("magnification", "no cell", "micrometres a pixel, from red cells"),
    Probe("focus", "no cell", "sharpness of the picture: one number"),
    Probe("compression", "no cell", "JPEG quantisation tables"),
    Probe("colour_statistics", "colours", "mean and deviation of L, a and b: six numbers"),
    Probe("colour_histogram", "colours", "how often each colour occurs: 48 numbers"),
    Probe("thumbnail", "colours", "picture averaged to 16 x 16 pixels"),
    Probe("corner", "colours", "lower right corner averaged to 12 x 6 pixels, less the picture's mean colour"),
    Probe("cell_size", "cells", "diameter of the stained objects"),
    Probe("cell_density", "cells", "share of the picture that cells cover, and their number"),
    Probe("scale_bar", "file", "whether there is a scale bar, its colour and place"),
    Probe("file_facts", "file", "bytes, width and height, JPEG quantisation tables"),
    Probe("file_number", "file", "number in the file's name"),
)
KINDS = {probe.name: probe.kind for probe in PROBES}
TABLES = 128
"""Numbers of the two JPEG quantisation tables that are looked at."""
PROBE_COLUMNS = [
    "cohort", "task", "protocol", "probe", "kind", "folds", "images", "groups", "accuracy", "low", "high",
    "chance", "validation_accuracy",
]  # fmt: skip


def table_features(images: pd.DataFrame, quantisation: np.ndarray) -> dict[str, np.ndarray]:
    """Features of the probes that see no pixels, each float64 [n, k].

    images: path, bytes, width, height, focus, um_per_pixel, and bar_x0, bar_y0, bar_x1, bar_y1, bar_colour, a row for
    each image; quantisation: [n, 128], 0 if a file has no such table.
    """
    size = images[["width", "height"]].to_numpy(float)
    scale = images["um_per_pixel"].to_numpy(float, na_value=np.nan)
    known = scale[~np.isnan(scale)]
    edges = images[["bar_x0", "bar_y0", "bar_x1", "bar_y1"]].to_numpy(float, na_value=np.nan) / np.tile(size, 2)
    colours = images["bar_colour"].astype("string").fillna("").to_numpy()
    facts = np.column_stack([images["bytes"].to_numpy(float), size])
    return {
        # If no scale was found, the median: how often none is found goes with the density of the cells.
        "magnification": np.where(np.isnan(scale), np.median(known) if len(known) else 0.0, scale)[:, None],
        "focus": images[["focus"]].to_numpy(float),
        "compression": quantisation.astype(float),
        "scale_bar": np.column_stack([np.nan_to_num(edges, nan=-1.0), colours == "red", colours == "dark"]),
        "file_facts": np.column_stack([facts, quantisation]),
        "file_number": np.array([[_number(path)] for path in images["path"]]),
    }


def _number(path: str) -> float:
    """The last number in a file's name; -1 if there is none."""
    numbers = re.findall(r"\d+", PurePosixPath(path).stem)
    return float(numbers[-1][-15:]) if numbers else -1.0


def sampled(split: pd.DataFrame, most: int, seed: int) -> pd.DataFrame:
    """The rows of a split, at most so many of each fold and role, drawn at random."""
    parts = []
    for (fold, role), rows in split.groupby(["fold", "role"], sort=False):
        drawn = generator(seed, "probes", int(str(fold)), str(role)).permutation(len(rows))[:most]
        parts.append(rows.iloc[np.sort(drawn)])
    return pd.concat(parts, ignore_index=True)


def answers(
    features: Mapping[str, np.ndarray], rows: Mapping[str, int], split: pd.DataFrame, trees: int, seed: int, jobs: int
) -> pd.DataFrame:
    """Whether each probe is right on the validation and test images of every fold.

    A row each: probe, fold, image_id, group, role, y, right.
    features: by probe, [n, k]; rows: row of each image in them; split: image_id, y, group, fold, role.
    """
    # Imported here because reading the answers does without it, and it takes a second.
    from sklearn.ensemble import RandomForestClassifier

    tables = []
    for name, values in features.items():
        for fold, part in split.groupby("fold", sort=False):
            positions = np.array([rows[image] for image in part["image_id"]])
            y, learnt = part["y"].to_numpy(), (part["role"] == "train").to_numpy()
            forest = RandomForestClassifier(
                trees, random_state=stream_seed(seed, name, int(str(fold))) % 2**32, n_jobs=jobs
            )
            forest.fit(values[positions[learnt]], y[learnt])
            asked = part[~learnt]
            right = forest.predict(values[positions[~learnt]]) == asked["y"].to_numpy()
            columns = ["fold", "image_id", "group", "role", "y"]
            tables.append(asked[columns].assign(probe=name, right=right))
    return pd.concat(tables, ignore_index=True)


def chance_of(y: np.ndarray) -> float:
    """Accuracy of always naming the most frequent class of these images, [n] int (the no-information rate)."""
    return float(np.bincount(y).max() / len(y)) if len(y) else float("nan")


def probe_scores(said: pd.DataFrame, settings: Evaluation) -> pd.DataFrame:
    """`PROBE_COLUMNS` from probe to validation_accuracy: accuracy on test images with its interval over groups."""
    rows = []
    for name, part in said.groupby("probe", sort=False):
        test = part[part["role"] == "test"]
        validation = part[part["role"] == "validation"]
        right, weights = test["right"].to_numpy(float), weights_of(test["fold"].to_numpy())
        drawn = resampled_means(right[:, None], weights, units(test["group"].to_numpy()), settings)
        value, low, high = limits(drawn[0], settings)
        if high - low < 1e-9:  # if every answer is right, or none, a bootstrap has nothing to vary
            low, high = wilson_interval(right.sum(), len(right), settings.confidence)
        rows.append(
            {
                "probe": name,
                "kind": KINDS[str(name)],
                "folds": test["fold"].nunique(),
                "images": len(test),
                "groups": test["group"].nunique(),
                "accuracy": value,
                "low": low,
                "high": high,
                "chance": chance_of(test["y"].to_numpy()),
                "validation_accuracy": validation["right"].mean(),
            }
        )
    return pd.DataFrame(rows)
