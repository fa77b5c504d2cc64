"""TIFF, layout by layout, against the arrays that were written and against tifffile."""

import io
import itertools
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import COMPRESSIONS, LIMIT, damaged, dirty, read_thrice, tiff, with_directory
from PIL import Image

from leukoflow.images.io import ImageError, read_bytes_image, read_samples

CASES = Path(os.environ.get("LEUKOFLOW_DATA", "none")).parent / "cases"
WHITE_IS_ZERO, BLACK_IS_ZERO, RGB, PALETTE, CMYK = 0, 1, 2, 3, 5
EXTRA = 338
COLOURS: dict[str, tuple[int, int, dict[int, Any]]] = {
    "grey": (BLACK_IS_ZERO, 1, {}),
    "white is zero": (WHITE_IS_ZERO, 1, {}),
    "grey and alpha": (BLACK_IS_ZERO, 2, {EXTRA: 2}),
    "RGB": (RGB, 3, {}),
    "RGB and alpha": (RGB, 4, {EXTRA: 2}),
    "RGB and one more": (RGB, 4, {EXTRA: 0}),
    "RGB, one more and alpha": (RGB, 5, {EXTRA: (0, 2)}),
}


def noise(bits: int, channels: int, seed: int = 0, size: tuple[int, int] = (19, 37)) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 2**bits, (*size, channels)).astype(np.uint8 if bits <= 8 else np.uint16)


def meant(samples: np.ndarray, colours: str, top: int) -> tuple[np.ndarray, np.ndarray | None]:
    """Values and opacity that a reader must give."""
    alpha = samples[:, :, -1] if "alpha" in colours else None
    if colours == "white is zero":
        return top - samples[:, :, 0], None
    return (samples[:, :, :3] if "RGB" in colours else samples[:, :, 0]), alpha


def refusal(data: bytes) -> str:
    with pytest.raises(ImageError) as caught:
        read_thrice(data)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("colours", COLOURS)
@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("bits", [1, 2, 4, 8, 12, 16])
def test_every_layout_gives_what_was_written(bits: int, compression: str, colours: str) -> None:
    photometric, channels, tags = COLOURS[colours]
    samples = noise(bits, channels)
    values, alpha = meant(samples, colours, 2**bits - 1)
    predictors = (False, True) if bits in (8, 16) and compression not in ("none", "packbits") else (False,)
    kinds = itertools.product("<>", (False, True), predictors, (False, True), (None, (16, 32)))
    for number, (order, big, predictor, separate, tile) in enumerate(kinds):
        data = tiff(
            samples,
            bits,
            photometric,
            compression=compression,
            separate=separate,
            tile=tile,
            predictor=predictor,
            order=order,
            big=big,
            tags=tags,
        )
        dirty(number)
        read = read_samples(data, LIMIT)
        assert read.top == 2**bits - 1
        np.testing.assert_array_equal(read.values, values)
        np.testing.assert_equal(read.alpha, alpha)
        if compression != "lzw" and bits in (1, 8, 16) and colours != "RGB, one more and alpha":
            by_tifffile = np.asarray(tifffile.imread(io.BytesIO(data)))
            by_tifffile = by_tifffile.transpose(1, 2, 0) if separate and channels > 1 else by_tifffile
            np.testing.assert_array_equal(by_tifffile.reshape(samples.shape), samples)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_give_indices_and_colours(bits: int) -> None:
    samples = noise(bits, 1)
    colours = noise(8, 3, 1)[0, : 2**bits] if bits < 6 else noise(8, 3, 1, (1, 256))[0]
    read = read_thrice(tiff(samples, bits, PALETTE, tags={320: tuple((colours.astype(int) * 257).T.ravel())}))
    np.testing.assert_array_equal(read.values, samples[:, :, 0])
    np.testing.assert_array_equal(read.colours, colours[samples[:, :, 0]])
    np.testing.assert_array_equal(read.picture(), read.colours)


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("separate", [False, True])
def test_inks(bits: int, separate: bool) -> None:
    samples = noise(bits, 4)
    share = samples / (2**bits - 1)
    picture = read_thrice(tiff(samples, bits, CMYK, separate=separate)).picture()
    assert np.abs(picture - 255 * (1 - share[:, :, :3]) * (1 - share[:, :, 3:])).max() < 1.5


def test_colours_multiplied_by_opacity_are_divided_by_it() -> None:
    colours, alpha = noise(8, 3), noise(8, 1, 1)
    multiplied = np.rint(colours.astype(float) * alpha / 255).astype(np.uint8)
    picture = read_thrice(tiff(np.concatenate([multiplied, alpha], axis=2), 8, RGB, tags={EXTRA: 1})).picture()
    over_white = colours * (alpha / 255) + 255 - alpha
    assert np.abs(picture - over_white).max() <= 1.5


def smooth(height: int, width: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([3 * x, 5 * y, x + y], axis=2).astype(np.uint8)


@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_jpeg_strips_as_pillow_writes_them(mode: str) -> None:
    stream = io.BytesIO()
    Image.fromarray(smooth(48, 80)).convert(mode).save(stream, "TIFF", compression="jpeg", quality=95)
    reference = np.asarray(Image.open(io.BytesIO(stream.getvalue())).convert("RGB")).astype(int)
    read = read_thrice(stream.getvalue())
    assert read.values.shape == ((48, 80, 3) if mode == "RGB" else (48, 80))
    assert np.abs(read.picture() - reference).max() <= 1


@pytest.mark.parametrize("photometric", [2, 6])
def test_jpeg_tiles_are_of_the_colours_that_the_tiff_says(photometric: int) -> None:
    """RGB or YCbCr, with nothing in the tiles themselves that tells them apart; the last tiles stand out."""
    image = np.pad(smooth(40, 60), ((0, 8), (0, 4), (0, 0)), mode="edge")
    tiles = []
    for y, x in itertools.product(range(0, 48, 16), range(0, 64, 32)):
        stream = io.BytesIO()
        part = Image.fromarray(image[y : y + 16, x : x + 32])
        part.save(stream, "JPEG", quality=97, subsampling=0, keep_rgb=photometric == 2)
        data = stream.getvalue()
        tables = data.index(b"\xff\xdb")
        tiles.append(data[:2] + data[tables:])
    whole = in_tiles(tiles, photometric)
    assert np.abs(read_thrice(whole).values.astype(int) - smooth(40, 60)).max() <= 6
    low = in_tiles(
        [tiles[0].replace(b"\xff\xc0\0\x11\x08\0\x10", b"\xff\xc0\0\x11\x08\0\x08"), *tiles[1:]], photometric
    )
    assert low != whole
    assert "another size" in refusal(low)
    assert "not as many strips" in refusal(in_tiles(tiles[:-1], photometric))


def in_tiles(tiles: list[bytes], photometric: int) -> bytes:
    """A TIFF of 60 x 40 pixels in JPEG tiles of 32 x 16."""
    places = [16 + sum(map(len, tiles[:number])) for number in range(len(tiles))]
    tags = {256: 60, 257: 40, 258: (8, 8, 8), 259: 7, 262: photometric, 277: 3, 284: 1, 322: 32, 323: 16}
    tags |= {324: tuple(places), 325: tuple(map(len, tiles))}
    data = b"II" + bytes(14) + b"".join(tiles)
    return with_directory(data + bytes(len(data) % 2), tags, "<", False)


def test_opencv_wrote_lzw_with_differences() -> None:
    """Real LZW, of another writer, whose dictionary grows."""
    for samples in (noise(16, 3, size=(90, 120)), noise(8, 3, size=(90, 120)), smooth(90, 120).astype(np.uint16) * 257):
        options = [cv2.IMWRITE_TIFF_COMPRESSION, 5, cv2.IMWRITE_TIFF_PREDICTOR, 2]
        data = cv2.imencode(".tiff", samples[:, :, ::-1], options)[1].tobytes()
        np.testing.assert_array_equal(read_thrice(data).values, samples)


@pytest.mark.parametrize(
    ("tags", "word"),
    [
        ({259: 4}, "fax compression"),
        ({259: 50000}, "Zstandard"),
        ({259: 6}, "old-style JPEG"),
        ({259: 12345}, "compression 12345"),
        ({258: (10, 10, 10)}, "10 bits"),
        ({258: (8, 8, 4)}, "different bits (4, 8)"),
        ({262: 6}, "YCbCr colours without JPEG"),
        ({262: 8}, "photometric interpretation 8"),
        ({262: 1}, "3 samples a pixel"),
        ({339: (2, 2, 2)}, "signed"),
        ({258: (32, 32, 32)}, "32-bit"),
        ({259: 5, 317: 3}, "predictor 3"),
    ],
)
def test_other_layouts_are_refused_with_a_way_out(tags: dict[int, Any], word: str) -> None:
    text = refusal(tiff(noise(8, 3), 8, RGB, tags=tags))
    assert word in text
    assert "save it" in text


def test_thumbnails_are_no_frames() -> None:
    first, second = noise(8, 3), noise(8, 3, 1, (10, 12))
    for subfile, taken in ((1, True), (0, False), (2, False)):
        stream = io.BytesIO()
        with tifffile.TiffWriter(stream) as writer:
            writer.write(first, photometric="rgb")
            writer.write(second, photometric="rgb", subfiletype=subfile)
        if taken:
            np.testing.assert_array_equal(read_thrice(stream.getvalue()).values, first)
        else:
            assert "several frames" in refusal(stream.getvalue())


def test_a_circle_of_pages_ends() -> None:
    data = bytearray(tiff(noise(8, 1), 8, BLACK_IS_ZERO, tags={254: 1}))
    offset = int.from_bytes(data[4:8], "little")
    after = offset + 2 + 12 * int.from_bytes(data[offset : offset + 2], "little")
    data[after : after + 4] = data[4:8]
    assert "circle" in refusal(bytes(data))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_strip_that_holds_too_little_is_refused(compression: str) -> None:
    samples = noise(8, 3)
    whole = tiff(samples, 8, RGB, compression=compression)
    short = tiff(samples[:-5], 8, RGB, compression=compression, tags={257: len(samples)})
    np.testing.assert_array_equal(read_thrice(whole).values, samples)
    assert "damaged or truncated" in refusal(short)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_a_damaged_tiff_never_shows_what_it_does_not_hold(data: st.DataObject) -> None:
    """Refused, or the same pixels at every reading, whatever memory held before."""
    bits = data.draw(st.sampled_from([1, 8, 12, 16]))
    compression = data.draw(st.sampled_from(sorted(COMPRESSIONS)))
    predictor = bits in (8, 16) and compression in ("lzw", "deflate") and data.draw(st.booleans())
    tile = data.draw(st.sampled_from([None, (16, 16)]))
    separate = data.draw(st.booleans())
    samples = noise(bits, 3, size=(20, 30))
    whole = tiff(samples, bits, RGB, compression=compression, separate=separate, tile=tile, predictor=predictor)
    try:
        read_thrice(damaged(whole, data))
    except ImageError as error:
        assert "\n" not in str(error)


@pytest.mark.skipif(not (CASES / "planar16.tif").exists(), reason="no folder of cases next to LEUKOFLOW_DATA")
def test_the_case_of_separate_planes() -> None:
    truth = np.asarray(Image.open(CASES / "planar16_truth.png").convert("RGB")).astype(int)
    picture = read_thrice((CASES / "planar16.tif").read_bytes()).picture()
    assert np.abs(picture - truth).max() <= 1


def test_separate_planes_as_tifffile_writes_them() -> None:
    deep = noise(16, 3, size=(120, 130))
    stream = io.BytesIO()
    tifffile.imwrite(stream, deep.transpose(2, 0, 1), photometric="rgb")
    np.testing.assert_array_equal(read_thrice(stream.getvalue()).values, deep)
    np.testing.assert_array_equal(read_bytes_image(stream.getvalue(), LIMIT), np.rint(deep / 257))
