"""Masks of every coding and depth are brought to the same form, and what is not listed is named.

Files are written by Pillow and OpenCV and read as the step `annotate` reads them.
"""

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from pydantic import ValidationError

from leukoflow.cells.labels import BACKGROUND, CELL, CYTOPLASM, NUCLEUS, UNKNOWN, fit_map, parts_of
from leukoflow.cells.masks import MaskError, decode_mask, in_terms_of, infer_codes, known
from leukoflow.config.masks import Masks
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.geometry import letterbox
from leukoflow.images.io import ImageError, read_samples, went_through_jpeg

TRUTH = np.zeros((24, 32), np.uint8)
TRUTH[4:20, 6:26] = CYTOPLASM
TRUTH[8:16, 10:20] = NUCLEUS
CELLS = np.where(TRUTH > 0, CELL, BACKGROUND)
GREYS = Masks(path="x", nucleus=(255,), cytoplasm=(128,))
FOREGROUND, IDS = Masks(path="x", coding="foreground"), Masks(path="x", coding="ids")
INSTANCES = Masks(path="x", coding="instances")
CASES = Path(os.environ.get("LEUKOFLOW_DATA", "/nowhere")).parent / "cases"
with_cases = pytest.mark.skipif(not CASES.is_dir(), reason="the folder cases is not next to LEUKOFLOW_DATA")


def decoded(path: Path, masks: Masks, shape: tuple[int, int] = (24, 32)) -> tuple[np.ndarray, np.ndarray | None]:
    data = path.read_bytes()
    return decode_mask(read_samples(data, 10**7), masks, shape, went_through_jpeg(data))


def parts(path: Path, masks: Masks, shape: tuple[int, int] = (24, 32)) -> np.ndarray:
    return decoded(path, masks, shape)[0]


def write(path: Path, mask: np.ndarray, **options: Any) -> Path:
    Image.fromarray(mask).save(path, **options)
    return path


def painted(colours: dict[int, tuple[int, int, int]]) -> np.ndarray:
    mask = np.zeros((*TRUTH.shape, 3), np.uint8)
    for part, colour in colours.items():
        mask[part == TRUTH] = colour
    return mask


def field(radius: int, levels: tuple[int, int, int], side: int = 160) -> tuple[np.ndarray, np.ndarray]:
    """Truth and mask of a grid of round cells with nuclei."""
    truth = np.zeros((side, side), np.uint8)
    for y in range(16, side, 32):
        for x in range(17, side, 32):
            cv2.circle(truth, (x, y), radius, [CYTOPLASM], -1)
            cv2.circle(truth, (x, y), radius // 2, [NUCLEUS], -1)
    return truth, np.array(levels, np.uint8)[truth]


def test_grey_levels(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.array([0, 128, 255], np.uint8)[TRUTH])
    np.testing.assert_array_equal(parts(path, GREYS), TRUTH)


def test_colours(tmp_path: Path) -> None:
    masks = Masks(path="x", nucleus=("#ff0000",), cytoplasm=("#00ff00",), background=("#0000ff",))
    exact = painted({BACKGROUND: (0, 0, 255), CYTOPLASM: (0, 255, 0), NUCLEUS: (255, 0, 0)})
    np.testing.assert_array_equal(parts(write(tmp_path / "a.png", exact), masks), TRUTH)
    np.testing.assert_array_equal(parts(write(tmp_path / "a.bmp", exact), masks), TRUTH)
    deep = cv2.imwrite(str(tmp_path / "deep.png"), exact[:, :, ::-1].astype(np.uint16) * 257)
    assert deep
    np.testing.assert_array_equal(parts(tmp_path / "deep.png", masks), TRUTH)


@pytest.mark.parametrize("radius", [6, 9, 13])
@pytest.mark.parametrize("quality", [75, 90])
def test_a_jpegs_pixels_take_the_nearest_code(tmp_path: Path, radius: int, quality: int) -> None:
    truth, mask = field(radius, (0, 128, 255))
    path = write(tmp_path / "a.jpg", mask, quality=quality)
    assert (parts(path, GREYS, truth.shape) != truth).mean() < 0.001
    # A code that was forgotten is not taken for its neighbour. Of the mask are stray: all pixels far from a code.
    raw = np.asarray(Image.open(path)).astype(int)
    for masks, levels in (
        (Masks(path="x", cell=(255,)), (0, 255)),
        (Masks(path="x", cell=(128,)), (0, 128)),
    ):
        stray = (np.abs(raw[..., None] - np.array(levels)).min(axis=2) > 12).mean()
        with pytest.raises(MaskError, match=rf"^{stray:.1%} of the mask has codes that masks does not list"):
            parts(path, masks, truth.shape)


def test_a_jpeg_within_a_tiff_is_one(tmp_path: Path) -> None:
    truth, mask = field(9, (0, 128, 255))
    lossy = write(tmp_path / "a.tif", mask, compression="jpeg", quality=75)
    plain = write(tmp_path / "b.tif", mask, compression="tiff_lzw")
    assert went_through_jpeg(lossy.read_bytes()) and not went_through_jpeg(plain.read_bytes())
    assert (parts(lossy, GREYS, truth.shape) != truth).mean() < 0.001
    np.testing.assert_array_equal(parts(plain, GREYS, truth.shape), truth)


def test_a_jpeg_that_cannot_say_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jpg", TRUTH)
    with pytest.raises(MaskError, match="cannot tell codes apart that are 1 levels"):
        parts(path, Masks(path="x", cytoplasm=(1,), nucleus=(2,)))
    with pytest.raises(MaskError, match="no listed code is"):
        parts(path, Masks(path="x", cell=(255,)))
    with pytest.raises(MaskError, match="a JPEG with no level above"):
        parts(path, FOREGROUND)
    for masks in (IDS, INSTANCES):
        with pytest.raises(MaskError, match="a JPEG cannot tell cells apart"):
            parts(path, masks)
    # An empty one says that it is empty.
    blank = write(tmp_path / "blank.jpg", np.zeros_like(TRUTH))
    assert not parts(blank, FOREGROUND).any() and not parts(blank, GREYS).any()


@pytest.mark.parametrize("level", [1, 2, 5, 12, 20, 21, 128, 254])
def test_a_code_means_itself_alone_in_a_file_without_loss(tmp_path: Path, level: int) -> None:
    """Levels 0 and 1 are not 0 and 255: such a mask must not be empty without a word."""
    path = write(tmp_path / "a.png", np.where(TRUTH > 0, level, 0).astype(np.uint8))
    share = (TRUTH > 0).mean()
    with pytest.raises(MaskError, match=rf"^{share:.1%} of the mask has codes .* most of it {level};"):
        parts(path, Masks(path="x", cell=(255,)))
    np.testing.assert_array_equal(parts(path, Masks(path="x", cell=(level,))), CELLS)
    np.testing.assert_array_equal(parts(path, FOREGROUND), CELLS)


def test_a_forgotten_code_of_few_pixels_is_named(tmp_path: Path) -> None:
    """Less than 2 % of a large field, but all of its nuclei."""
    large = np.pad(field(4, (0, 1, 2))[1], 200)
    assert (large == 2).mean() < 0.005
    path = write(tmp_path / "a.png", large)
    with pytest.raises(MaskError, match="most of it 2;"):
        parts(path, Masks(path="x", cytoplasm=(1,)), large.shape)


def test_ids_in_a_wide_field_are_no_codes(tmp_path: Path) -> None:
    """Each of them has few pixels, and all together less than 2 %."""
    _, labels, _, _ = cv2.connectedComponentsWithStats(np.pad(field(4, (0, 1, 1))[1], 200))
    assert labels.max() == 25 and (labels > 0).mean() < 0.01
    path = write(tmp_path / "a.png", (40 * labels).astype(np.uint16))
    with pytest.raises(MaskError, match="codes that masks does not list"):
        parts(path, Masks(path="x", cell=(255,)), labels.shape)


def test_blended_outlines_take_the_nearest_code(tmp_path: Path) -> None:
    smooth = cv2.GaussianBlur(np.pad(np.full((60, 60), 255, np.uint8), 100), (0, 0), 0.7)
    codes = parts(write(tmp_path / "a.png", smooth), Masks(path="x", cell=(255,)), smooth.shape)
    np.testing.assert_array_equal(codes > 0, smooth > 127)


@pytest.mark.parametrize(
    ("levels", "depth"),
    [((0, 1, 2), np.uint8), ((0, 300, 40000), np.uint16), ((0, 256, 512), np.uint16), ((0, 65535, 1), np.uint16)],
)
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_any_depth(tmp_path: Path, levels: tuple[int, int, int], depth: type, suffix: str) -> None:
    path = write(tmp_path / f"a.{suffix}", np.array(levels, depth)[TRUTH])
    masks = Masks(path="x", cytoplasm=(levels[1],), nucleus=(levels[2],))
    np.testing.assert_array_equal(parts(path, masks), TRUTH)
    np.testing.assert_array_equal(parts(path, FOREGROUND), CELLS)


@pytest.mark.parametrize(("suffix", "code"), [("png", 1), ("png", 255), ("tif", 1), ("tif", 255), ("bmp", 255)])
def test_one_bit(tmp_path: Path, code: int, suffix: str) -> None:
    """Some call its white 1, some 255; a BMP has a palette of greys, which says 255."""
    path = write(tmp_path / f"a.{suffix}", TRUTH > 0)
    np.testing.assert_array_equal(parts(path, Masks(path="x", cell=(code,))), CELLS)
    np.testing.assert_array_equal(parts(path, FOREGROUND), CELLS)


def test_palettes_by_index_or_colour(tmp_path: Path) -> None:
    image = Image.fromarray(TRUTH).convert("P")
    image.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
    image.putdata(TRUTH.ravel().tolist())
    image.save(tmp_path / "a.png")
    by_index = Masks(path="x", cytoplasm=(1,), nucleus=(2,))
    by_colour = Masks(path="x", cytoplasm=("#800000",), nucleus=("#008000",))
    for masks in (by_index, by_colour):
        np.testing.assert_array_equal(parts(tmp_path / "a.png", masks), TRUTH)
    np.testing.assert_array_equal(parts(tmp_path / "a.png", FOREGROUND), CELLS)
    codes, labels = decoded(tmp_path / "a.png", IDS)
    np.testing.assert_array_equal(labels, 2 * TRUTH)
    np.testing.assert_array_equal(codes, CELLS)


def test_cells_without_nucleus_and_what_is_known(tmp_path: Path) -> None:
    path = write(tmp_path / "a.png", np.where(TRUTH > 0, 255, 0).astype(np.uint8))
    codes = parts(path, Masks(path="x", cell=(255,)))
    np.testing.assert_array_equal(codes, CELLS)
    codes[0] = UNKNOWN
    annotated, told_apart = known(codes)
    assert not annotated[0].any() and annotated[1:].all()
    np.testing.assert_array_equal(told_apart[1:], codes[1:] != CELL)


def test_instances(tmp_path: Path) -> None:
    levels = np.array([0, 6, 7], np.uint16)[TRUTH]
    codes, labels = decoded(write(tmp_path / "a.png", levels), INSTANCES)
    np.testing.assert_array_equal(codes, TRUTH)
    np.testing.assert_array_equal(labels, levels)
    np.testing.assert_array_equal(parts_of(levels), TRUTH)
    with pytest.raises(MaskError, match="use ids"):
        decoded(write(tmp_path / "b.png", TRUTH), INSTANCES)


@pytest.mark.parametrize("first", [1, 250, 30000, 65000])
def test_ids_of_whole_cells(tmp_path: Path, first: int) -> None:
    """Ids above 255, and so large that twice of them would not fit, are cells like others."""
    mask = np.zeros((24, 32), np.uint16)
    for number in range(30):
        mask[4 * (number // 8) : 4 * (number // 8) + 3, 4 * (number % 8) : 4 * (number % 8) + 3] = first + number
    codes, labels = decoded(write(tmp_path / "a.png", mask), IDS)
    assert labels is not None and len(np.unique(labels >> 1)) == 31
    assert all(len(np.unique(labels[mask == value])) == 1 for value in np.unique(mask))
    np.testing.assert_array_equal(codes > 0, mask > 0)
    assert set(np.unique(codes)) == {BACKGROUND, CELL}
    np.testing.assert_array_equal(parts(tmp_path / "a.png", FOREGROUND) > 0, mask > 0)


def test_instances_that_are_colours_or_too_deep_are_refused(tmp_path: Path) -> None:
    colours = write(tmp_path / "a.png", painted({CYTOPLASM: (9, 0, 0), NUCLEUS: (0, 9, 0)}))
    for masks in (IDS, INSTANCES):
        with pytest.raises(MaskError, match="this mask has colours"):
            decoded(colours, masks)
    grey = write(tmp_path / "grey.png", np.repeat(TRUTH[:, :, None] * 2, 3, axis=2))
    np.testing.assert_array_equal(decoded(grey, IDS)[1], 2 * TRUTH)
    Image.fromarray(TRUTH.astype(np.int32)).save(tmp_path / "deep.tif")
    with pytest.raises(ImageError):
        decoded(tmp_path / "deep.tif", IDS)


def test_foreground_of_a_picture_that_was_cut_out(tmp_path: Path) -> None:
    """Black is exact in a file without loss; in a JPEG, low levels are black too."""
    picture = painted({CYTOPLASM: (90, 60, 120), NUCLEUS: (60, 30, 90), BACKGROUND: (0, 0, 0)})
    np.testing.assert_array_equal(parts(write(tmp_path / "a.png", picture), FOREGROUND), CELLS)
    lossy = write(tmp_path / "a.jpg", picture, quality=75)
    raw = np.asarray(Image.open(lossy)).max(axis=2)
    assert raw[TRUTH == 0].any()  # not black everywhere
    foreground, near = parts(lossy, FOREGROUND) > 0, np.ones((5, 5), np.uint8)
    assert foreground[cv2.erode(TRUTH, near) > 0].all() and not foreground[cv2.dilate(TRUTH, near) == 0].any()
    picture[TRUTH == 0] = (3, 0, 5)
    with pytest.raises(MaskError, match="nothing in it is black"):
        parts(write(tmp_path / "b.png", picture), FOREGROUND)


def test_transparent_pixels_are_background(tmp_path: Path) -> None:
    rgba = np.full((*TRUTH.shape, 4), 255, np.uint8)
    rgba[:, :, 3] = np.where(TRUTH > 0, 255, 0)
    path = write(tmp_path / "a.png", rgba)
    for masks in (FOREGROUND, Masks(path="x", cell=(255,))):
        np.testing.assert_array_equal(parts(path, masks), CELLS)
    rgba[:, :, :3] = 0
    path = write(tmp_path / "b.png", rgba)
    for masks in (FOREGROUND, Masks(path="x", cell=(255,))):
        with pytest.raises(MaskError, match="transparency alone"):
            parts(path, masks)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_a_mask_is_turned_as_its_image(tmp_path: Path, orientation: int) -> None:
    """By its EXIF orientation: Pillow's own transpose is the reference."""
    exif = Image.Exif()
    exif[274] = orientation
    mask = np.array([0, 128, 255], np.uint8)[TRUTH]
    mask[0, 0] = 255
    path = write(tmp_path / "a.png", mask, exif=exif)
    from PIL import ImageOps

    upright = np.asarray(ImageOps.exif_transpose(Image.open(path)))
    codes = parts(path, GREYS, (upright.shape[0], upright.shape[1]))
    np.testing.assert_array_equal(np.array([0, 128, 255])[codes], upright)


@pytest.mark.parametrize("swapped", [False, True])
def test_codes_are_inferred_whatever_the_colours(tmp_path: Path, swapped: bool) -> None:
    """A nucleus is darker than its cytoplasm, and the border is background: colours alone decide nothing."""
    first, second = ((255, 0, 0), (0, 0, 255))[:: -1 if swapped else 1]
    path = write(tmp_path / "a.png", painted({BACKGROUND: (255, 255, 255), CYTOPLASM: first, NUCLEUS: second}))
    image = np.array([230, 150, 60], np.uint8)[TRUTH][:, :, None].repeat(3, axis=2)
    unknown = Masks(path="x", coding="inferred")
    raw = in_terms_of(read_samples(path.read_bytes(), 10**6), unknown)
    masks = infer_codes([(image, raw)] * 3, "demo")
    np.testing.assert_array_equal(parts(path, masks), TRUTH)


def test_what_cannot_be_used_is_named(tmp_path: Path) -> None:
    grey = write(tmp_path / "grey.png", np.array([0, 77, 255], np.uint8)[TRUTH])
    with pytest.raises(MaskError, match="most of it 77; add them"):
        parts(grey, GREYS)
    with pytest.raises(MaskError, match=r"the mask is 32 x 24, its image 10 x 12"):
        parts(grey, GREYS, (12, 10))
    with pytest.raises(LeukoFlowError, match="demo: its masks hold 1 common codes"):
        infer_codes([(np.zeros((24, 32, 3), np.uint8), np.zeros((24, 32), np.uint8))], "demo")


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({}, "needs grey levels or colours"),
        ({"nucleus": (65536,)}, "no grey level"),
        ({"nucleus": (-1,)}, "no grey level"),
        ({"nucleus": ("red",)}, "write it as"),
        ({"nucleus": (255,), "cytoplasm": (255,)}, "two things"),
        ({"nucleus": (0,)}, "two things"),
    ],
)
def test_codes_are_checked(keys: dict, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Masks(path="masks/{stem}.png", **keys)


@pytest.mark.parametrize("shape", [(24, 32), (40, 20), (16, 16)])
def test_maps_lie_on_their_letterboxed_images(shape: tuple[int, int]) -> None:
    mask = np.zeros(shape, np.uint16)
    mask[shape[0] // 4 : -shape[0] // 4, shape[1] // 4 : -shape[1] // 4] = 7
    image = np.where(mask[:, :, None] > 0, 40, 240).astype(np.uint8).repeat(3, axis=2)
    fitted, picture = fit_map(mask, 64), letterbox(image, 64)
    assert fitted.shape == (64, 64) and set(np.unique(fitted)) == {0, 7}
    assert ((picture[:, :, 0] < 140) != (fitted > 0)).mean() < 0.04


@with_cases
def test_the_cases() -> None:
    shape = (128, 128)
    for name in ("field_mask_0_1.png", "field_mask_0_1_2.png"):
        assert np.count_nonzero(parts(CASES / name, FOREGROUND, shape)) == 1373
    _, labels = decoded(CASES / "ids_1_to_30.png", IDS, shape)
    assert labels is not None and len(np.unique(labels)) == 31
    assert cv2.connectedComponents(parts(CASES / "ids_1_to_30.png", FOREGROUND, shape))[0] == 31
    codes = parts(CASES / "field_mask_q75.jpg", GREYS, (120, 120))
    raw = np.asarray(Image.open(CASES / "field_mask_q75.jpg")).astype(int)
    np.testing.assert_array_equal(codes, np.abs(raw[..., None] - [0, 128, 255]).argmin(axis=2))
    turned = parts(CASES / "upside_down_mask.png", GREYS, shape)
    upright = np.asarray(Image.open(CASES / "field_mask_0_1_2.png"))
    np.testing.assert_array_equal(turned > 0, upright > 0)


@pytest.mark.skipif("LEUKOFLOW_DATA" not in os.environ, reason="LEUKOFLOW_DATA is not set")
def test_real_masks() -> None:
    root = Path(os.environ["LEUKOFLOW_DATA"])
    zheng, image = root / "zheng_wbc/masks/001.png", cv2.imread(str(root / "zheng_wbc/images/001.png"))
    listed = parts(zheng, GREYS, image.shape[:2])
    assert set(np.unique(listed)) == {BACKGROUND, CYTOPLASM, NUCLEUS}
    pairs = [
        (
            cv2.imread(str(root / f"zheng_wbc/images/{n:03d}.png"))[:, :, ::-1],
            cv2.imread(str(root / f"zheng_wbc/masks/{n:03d}.png"), cv2.IMREAD_UNCHANGED),
        )
        for n in range(1, 20)
    ]
    np.testing.assert_array_equal(parts(zheng, infer_codes(pairs, "zheng"), image.shape[:2]), listed)
    for path in sorted((root / "bcisc/masks").iterdir())[:20]:
        raw = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        codes = parts(path, Masks(path="x", cell=(255,)), raw.shape)
        np.testing.assert_array_equal(codes > 0, raw > 0)
