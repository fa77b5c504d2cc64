"""Test images that are changed, and then made into what a network sees: a lamp and a camera come before all else that
is done to a picture. A view is rendered again and its cells are looked for again, for every change."""

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from leukoflow.cells.crops import crop_cells
from leukoflow.cells.segmenter import CellFinder, load_finder
from leukoflow.config.segmentation import Segmentation
from leukoflow.config.views import View
from leukoflow.core.picture import Picture, Raster
from leukoflow.core.seeding import generator
from leukoflow.core.step import settings
from leukoflow.images.perturbations import Change
from leukoflow.images.shards import Shards, open_view
from leukoflow.images.sources import Source, listed, read_picture, sources
from leukoflow.images.stain import fitted
from leukoflow.images.views import before_cells, square_of, through

BATCH = 64
"""Images that are changed together; what is random is drawn for all of them."""


@dataclass(frozen=True)
class Renditions:
    """Images of a cohort as squares, read from their files when they are asked for: as `Shards` of a plain view."""

    image_ids: np.ndarray
    """object [n]."""
    files: Sequence[Source]
    max_pixels: int
    view: View
    """How they become squares."""
    many: bool = False
    """Whether an image is seen as several pictures afterwards, one for each cell."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Of one image."""
        return self.view.size, self.view.size, 3

    @cached_property
    def _rows(self) -> pd.Series:
        return pd.Series(np.arange(len(self.image_ids)), index=self.image_ids)

    def groups_of(self, image_ids: Sequence[str] | pd.Series) -> tuple[np.ndarray, np.ndarray]:
        """Row of each image id, and its position: int64 [k], int64 [k]."""
        rows = self._rows.loc[list(image_ids)].to_numpy(np.int64)
        return rows, np.arange(len(rows))

    def pictures(self, rows: Sequence[int] | np.ndarray) -> list[Picture]:
        """The images of these rows, whole."""
        return [read_picture(self.files[row], self.max_pixels) for row in rows]

    def square(self, picture: Picture) -> np.ndarray:
        """A picture as a square, uint8 [size, size, 3]."""
        return square_of(picture, self.view).raster.pixels

    def gather(self, rows: Sequence[int] | np.ndarray) -> np.ndarray:
        """The squares of these rows: uint8 [k, size, size, 3]."""
        return np.stack([self.square(picture) for picture in self.pictures(rows)])


@dataclass(frozen=True)
class Batch:
    """Images that are changed together."""

    start: int
    """Place of the first of them among all."""
    images: np.ndarray
    """uint8 [b, S, S, 3]."""
    fields: tuple[Picture, ...] = ()
    """The images in the size in which their cells are looked for, if the view needs cells."""


@dataclass(frozen=True)
class ChangedPictures:
    """Images of a view under changes."""

    data: Shards | Renditions
    """What is changed: the view itself if it is plain, otherwise the files that it is made from."""
    rows: np.ndarray
    """Rows of these, int [n]."""
    owner: np.ndarray
    """Image that each of them belongs to, int [n]."""
    seed: int
    view: View | None = None
    """What is made of the changed pictures; nothing if they are seen as they are."""
    finder: CellFinder | None = None
    """What looks for cells in them."""

    def batches(self) -> Iterator[Batch]:
        """All images, up to `BATCH` at a time."""
        for start in range(0, len(self.rows), BATCH):
            rows = self.rows[start : start + BATCH]
            if not isinstance(self.data, Renditions):
                yield Batch(start, self.data.gather(rows))
                continue
            pictures = self.data.pictures(rows)
            images = np.stack([self.data.square(picture) for picture in pictures])
            finder = self.finder
            yield Batch(start, images, tuple(picture.rendition(finder.size) for picture in pictures) if finder else ())

    def under(self, change: Change, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
        """What a network sees of a batch: pictures uint8 [m, S, S, 3], and the image of each, int [m].

        What is random depends on the seed, the family and the batch's place alone, and lies alike in the images and in
        the fields that cells are looked for in.
        """
        owner = self.owner[batch.start : batch.start + len(batch.images)]
        fields = self._fields(change, batch)
        if self.view is not None and self.data.many:
            return _cells(fields, owner, self.view)
        images = self._changed(change, batch.images, batch.start)
        if self.view is None:
            return images, owner
        maps: list[np.ndarray | None] = [labels for _, labels in fields]
        maps = maps or [None] * len(images)
        chain = self.view.chain
        made = [through(Raster(image), chain, labels) for image, labels in zip(images, maps, strict=True)]
        return np.stack(made), owner

    def _fields(self, change: Change, batch: Batch) -> list[tuple[Picture, np.ndarray]]:
        """Fields as changed, with the label maps of the cells that are found in them now."""
        if self.finder is None or not batch.fields:
            return []
        pixels = self._changed(change, np.stack([field.raster.pixels for field in batch.fields]), batch.start)
        scales = np.array([field.um_per_pixel for field in batch.fields])
        if change.zoom is not None:
            scales = scales / change.zoom[batch.start : batch.start + len(scales)]
        changed = [
            replace(field, raster=Raster(image), um_per_pixel=float(scale))
            for field, image, scale in zip(batch.fields, pixels, scales, strict=True)
        ]
        return list(zip(changed, self.finder.label_maps(changed), strict=True))

    def _changed(self, change: Change, images: np.ndarray, start: int) -> np.ndarray:
        if change.by_place is not None:
            return change.by_place(images, start)
        return np.ascontiguousarray(change.apply(images, generator(self.seed, "stress", change.family, start)))


def _cells(fields: list[tuple[Picture, np.ndarray]], owner: np.ndarray, view: View) -> tuple[np.ndarray, np.ndarray]:
    """Pictures of single cells, and the image of each."""
    crops = [crop_cells(before_cells(field, view), labels, view.size, view.um_per_pixel)[0] for field, labels in fields]
    return np.concatenate(crops), np.repeat(owner, [len(pictures) for pictures in crops])


def add_view(arguments: argparse.ArgumentParser) -> None:
    """Options of a step that changes images of a view; `changed_pictures` has what they name."""
    arguments.add_argument("--view", type=Path, required=True, help="summary of the view (view.json)")
    arguments.add_argument("--rendering", type=settings(View), help="the view, rendered again for every change (JSON)")
    arguments.add_argument("--stain", type=Path, help="stain of the view's target (JSON), if it was found")
    arguments.add_argument("--root", type=Path, help="of a view that is rendered: folder of the cohort's paths")
    arguments.add_argument("--files", type=Path, help="the cohort's files.parquet, for images and scales")
    arguments.add_argument("--max-pixels", type=int, default=100_000_000)
    arguments.add_argument("--segmentation", type=settings(Segmentation), help="section segmentation (JSON)")
    arguments.add_argument("--segmenter", nargs=2, type=Path, metavar=("WEIGHTS", "DESCRIPTION"))
    arguments.add_argument("--cell-size", type=int, help="side in which cells are looked for, pixels")


def changed_pictures(args: argparse.Namespace, image_ids: Sequence[str] | pd.Series, seed: int) -> ChangedPictures:
    """The images of these ids in the view that the options name."""
    view: View | None = args.rendering
    if view is None:
        data: Shards | Renditions = open_view(args.view)
        return ChangedPictures(data, *data.groups_of(image_ids), seed)
    finder = None
    if view.needs_cells:
        weights, description = args.segmenter
        finder = load_finder(args.segmentation, weights, description, args.cell_size)
    table = listed(args.files)
    # Single cells are cut out of fields of the size in which they are looked for.
    fields = view.model_copy(update={"size": args.cell_size}) if view.kind == "cells" else view
    names = table["image_id"].to_numpy(object)
    files = sources(args.root, table)
    data = Renditions(names, files, args.max_pixels, fields, many=view.kind == "cells")
    return ChangedPictures(data, *data.groups_of(image_ids), seed, fitted(view, args.stain), finder)
