"""What a view does to a picture, timed next to the networks."""

import time

import numpy as np
import pytest

from leukoflow.cells.segmenter import CellFinder
from leukoflow.cells.threshold import Rule, Thresholds
from leukoflow.config.profile import Profile
from leukoflow.config.segmentation import Segmentation
from leukoflow.config.views import View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.steps import profile

QUICK = Profile(warm_up=1, runs=5, batches=(1,))


def test_the_time_of_a_view_is_that_of_its_operations(monkeypatch: pytest.MonkeyPatch) -> None:
    """An operation that takes 40 ms more, planted in one of two views; views of single cells have no time."""
    plain, slow = View(kind="plain", size=48), View(kind="chain", size=48, steps=["clahe"])
    made = profile.render_view

    def rendered(picture, view, labels=None) -> np.ndarray:
        if view is slow:
            time.sleep(0.04)
        return made(picture, view, labels)

    monkeypatch.setattr(profile, "render_view", rendered)
    cells = View(kind="cells", size=48, um_per_pixel=0.5)
    views = profile.Views.model_construct(
        views={"plain": plain, "slow": slow, "cells": cells}, segmentation=Segmentation()
    )
    times = profile.chain_times(views, None, QUICK)
    assert set(times) == {"plain", "slow"}
    assert times["plain"] > 0 and times["slow"] > 40
    assert times["slow"] - times["plain"] > 20


def test_finding_cells_is_part_of_a_view_that_needs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    view = View(kind="chain", size=48, steps=["clahe", "cells"])
    views = profile.Views(views={"chain": view}, segmentation=Segmentation(size=64))
    with pytest.raises(LeukoFlowError, match="--segmenter is not given"):
        profile.chain_times(views, None, QUICK)
    looked, finds = [], Thresholds(Rule("otsu", "green"), Rule("otsu", "green"))

    def parts(segmenter, images):
        assert segmenter is finds
        for image in images:
            looked.append(image)
            time.sleep(0.03)
            yield np.full((64, 64), 1, np.uint8)

    monkeypatch.setattr("leukoflow.cells.segmenter.predicted_parts", parts)
    finder = CellFinder(Segmentation(size=64), 64, finds)
    monkeypatch.setattr("leukoflow.cells.segmenter.load_finder", lambda *arguments: finder)
    times = profile.chain_times(views, ["w", "d"], QUICK)
    assert times["chain"] > 30 and len(looked) == 6
