"""A picture: its pixels, what is found in them, its scale bar and its physical scale, each of which is found once.

Steps and exported models hand on the same value, from the file to the cells. `quality.measure` makes it of an image
that is new, `images.sources` of an image of a cohort, whose scale bar and scale were measured before.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

import numpy as np

from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.foreground import background_colour, check_rgb, foreground_mask, stained_mask, white_balanced
from leukoflow.core.geometry import (
    Box,
    content_box,
    letterbox,
    letterboxed,
    middle_cell,
    paint_out,
    resized,
    square_about,
    squeezed_box,
)

T = TypeVar("T")
LOBES = 1.5
"""Micrometres up to which stained parts belong to one cell, as the lobes of a nucleus do."""


class _Once(Generic[T]):
    """A property that is found once: `cached_property` without its lock, by which threads of Python 3.11 would wait for
    each other's pictures."""

    def __init__(self, find: Callable[[Any], T]) -> None:
        self.find, self.__doc__ = find, find.__doc__

    def __get__(self, instance: Any, owner: type) -> T:
        value = vars(instance)[self.find.__name__] = self.find(instance)
        return value


@dataclass(frozen=True, eq=False)
class Raster:
    """Pixels, and what is found in them when it is first asked for. LeukoFlowError if they are not uint8 [H, W, 3]."""

    pixels: np.ndarray
    """uint8 [H, W, 3], RGB; never changed."""

    def __post_init__(self) -> None:
        check_rgb(self.pixels)

    @_Once
    def background(self) -> np.ndarray:
        """Colour of the empty background, uint8 [3]. The foreground is found against that of blurred pixels, which
        differs from this one by noise."""
        return background_colour(self.pixels)

    @_Once
    def foreground(self) -> np.ndarray:
        """Every cell, red or white: bool [H, W]."""
        return foreground_mask(self.pixels)

    @_Once
    def stained(self) -> np.ndarray:
        """White cells by their stain: bool [H, W]."""
        return stained_mask(self.pixels, self.foreground)

    @_Once
    def balanced(self) -> np.ndarray:
        """The pixels as under a white lamp, which the segmenter takes: uint8 [H, W, 3]."""
        return white_balanced(self.pixels, self.background)


@dataclass(frozen=True, eq=False)
class Picture:
    """An image, whole or as a rendition, and what is known of it."""

    raster: Raster
    bar: Box | None = None
    """Box of a burnt-in scale bar in pixels; None if there is none, or none is left."""
    um_per_pixel: float = float("nan")
    """Physical scale; NaN if none was asked for."""
    scale_known: bool = False
    """Whether the scale was measured or given, in the image or its cohort; otherwise it is assumed."""
    placed: Box | None = None
    """Where the image lies in a square that it was letterboxed to; None if it was not."""
    _renditions: "dict[tuple[int, str, str], Picture]" = field(default_factory=dict, init=False, repr=False)

    @property
    def content(self) -> Box:
        """Where the image lies in the pixels: everywhere but in the padding of a rendition."""
        height, width = self.raster.pixels.shape[:2]
        return self.placed or (0, 0, width, height)

    def centred(self, size: int, um_per_pixel: float, bar: str = "removed") -> "Picture":
        """`about` the white cell in the middle (`middle_cell`). Made once for each. LeukoFlowError without a scale."""
        key = size, f"centred {um_per_pixel}", bar
        if key not in self._renditions:
            self._renditions[key] = self.about(self.middle, size, um_per_pixel, bar)
        return self._renditions[key]

    @_Once
    def without_bar(self) -> np.ndarray:
        """The pixels with the scale bar painted out: uint8 [H, W, 3]."""
        return self.raster.pixels if self.bar is None else paint_out(self.raster.pixels, self.bar)

    @property
    def middle(self) -> tuple[float, float]:
        """Middle (x, y in pixels) of the stained white cell near the middle, see `middle_cell`. LeukoFlowError without
        a scale."""
        return middle_cell(self.raster.stained, LOBES / self._scale)

    def about(self, middle: tuple[float, float], size: int, um_per_pixel: float, bar: str = "removed") -> "Picture":
        """A square about a point (x, y in pixels) at a given physical scale, its scale bar painted out or kept; what
        lies beyond the picture has the colour of its background. LeukoFlowError without a scale."""
        pixels = self.without_bar if bar == "removed" else self.raster.pixels
        height, width = pixels.shape[:2]
        step = um_per_pixel / self._scale
        square = Raster(square_about(pixels, middle, size, step, self.raster.background))
        left, top = (round(size / 2 - (centre + 0.5) / step) for centre in middle)
        right, bottom = left + round(width / step), top + round(height / step)
        placed = (max(0, left), max(0, top), min(size, right), min(size, bottom))
        return Picture(square, None, um_per_pixel, self.scale_known, placed)

    @property
    def _scale(self) -> float:
        if not self.um_per_pixel > 0:
            raise LeukoFlowError("the picture's scale is not known; give micrometres a pixel")
        return self.um_per_pixel

    def rendition(self, size: int, fit: str = "letterbox", bar: str = "removed") -> "Picture":
        """The picture as a square of this side (pixels): letterboxed or squeezed, its scale bar painted out or kept.
        Made once for each."""
        key = size, fit, bar
        if key not in self._renditions:
            height, width = self.raster.pixels.shape[:2]
            squeezed = fit == "squeeze"
            pixels = resized(self.raster.pixels, size) if squeezed else letterbox(self.raster.pixels, size)
            left = self.bar
            if left is not None:
                left = (squeezed_box if squeezed else letterboxed)(left, height, width, size)
                if bar == "removed":
                    pixels, left = paint_out(pixels, left), None
            # A square picture of this size is its own rendition, so that nothing is found in it again.
            raster = self.raster if pixels is self.raster.pixels else Raster(pixels)
            scale = self.um_per_pixel * max(height, width) / size
            placed = (0, 0, size, size) if squeezed else content_box(height, width, size)
            self._renditions[key] = Picture(raster, left, scale, self.scale_known, placed)
        return self._renditions[key]
