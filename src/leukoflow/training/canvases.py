"""Training canvases for segmentation: square pictures in which cells have every size that a microscope may give.

A source of single cells, scaled down until its cells are as small as in a field, fills a canvas as a mosaic of several
pictures; a field is cropped. Every draw follows from (seed, epoch, step, place) alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from leukoflow.cells.labels import BACKGROUND
from leukoflow.core.seeding import generator

CELL_PIXELS = (15.0, 72.0)
"""Diameters of a white cell on a canvas, pixels: least and largest of a uniform draw of its logarithm."""


@dataclass(frozen=True)
class Source:
    """Annotated pictures of one source."""

    name: str
    images: np.ndarray
    """uint8 [n, S, S, 3]."""
    parts: np.ndarray
    """Parts maps uint8 [n, S, S]."""
    diameter: float
    """Median diameter of a white cell, pixels."""


def median_diameter(parts: np.ndarray) -> float:
    """Median diameter (of the circle of the same area) of the connected cells of parts maps uint8 [n, S, S], pixels."""
    areas: list[float] = []
    for part_map in parts:
        _, _, statistics, _ = cv2.connectedComponentsWithStats(((part_map > 0) & (part_map < 255)).astype(np.uint8))
        areas += statistics[1:, cv2.CC_STAT_AREA].tolist()
    kept = [area for area in areas if area >= 0.1 * np.median(areas)] if areas else [part_map.size / 16]
    return float(np.sqrt(4 * np.median(kept) / np.pi))


def canvas(source: Source, crop: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One canvas: picture uint8 [crop, crop, 3] and parts map uint8 [crop, crop]."""
    low, high = np.log(CELL_PIXELS)
    target = float(np.exp(rng.uniform(low, min(high, np.log(0.85 * crop)))))
    zoom = target / source.diameter
    side = max(8, round(source.parts.shape[1] * zoom))
    if side >= crop:
        return _tile(source, zoom, crop, rng)
    tiles = -(-crop // side)
    picture = np.empty((tiles * side, tiles * side, 3), np.uint8)
    parts = np.empty((tiles * side, tiles * side), np.uint8)
    for row in range(tiles):
        for column in range(tiles):
            tile = np.s_[row * side : (row + 1) * side, column * side : (column + 1) * side]
            picture[tile], parts[tile] = _tile(source, zoom, side, rng)
    top, left = rng.integers(0, tiles * side - crop + 1, 2)
    window = np.s_[top : top + crop, left : left + crop]
    return picture[window], parts[window]


def _tile(source: Source, zoom: float, side: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """One picture turned, mirrored and scaled into a tile; where it is larger, about a random pixel of a cell."""
    index = int(rng.integers(len(source.images)))
    picture, parts = source.images[index], source.parts[index]
    size = parts.shape[0]
    centre = np.full(2, (size - 1) / 2)
    if size * zoom > 1.15 * side:
        rows, columns = np.nonzero(parts) if rng.random() < 0.8 else (np.empty(0), np.empty(0))
        if len(rows):
            pick = int(rng.integers(len(rows)))
            centre = np.array([columns[pick], rows[pick]], float) + rng.uniform(-0.3, 0.3, 2) * side / zoom
        else:
            centre = rng.uniform(0, size, 2)
        half = side / zoom / 2
        centre = np.clip(centre, min(half, (size - 1) / 2), max(size - 1 - half, (size - 1) / 2))
    angle, mirror = rng.uniform(0, 2 * np.pi), rng.choice([-1.0, 1.0])
    turn = zoom * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    matrix = turn * np.array([mirror, 1.0])
    shift = (side - 1) / 2 - matrix @ centre
    affine = np.column_stack([matrix, shift])
    # Averaged first where much smaller, as sampling alone would leave noise that no microscope shows.
    if zoom < 0.6:
        picture = cv2.GaussianBlur(picture, (0, 0), 0.4 / zoom)
    area, border = (side, side), cv2.BORDER_REFLECT_101
    return (
        cv2.warpAffine(picture, affine, area, flags=cv2.INTER_LINEAR, borderMode=border),
        cv2.warpAffine(parts, affine, area, flags=cv2.INTER_NEAREST, borderMode=border),
    )


def batch(sources: Sequence[Source], size: int, crop: int, *stream: str | int) -> tuple[np.ndarray, np.ndarray]:
    """A batch in which every source has the same share: uint8 [size, crop, crop, 3] and [size, crop, crop]."""
    pictures = np.empty((size, crop, crop, 3), np.uint8)
    parts = np.full((size, crop, crop), BACKGROUND, np.uint8)
    first = int(generator("first source", *stream).integers(len(sources)))
    for index in range(size):
        rng = generator("canvas", *stream, index)
        pictures[index], parts[index] = canvas(sources[(first + index) % len(sources)], crop, rng)
    return pictures, parts
