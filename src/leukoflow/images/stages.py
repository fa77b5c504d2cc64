"""A view's chain of operations step by step: what each makes of a picture, and how long it takes."""

import time
from dataclasses import dataclass

import numpy as np

from leukoflow.config.views import View
from leukoflow.core.picture import Picture, Raster
from leukoflow.images.views import square_of, through

PASSES = 3
"""Times that each is measured; the shortest counts."""


@dataclass(frozen=True)
class Stage:
    """A picture after an operation."""

    name: str
    """The operation; `square` for the picture brought to a square."""
    pixels: np.ndarray
    """uint8 [S, S, 3]."""
    milliseconds: float
    """From the decoded picture in its square up to here; 0 of the square itself."""


def stages(picture: Picture, view: View, cells: np.ndarray | None = None) -> list[Stage]:
    """The square, then the picture after each operation of the chain; the last is the view.

    cells: label map, as for `render_view`.
    """
    square = square_of(picture, view).raster.pixels
    results = [Stage("square", square, 0.0)]
    for number, step in enumerate(view.chain, 1):
        spent = []
        for _ in range(PASSES):
            raster = Raster(square)  # a new one, which has not found its cells yet
            started = time.perf_counter()
            pixels = through(raster, view.chain[:number], cells)
            spent.append(1000 * (time.perf_counter() - started))
        results.append(Stage(step.do, pixels, min(spent)))
    return results
