"""Pictures that are no smears: the same every time, of the size asked for, each its own."""

import hashlib

import numpy as np
import pytest

from leukoflow.images import non_smears as module
from leukoflow.images.non_smears import KINDS, non_smears


@pytest.mark.parametrize("size", [48, 96])
def test_kinds_are_there_in_shape_and_differ_from_each_other(size: int) -> None:
    made = non_smears(3, size, seed=1)
    assert set(made) >= set(KINDS) and {"photograph", "other medicine"} <= set(made)
    pictures = [picture for pictures in made.values() for picture in pictures]
    assert all(picture.shape == (size, size, 3) and picture.dtype == np.uint8 for picture in pictures)
    assert len({hashlib.sha256(picture.tobytes()).digest() for picture in pictures}) == len(pictures) == 3 * len(made)


def test_they_depend_on_the_seed_alone() -> None:
    first, again, other = non_smears(2, 32, 1), non_smears(2, 32, 1), non_smears(2, 32, 2)
    for kind in first:
        assert all(np.array_equal(a, b) for a, b in zip(first[kind], again[kind], strict=True))
        assert not all(np.array_equal(a, b) for a, b in zip(first[kind], other[kind], strict=True))
    assert np.array_equal(non_smears(5, 32, 1)["text"][1], first["text"][1])


def test_what_each_kind_is() -> None:
    made = non_smears(4, 64, 3)
    assert all(np.ptp(picture.reshape(-1, 3), axis=0).max() == 0 for picture in made["flat colour"])
    assert all(len(np.unique(picture.reshape(-1, 3), axis=0)) == 2 for picture in made["checkerboard"])
    assert all(picture.mean() > 180 and picture.std() > 5 for picture in made["text"])
    for picture in made["1/f noise"]:
        power = np.abs(np.fft.fft2(picture.mean(2) - picture.mean())) ** 2
        assert power[1:5, 1:5].mean() > 20 * power[28:32, 28:32].mean()


def test_pictures_that_are_not_installed_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PHOTOGRAPHS", {"no_such_package/data": ("a.png",), "skimage/data": ("no.png",)})
    made = non_smears(1, 32, 1)
    assert "photograph" not in made and "other medicine" in made
