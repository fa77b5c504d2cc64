"""BMP, every depth, against the arrays that were written and against OpenCV."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import bmp, damaged, read_thrice

from leukoflow.images.io import ImageError

GENERATOR = np.random.default_rng(5)
COLOURS = GENERATOR.integers(0, 256, (256, 3)).astype(np.uint8)


def greys(*levels: int) -> np.ndarray:
    return np.repeat(np.array(levels, np.uint8)[:, None], 3, axis=1)


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read_thrice(data)
    return str(caught.value)


@pytest.mark.parametrize(("core", "top_down"), [(False, False), (False, True), (True, False)])
@pytest.mark.parametrize("bits", [1, 4, 8])
def test_palettes(bits: int, top_down: bool, core: bool) -> None:
    indices = GENERATOR.integers(0, 2**bits, (13, 21))
    read = read_thrice(bmp(indices, bits, COLOURS[: 2**bits], top_down=top_down, core=core))
    np.testing.assert_array_equal(read.values, indices)
    np.testing.assert_array_equal(read.picture(), COLOURS[indices])


@pytest.mark.parametrize(
    ("bits", "levels"),
    [
        (8, (0, 255)),
        (8, (255, 0)),
        (8, (0, 1, 2)),
        (4, tuple(range(16))),
        (4, tuple(range(0, 256, 17))),
        (4, (0, 255)),
        (1, (0, 255)),
        (1, (255, 0)),
        (8, tuple(range(256))),
    ],
)
def test_palettes_of_greys_give_levels(bits: int, levels: tuple[int, ...]) -> None:
    """Pillow takes some of them for another depth."""
    indices = GENERATOR.integers(0, len(levels), (9, 11))
    read = read_thrice(bmp(indices, bits, greys(*levels)))
    np.testing.assert_array_equal(read.values, np.array(levels)[indices])
    assert (read.palette, read.top) == (None, 255)


@pytest.mark.parametrize("top_down", [False, True])
@pytest.mark.parametrize(
    ("bits", "masks", "fields"),
    [
        (16, (), (5, 5, 5)),
        (16, (0xF800, 0x7E0, 0x1F), (5, 6, 5)),
        (24, (), (8, 8, 8)),
        (32, (), (8, 8, 8)),
        (32, (0x3FF00000, 0xFFC00, 0x3FF), (10, 10, 10)),
    ],
)
def test_colours(bits: int, masks: tuple[int, ...], fields: tuple[int, ...], top_down: bool) -> None:
    channels = [GENERATOR.integers(0, 2**field, (7, 10)) for field in fields]
    packed = (channels[0] << (fields[1] + fields[2])) | (channels[1] << fields[2]) | channels[2]
    data = bmp(packed, bits, masks=masks, top_down=top_down)
    shown = np.stack([255 * channel / (2**field - 1) for channel, field in zip(channels, fields, strict=True)], axis=2)
    picture = read_thrice(data).picture()
    assert np.abs(picture - shown).max() <= 0.51
    if bits == 24:
        by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
        np.testing.assert_array_equal(picture, by_opencv[:, :, ::-1])


def test_alpha() -> None:
    """Laid over white; a fourth byte that is 0 everywhere means nothing."""
    colours, alpha = GENERATOR.integers(0, 2**24, (6, 5)), GENERATOR.integers(1, 256, (6, 5))
    masks = (0xFF0000, 0xFF00, 0xFF, 0xFF000000)
    rgb = np.stack([colours >> 16, colours >> 8 & 255, colours & 255], axis=2)
    shown = rgb * (alpha / 255)[:, :, None] + 255 - alpha[:, :, None]
    assert np.abs(read_thrice(bmp(colours | alpha << 24, 32, masks=masks)).picture() - shown).max() <= 0.51
    np.testing.assert_array_equal(read_thrice(bmp(colours, 32, masks=masks)).picture(), rgb)


def test_refusals() -> None:
    data = bytearray(bmp(GENERATOR.integers(0, 256, (5, 6)), 8, COLOURS))
    data[30] = 1  # run-length coded
    assert "compression 1; save it as PNG" in refusal(bytes(data))
    data[30] = 0
    assert "truncated" in refusal(bytes(data[:-1]))
    assert read_thrice(bytes(data)).values.shape == (5, 6)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_bmp_never_shows_what_it_does_not_hold(data: st.DataObject) -> None:
    bits = data.draw(st.sampled_from([1, 4, 8, 16, 24, 32]))
    values = np.random.default_rng(bits).integers(0, 2**bits, (9, 14))
    whole = bmp(values, bits, COLOURS[: 2**bits] if bits <= 8 else None)
    try:
        read_thrice(damaged(whole, data))
    except ImageError as error:
        assert "\n" not in str(error)
