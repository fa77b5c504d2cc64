"""Cameras of ten to fourteen bits in files of sixteen: what the file states, what the cohort states, or nothing."""

import io

import numpy as np
import pytest
from layouts import LIMIT, chunk, png, tiff
from PIL import Image

from leukoflow.images.io import ImageError, read_bytes_image, read_samples

RGB, GREY = 2, 0
MAXIMUM, S_MAXIMUM, DESCRIPTION = 281, 341, 270


def camera(bits: int, channels: int = 3) -> np.ndarray:
    """Samples that fill their bits, uint16 [H, W, channels]."""
    return np.random.default_rng(bits).integers(0, 2**bits, (20, 30, channels)).astype(np.uint16)


def scaled(samples: np.ndarray, bits: int) -> np.ndarray:
    return np.rint(samples.astype(float) * 255 / (2**bits - 1))


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 15])
@pytest.mark.parametrize("tag", [MAXIMUM, S_MAXIMUM])
def test_a_tiff_states_its_range(bits: int, tag: int) -> None:
    """By the greatest level that can be, or that there is: the bits are those that it needs."""
    for stated in (2**bits - 1, 2 ** (bits - 1) + 5):
        samples = camera(bits).clip(0, stated)
        data = tiff(samples, 16, RGB, tags={tag: (stated,) * 3})
        np.testing.assert_array_equal(read_bytes_image(data, LIMIT), scaled(samples, bits))


def test_ome_states_significant_bits() -> None:
    samples = camera(12)
    text = b'<OME xmlns="x"><Image><Pixels Type="uint16" SignificantBits="12" SizeX="30"/></Image></OME>'
    data = tiff(samples, 16, RGB, tags={DESCRIPTION: text})
    np.testing.assert_array_equal(read_bytes_image(data, LIMIT), scaled(samples, 12))


def test_a_file_of_all_bits_is_scaled_by_all() -> None:
    samples = camera(16)
    for tags in ({}, {MAXIMUM: (65535,) * 3}, {MAXIMUM: (40000,) * 3}):
        samples = samples.clip(0, 40000) if tags.get(MAXIMUM) == (40000,) * 3 else samples
        np.testing.assert_array_equal(read_bytes_image(tiff(samples, 16, RGB, tags=tags), LIMIT), scaled(samples, 16))
    shallow = camera(8).astype(np.uint8) // 4
    np.testing.assert_array_equal(read_bytes_image(tiff(shallow, 8, RGB, tags={MAXIMUM: (63,) * 3}), LIMIT), shallow)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_png_states_significant_bits(channels: int) -> None:
    """Right-aligned samples are scaled by them; samples shifted up, as the format asks, are scaled by all."""
    samples, says = camera(12, channels), chunk(b"sBIT", b"\x0c" * channels)
    kind = RGB if channels == 3 else GREY
    reference = np.broadcast_to(scaled(samples, 12), (20, 30, 3))
    np.testing.assert_array_equal(read_bytes_image(png(samples, 16, kind, says), LIMIT), reference)
    for shifted in (samples << 4, samples << 4 | samples >> 8, np.rint(samples * (65535 / 4095)).astype(np.uint16)):
        for dark in (shifted, shifted // 4096 * 16):  # also if nothing in them is bright
            read = read_bytes_image(png(dark, 16, kind, says), LIMIT)
            np.testing.assert_array_equal(read, np.broadcast_to(scaled(dark, 16), (20, 30, 3)))


def test_the_caller_knows_better_than_the_file() -> None:
    samples = camera(12)
    for tags in ({}, {MAXIMUM: (65535,) * 3}, {MAXIMUM: (1000,) * 3}):
        data = tiff(samples, 16, RGB, tags=tags)
        np.testing.assert_array_equal(read_bytes_image(data, LIMIT, 12), scaled(samples, 12))
        np.testing.assert_array_equal(read_bytes_image(data, LIMIT, 16), scaled(samples, 16))


def test_samples_beyond_the_range_are_refused_not_cut() -> None:
    data = tiff(camera(14), 16, RGB)
    with pytest.raises(ImageError, match=r"samples reach 16,3\d\d, above the 4,095 that 12 bits hold"):
        read_bytes_image(data, LIMIT, 12)
    with pytest.raises(ImageError, match="that the file states"):
        read_bytes_image(tiff(camera(14), 16, RGB, tags={MAXIMUM: (4095,) * 3}), LIMIT)


def test_other_depths_are_read_as_they_are() -> None:
    """The key is about files of 16 bits; masks keep their levels."""
    image = Image.fromarray((camera(16) >> 8).astype(np.uint8))
    for kind in ("PNG", "BMP", "TIFF"):
        stream = io.BytesIO()
        image.save(stream, kind)
        np.testing.assert_array_equal(read_bytes_image(stream.getvalue(), LIMIT, 12), np.asarray(image))
    packed = tiff(camera(12), 12, RGB)
    np.testing.assert_array_equal(read_bytes_image(packed, LIMIT, 14), scaled(camera(12), 12))
    ids = camera(8, 1)
    read = read_samples(tiff(ids, 16, 1, tags={MAXIMUM: 255}), LIMIT)
    np.testing.assert_array_equal(read.values, ids[:, :, 0])


def test_opacity_of_all_bits_over_colours_of_twelve() -> None:
    samples, alpha = camera(12), camera(16, 1)
    data = tiff(np.concatenate([samples, alpha], axis=2), 16, RGB, tags={338: 2})
    share = alpha / 65535
    shown = 255 * (samples / 4095 * share + 1 - share)
    assert np.abs(read_bytes_image(data, LIMIT, 12) - shown).max() <= 0.6
