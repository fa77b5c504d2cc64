"""PNG, every depth and colour type, against the arrays that were written and against Pillow and OpenCV."""

import io
import struct

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import chunk, damaged, dirty, png, read_thrice
from PIL import Image

from leukoflow.images.io import ImageError

GREY, RGB, PALETTE, GREY_ALPHA, RGB_ALPHA = 0, 2, 3, 4, 6
CHANNELS = {GREY: 1, RGB: 3, PALETTE: 1, GREY_ALPHA: 2, RGB_ALPHA: 4}
DEPTHS = [(bits, GREY) for bits in (1, 2, 4, 8, 16)] + [(bits, PALETTE) for bits in (1, 2, 4, 8)]
DEPTHS += [(bits, kind) for kind in (RGB, GREY_ALPHA, RGB_ALPHA) for bits in (8, 16)]


def noise(bits: int, channels: int, height: int = 19, width: int = 37) -> np.ndarray:
    generator = np.random.default_rng(bits)
    return generator.integers(0, 2**bits, (height, width, channels)).astype(np.uint8 if bits <= 8 else np.uint16)


def palette(bits: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 256, (2**bits, 3)).astype(np.uint8)


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read_thrice(data)
    return str(caught.value)


def test_dirty_memory_is_what_a_decoder_is_given() -> None:
    for pattern in (0xAB, 0x17):
        dirty(pattern)
        assert (np.empty(50_000, np.uint8) == pattern).mean() > 0.5


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("bits", "kind"), DEPTHS)
@pytest.mark.parametrize("size", [(19, 37), (3, 2), (1, 1)])
def test_every_depth_gives_what_was_written(bits: int, kind: int, interlaced: bool, size: tuple[int, int]) -> None:
    samples, colours = noise(bits, CHANNELS[kind], *size), palette(bits)
    chunks = [chunk(b"PLTE", colours.tobytes())] if kind == PALETTE else []
    read = read_thrice(png(samples, bits, kind, *chunks, interlaced=interlaced))
    values = samples[:, :, 0] if kind in (GREY, PALETTE, GREY_ALPHA) else samples[:, :, :3]
    np.testing.assert_array_equal(read.values, values)
    np.testing.assert_equal(read.alpha, samples[:, :, -1] if kind in (GREY_ALPHA, RGB_ALPHA) else None)
    if kind == PALETTE:
        np.testing.assert_array_equal(read.colours, colours[values])
        return
    assert read.top == 2**bits - 1
    share = values / read.top
    opacity = np.ones((*size, 1)) if read.alpha is None else read.alpha[:, :, None] / read.top
    opacity = opacity if values.ndim == 3 else opacity[:, :, 0]
    shown = 255 * (share * opacity + 1 - opacity)
    picture = read.picture() if values.ndim == 3 else read.picture()[:, :, 0]
    assert np.abs(picture - shown).max() <= 0.51


@pytest.mark.parametrize(("bits", "kind"), [depth for depth in DEPTHS if depth[1] in (GREY, RGB)])
def test_one_level_or_colour_is_transparent(bits: int, kind: int) -> None:
    samples = noise(bits, CHANNELS[kind])
    clear = samples[3, 4]
    read = read_thrice(png(samples, bits, kind, chunk(b"tRNS", struct.pack(f">{len(clear)}H", *clear.tolist()))))
    np.testing.assert_array_equal(read.alpha == 0, (samples == clear).all(axis=2))
    assert (read.picture()[3, 4] == 255).all()


def test_palettes() -> None:
    """Opacity by index; a palette of greys gives its levels, not the indices."""
    samples, colours = noise(4, 1), palette(4)
    opacity = bytes(range(0, 160, 16))
    read = read_thrice(png(samples, 4, PALETTE, chunk(b"PLTE", colours.tobytes()), chunk(b"tRNS", opacity)))
    full = np.frombuffer(opacity + b"\xff" * 6, np.uint8)[samples]
    np.testing.assert_array_equal(read.alpha, full[:, :, 0])
    assert np.abs(read.picture() - (colours[samples[:, :, 0]] * (full / 255) + 255 - full)).max() <= 0.51
    greys = np.repeat(np.arange(250, 10, -15, dtype=np.uint8)[:, None], 3, axis=1)
    read = read_thrice(png(samples, 4, PALETTE, chunk(b"PLTE", greys.tobytes())))
    np.testing.assert_array_equal(read.values, greys[:, 0][samples[:, :, 0]])
    assert (read.palette, read.top) == (None, 255)


def test_against_other_readers() -> None:
    for bits, kind in DEPTHS:
        if kind in (GREY, RGB) and bits in (8, 16):
            samples = noise(bits, CHANNELS[kind])
            data = png(samples, bits, kind)
            by_opencv = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
            by_opencv = by_opencv[:, :, ::-1] if kind == RGB else by_opencv
            np.testing.assert_array_equal(read_thrice(data).values, by_opencv)
    image = Image.fromarray(noise(8, 3))
    stream = io.BytesIO()
    image.save(stream, "PNG", optimize=True)
    np.testing.assert_array_equal(read_thrice(stream.getvalue()).values, np.asarray(image))


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize(("bits", "kind"), DEPTHS)
def test_missing_rows_are_refused_not_shown(bits: int, kind: int, interlaced: bool) -> None:
    chunks = [chunk(b"PLTE", palette(bits).tobytes())] if kind == PALETTE else []
    for rows in (1, 5):
        short = png(noise(bits, CHANNELS[kind]), bits, kind, *chunks, interlaced=interlaced, rows=rows)
        assert "before its last row" in refusal(short)


def test_a_wrong_checksum_is_refused() -> None:
    data = bytearray(png(noise(8, 3), 8, RGB))
    data[data.index(b"IDAT") + 300] ^= 1
    assert "checksum" in refusal(bytes(data))


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_png_never_shows_what_it_does_not_hold(data: st.DataObject) -> None:
    bits, kind = data.draw(st.sampled_from(DEPTHS))
    chunks = [chunk(b"PLTE", palette(bits).tobytes())] if kind == PALETTE else []
    whole = png(noise(bits, CHANNELS[kind]), bits, kind, *chunks, interlaced=data.draw(st.booleans()))
    try:
        read_thrice(damaged(whole, data))
    except ImageError as error:
        assert "\n" not in str(error)
