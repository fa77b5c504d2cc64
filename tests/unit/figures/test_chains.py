"""Chains step by step."""

import numpy as np
import pytest

from leukoflow.config.views import View
from leukoflow.core.picture import Picture, Raster
from leukoflow.figures.chains import chain_chart
from leukoflow.images.stages import Stage, stages
from leukoflow.images.views import render_view


def picture() -> Picture:
    random = np.random.default_rng(0)
    pixels = np.full((40, 50, 3), (225, 205, 220), np.uint8)
    pixels[10:25, 12:30] = (110, 60, 150)
    return Picture(Raster(np.clip(pixels + random.normal(0, 6, pixels.shape), 0, 255).astype(np.uint8)))


@pytest.mark.parametrize("steps", ["vgg19_mhsa", "hybridcn_nas_as_coded", ["reinhard", "clahe", "grey"]])
def test_stages_are_views_of_the_chain_up_to_there(steps) -> None:
    view = View(kind="chain", size=64, steps=steps)
    pictures = stages(picture(), view)
    assert [stage.name for stage in pictures] == ["square", *(step.do for step in view.chain)]
    for number, stage in enumerate(pictures[1:], 1):
        upto = View(kind="chain", size=64, steps=[step.model_dump() for step in view.chain[:number]])
        assert np.array_equal(stage.pixels, render_view(picture(), upto))
        assert stage.milliseconds > 0
    assert np.array_equal(pictures[0].pixels, render_view(picture(), View(kind="plain", size=64)))


def test_a_row_for_each_class_and_the_median_time_above() -> None:
    black = np.zeros((4, 4, 3), np.uint8)
    shown = {
        "a": ("1", [Stage("square", black, 0), Stage("clahe", black + 1, 2.0)]),
        "b": ("2", [Stage("square", black, 0), Stage("clahe", black + 2, 4.0)]),
    }
    figure, table = chain_chart(shown, ["a", "b"])
    drawn = [int(axes.images[0].get_array()[0, 0, 0]) for axes in figure.axes]
    assert drawn == [0, 1, 0, 2]
    assert [axes.get_title() for axes in figure.axes[:2]] == ["square", "clahe\n3 ms"]
    assert table["milliseconds"].tolist() == [0, 2, 0, 4] and table["operation"].tolist() == ["square", "clahe"] * 2
    assert chain_chart({}, ["a"])[0].texts[0].get_text() == "There is no image of these classes."
