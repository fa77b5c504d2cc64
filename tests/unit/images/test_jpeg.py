"""JPEG variants against Pillow, and damaged ones with dirty memory."""

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from layouts import damaged, read_thrice
from PIL import Image

from leukoflow.images.io import ImageError

VARIANTS: dict[str, dict[str, Any]] = {
    "4:4:4": {"subsampling": "4:4:4"},
    "4:2:2": {"subsampling": "4:2:2"},
    "4:2:0": {"subsampling": "4:2:0"},
    "progressive": {"progressive": True},
    "restarts": {"restart_marker_blocks": 2},
    "restarts by row, progressive": {"restart_marker_rows": 1, "progressive": True},
    "RGB": {"keep_rgb": True},
}
FRAME, PROGRESSIVE, SCAN, END = b"\xff\xc0", b"\xff\xc2", b"\xff\xda", b"\xff\xd9"


def drawn(height: int = 61, width: int = 83) -> Image.Image:
    """Smooth, but without a symmetry."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([3 * x, 4 * y, 2 * x + y], axis=2).astype(np.uint8))


def jpeg(mode: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    drawn().convert(mode).save(stream, "JPEG", quality=88, **options)
    return stream.getvalue()


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_variants_equal_pillow(mode: str, variant: str) -> None:
    if variant == "RGB" and mode != "RGB":
        pytest.skip("of colours alone")
    data = jpeg(mode, **VARIANTS[variant])
    found = read_thrice(data)
    assert found.values.shape == ((61, 83) if mode == "L" else (61, 83, 3))
    np.testing.assert_array_equal(found.picture(), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ((FRAME + b"\0\x11\x08", FRAME + b"\0\x11\x0c"), "twelve bits"),
        ((FRAME, b"\xff\xc3"), "lossless coding"),
        ((FRAME, b"\xff\xc5"), "hierarchical coding"),
    ],
)
def test_rare_kinds_are_refused(change: tuple[bytes, bytes], why: str) -> None:
    data = jpeg("RGB").replace(*change, 1)
    with pytest.raises(ImageError, match="damaged or truncated"):
        read_thrice(data)
        raise AssertionError(why)


def test_nonsense_in_arithmetic_coding_is_the_same_every_time() -> None:
    assert read_thrice(jpeg("RGB").replace(FRAME, b"\xff\xc9", 1)).values.shape == (61, 83, 3)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("share", [0.0, 0.3, 0.9])
def test_a_scan_cut_short_shows_nothing_of_before(variant: str, share: float) -> None:
    """With an end marker put behind, libjpeg fills what is missing; what it read is as in the whole file."""
    data = jpeg("RGB", **VARIANTS[variant])
    start = data.index(SCAN) + 14
    cut = data[: start + int(share * (len(data) - start))] + END
    try:
        found = read_thrice(cut).values
    except ImageError:
        return
    whole = read_thrice(data).values
    assert found.shape == whole.shape
    if share == 0.9 and "progressive" not in variant:
        np.testing.assert_array_equal(found[:32], whole[:32])


@pytest.mark.parametrize("height", [1, 200, 255])
def test_a_frame_taller_than_its_scan(height: int) -> None:
    data = bytearray(jpeg("RGB"))
    at = data.index(FRAME)
    data[at + 5 : at + 7] = height.to_bytes(2, "big")
    found = read_thrice(bytes(data)).values
    assert found.shape == (height, 83, 3)
    np.testing.assert_array_equal(found[:48], read_thrice(jpeg("RGB")).values[: min(48, height)])


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_jpeg_never_shows_memory(data: st.DataObject) -> None:
    """Refused, or the same pixels at every reading, whatever memory held before."""
    mode = data.draw(st.sampled_from(["RGB", "L", "CMYK"]))
    variant = data.draw(st.sampled_from([each for each in sorted(VARIANTS) if each != "RGB"]))
    whole = jpeg(mode, **VARIANTS[variant])
    try:
        read_thrice(damaged(whole, data))
    except ImageError as error:
        assert "\n" not in str(error)
