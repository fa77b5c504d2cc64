"""Changes for the shortcut audit: other stains, and shortcuts taken away (magnification, background).

What images are changed to is measured on training images of the same view.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any, Protocol

import cv2
import numpy as np
import pandas as pd

from leukoflow.config.shortcuts import Shortcuts
from leukoflow.core.picture import Raster
from leukoflow.core.seeding import generator
from leukoflow.images.operations import on_ground
from leukoflow.images.perturbations import Change
from leukoflow.images.stain_swap import Look, look_of, mean_look, recoloured
from leukoflow.images.views import FLAT


class Plain(Protocol):
    """Images as they are, from shards of a plain view or from files."""

    @property
    def many(self) -> bool: ...

    @property
    def image_ids(self) -> np.ndarray: ...

    def groups_of(self, image_ids: Any) -> tuple[np.ndarray, np.ndarray]: ...

    def gather(self, rows: Any) -> np.ndarray: ...


MOST_ZOOM = 3.0
"""Scales that differ more are taken for errors of their measurement, and brought together by this much only."""


def shortcut_changes(
    data: Plain,
    rows: np.ndarray,
    train: pd.DataFrame,
    scales: pd.Series,
    classes: Sequence[str],
    settings: Shortcuts,
    seed: int,
) -> list[Change]:
    """Changes of the families `stain_swap` (targets `class:NAME` and `cluster:NAME:CLUSTER`), `common_scale` and
    `cells_only`.

    rows: rows of the view that are changed, int [n]; train: image_id, y, cluster of the training images; scales:
    micrometres for each pixel of the view, by image_id.
    """
    changes = [_swap(name, look) for name, look in targets(data, train, classes, settings, seed).items()]
    alone = _by_image(lambda image: on_ground(image, Raster(image).stained, FLAT))
    changes.append(Change("cells_only", math.nan, alone, target="neutral"))
    # Pictures of single cells are at one scale already.
    if not data.many:
        common = float(scales.reindex(train["image_id"]).median())
        zoom = (scales.reindex(data.image_ids[rows]) / common).clip(1 / MOST_ZOOM, MOST_ZOOM).fillna(1.0)
        factors = zoom.to_numpy(float)
        changes.append(Change("common_scale", math.nan, target="neutral", by_place=_zoomed(factors), zoom=factors))
    return changes


def targets(
    data: Plain, train: pd.DataFrame, classes: Sequence[str], settings: Shortcuts, seed: int
) -> dict[str, Look]:
    """The mean look of each class and of some acquisition clusters, by target, from a sample of training images."""
    train = train[train["image_id"].isin(data.image_ids)]  # an image without cells has no row of a view of cells
    looks = {}
    for y, name in enumerate(classes):
        images = train.loc[train["y"] == y, "image_id"]
        if len(images):
            looks[f"class:{name}"] = _mean(data, images, settings.stain_images, seed, name)
    for y, cluster in _clusters(train, settings.stain_clusters, seed):
        images = train.loc[train["cluster"] == cluster, "image_id"]
        look = _mean(data, images, settings.stain_images, seed, cluster)
        looks[f"cluster:{classes[y]}:{cluster}"] = look
    return looks


def _clusters(train: pd.DataFrame, most: int, seed: int) -> list[tuple[int, str]]:
    """Class and name of clusters drawn at random, one of each class in turn."""
    frequent = train.groupby("cluster")["y"].agg(lambda y: int(y.mode().iloc[0]))
    order = generator(seed, "stain clusters").permutation(len(frequent))
    drawn = frequent.sort_index().iloc[order]
    turn = drawn.groupby(drawn).cumcount()
    chosen = drawn.iloc[np.argsort(turn.to_numpy(), kind="stable")][:most]
    return [(int(y), str(name)) for name, y in chosen.items()]


def _mean(data: Plain, images: pd.Series, most: int, seed: int, name: str) -> Look:
    drawn = generator(seed, "stain", name).permutation(len(images))[:most]
    rows, _ = data.groups_of(images.iloc[np.sort(drawn)])
    # An image may have many cells; one of them in so many is enough.
    rows = rows[:: max(1, len(rows) // most)]
    return mean_look(look_of(data.gather([row])[0]) for row in rows)


def _swap(target: str, look: Look) -> Change:
    return Change("stain_swap", math.nan, _by_image(lambda image: recoloured(image, look)), target=target)


def _by_image(change: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    return lambda images, random: np.stack([change(image) for image in images])


def _zoomed(zoom: np.ndarray) -> Callable[[np.ndarray, int], np.ndarray]:
    """Pictures enlarged or shrunk about their centre by the zoom [n] of their place; beyond the edge, mirrored."""

    def apply(images: np.ndarray, start: int) -> np.ndarray:
        changed = np.empty_like(images)
        for index, image in enumerate(images):
            height, width = image.shape[:2]
            matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), 0, float(zoom[start + index]))
            changed[index] = cv2.warpAffine(
                image, matrix, (width, height), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101
            )
        return changed

    return apply
