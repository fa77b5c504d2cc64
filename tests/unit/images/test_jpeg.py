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
KINDS = [(mode, variant) for mode in ("RGB", "L", "CMYK") for variant in VARIANTS if variant != "RGB" or mode == "RGB"]
FRAME, SCAN, END = b"\xff\xc0", b"\xff\xda", b"\xff\xd9"


def drawn(height: int = 61, width: int = 83) -> Image.Image:
    """Smooth, but without a symmetry."""
    y, x = np.mgrid[:height, :width]
    return Image.fromarray(np.stack([3 * x, 4 * y, 2 * x + y], axis=2).astype(np.uint8))


def jpeg(mode: str, **options: Any) -> bytes:
    stream = io.BytesIO()
    drawn().convert(mode).save(stream, "JPEG", quality=88, **options)
    return stream.getvalue()


@pytest.mark.parametrize(("mode", "variant"), KINDS)
def test_variants_equal_pillow(mode: str, variant: str) -> None:
    data = jpeg(mode, **VARIANTS[variant])
    read = read_thrice(data)
    assert read.values.shape == ((61, 83) if mode == "L" else (61, 83, 3))
    np.testing.assert_array_equal(read.picture(), np.asarray(Image.open(io.BytesIO(data)).convert("RGB")))


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


@pytest.mark.parametrize(("mode", "variant"), [pair for pair in KINDS if pair[0] != "CMYK"])
@pytest.mark.parametrize("share", [0.0, 0.3, 0.6, 0.9])
def test_a_scan_cut_short_is_refused(mode: str, variant: str, share: float) -> None:
    """Although an end marker was put behind. Of a progressive one, a part may be the whole picture, less sharp."""
    data = jpeg(mode, **VARIANTS[variant])
    start = data.index(SCAN) + 14
    cut = data[: start + int(share * (len(data) - start))] + END
    if "progressive" in variant:
        try:
            assert read_thrice(cut).values.shape == read_thrice(data).values.shape
        except ImageError as error:
            assert "truncated" in str(error)
        return
    with pytest.raises(ImageError, match="data end before its last block"):
        read_thrice(cut)


@pytest.mark.parametrize("variant", VARIANTS)
def test_a_grey_corner_is_no_damage(variant: str) -> None:
    stream = io.BytesIO()
    picture = np.asarray(drawn()).copy()
    picture[32:, 48:] = 128
    Image.fromarray(picture).save(stream, "JPEG", quality=95, **VARIANTS[variant])
    read = read_thrice(stream.getvalue()).values
    assert (read[-8:, -8:] == 128).all()
    np.testing.assert_array_equal(read, np.asarray(Image.open(io.BytesIO(stream.getvalue()))))


@pytest.mark.parametrize(("height", "whole"), [(1, True), (40, True), (200, False), (255, False)])
def test_a_frame_of_another_height_than_its_scan(height: int, whole: bool) -> None:
    data = bytearray(jpeg("RGB"))
    at = data.index(FRAME)
    data[at + 5 : at + 7] = height.to_bytes(2, "big")
    if whole:
        np.testing.assert_array_equal(
            read_thrice(bytes(data)).values[:32], read_thrice(jpeg("RGB")).values[:height][:32]
        )
    else:
        with pytest.raises(ImageError, match="truncated"):
            read_thrice(bytes(data))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_damaged_jpeg_never_shows_memory(data: st.DataObject) -> None:
    """Refused, or the same pixels at every reading, whatever memory held before."""
    mode = data.draw(st.sampled_from(["RGB", "L", "CMYK"]))
    variant = data.draw(st.sampled_from([name for name in sorted(VARIANTS) if name != "RGB"]))
    whole = jpeg(mode, **VARIANTS[variant])
    try:
        read_thrice(damaged(whole, data))
    except ImageError as error:
        assert "\n" not in str(error)
