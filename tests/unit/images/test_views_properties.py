"""What must hold of every view of any image."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from leukoflow.config.views import View
from leukoflow.core.geometry import content_box, letterboxed
from leukoflow.core.picture import Picture, Raster
from leukoflow.images.views import FLAT, render_view, resized_mask

SIDE = st.integers(1, 40)
IMAGES = st.builds(lambda height, width: (height, width, 3), SIDE, SIDE).flatmap(lambda shape: arrays(np.uint8, shape))
CELLS = st.integers(4, 48).flatmap(lambda side: arrays(np.uint16, (side, side), elements=st.integers(0, 3)))
SIZES = st.integers(16, 64)
BARS = st.tuples(*[st.integers(-5, 45)] * 4)


@settings(max_examples=60, deadline=None)
@given(IMAGES, CELLS, SIZES, st.sampled_from(["plain", "normalised", "grey", "background", "masked"]), BARS)
def test_a_view_is_a_square_picture_and_the_same_each_time(image, cells, size, kind, bar) -> None:
    view, before = View(kind=kind, size=size), image.copy()
    made = render_view(Picture(Raster(image), bar), view, cells)
    assert made.shape == (size, size, 3) and made.dtype == np.uint8
    assert (made == render_view(Picture(Raster(image), bar), view, cells)).all()
    assert (image == before).all()
    if kind == "grey":
        assert (made == made[..., :1]).all()


@settings(max_examples=60, deadline=None)
@given(IMAGES, CELLS, SIZES)
def test_masked_shows_the_cells_and_nothing_else(image, cells, size) -> None:
    plain, inside = render_view(Picture(Raster(image)), View(kind="plain", size=size)), resized_mask(cells > 0, size)
    made = render_view(Picture(Raster(image)), View(kind="masked", size=size), cells)
    assert (made[inside] == plain[inside]).all() and (made[~inside] == FLAT).all()


@given(st.integers(1, 3000), st.integers(1, 3000), SIZES, st.data())
def test_a_box_stays_where_its_picture_goes(height, width, size, data) -> None:
    """The whole picture fills its place; a box in it lies inside that, to a pixel of rounding, and is never lost."""
    area = content_box(height, width, size)
    assert min(area) >= 0 and max(area) <= size and max(area[2] - area[0], area[3] - area[1]) == size
    x0, y0 = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    x1, y1 = data.draw(st.integers(x0 + 1, width)), data.draw(st.integers(y0 + 1, height))
    box = letterboxed((x0, y0, x1, y1), height, width, size)
    assert box[0] < box[2] and box[1] < box[3]
    assert all(box[edge] >= area[edge] for edge in (0, 1)) and all(box[edge] <= area[edge] + 1 for edge in (2, 3))
