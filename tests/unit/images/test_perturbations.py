"""Changes of pictures against independent computations, and what must hold for all of them."""

import io
import math

import numpy as np
import pytest
from PIL import Image, ImageEnhance
from scipy import ndimage
from skimage import color, data, util

from leukoflow.config.robustness import Robustness
from leukoflow.core.seeding import generator
from leukoflow.images import perturbations
from leukoflow.images.perturbations import FAMILIES, changes_of, disc, stain_mixing

NEUTRAL = dict.fromkeys(FAMILIES, 0.0) | {"resolution": 1.0}
MILD_TO_STRONG = {name: tuple(getattr(Robustness(), name)) for name in FAMILIES}


@pytest.fixture(scope="module")
def smears() -> np.ndarray:
    """Four stained fields of 96 x 96 pixels (scikit-image's picture of a tissue in haematoxylin and DAB)."""
    whole = data.immunohistochemistry()
    return np.stack([whole[top : top + 96, left : left + 96] for top in (0, 200) for left in (50, 300)])


def changed(name: str, images: np.ndarray, level: float, seed: int = 1) -> np.ndarray:
    return FAMILIES[name](images, level, generator(seed, name))


@pytest.mark.parametrize("name", [name for name in FAMILIES if name != "jpeg"])
def test_nothing_changes_at_the_neutral_level(name: str, smears: np.ndarray) -> None:
    assert np.array_equal(changed(name, smears, NEUTRAL[name]), smears)


@pytest.mark.parametrize("name", FAMILIES)
def test_same_seed_same_pixels_and_the_input_stays(name: str, smears: np.ndarray) -> None:
    before, level = smears.copy(), MILD_TO_STRONG[name][-1]
    first = changed(name, smears, level)
    assert first.dtype == np.uint8 and first.shape == smears.shape
    assert np.array_equal(first, changed(name, smears, level)) and np.array_equal(smears, before)
    random = name in ("gaussian_noise", "salt_pepper", "occlusion", "rotation")
    assert np.array_equal(first, changed(name, smears, level, seed=2)) != random
    assert np.array_equal(first[1:2], changed(name, smears[1:2], level)) or random


@pytest.mark.parametrize("name", FAMILIES)
def test_stronger_levels_change_more(name: str, smears: np.ndarray) -> None:
    levels = [level for level in MILD_TO_STRONG[name] if level > 0]
    distances = [np.abs(changed(name, smears, level).astype(float) - smears).mean() for level in levels]
    assert all(np.diff(distances) > 0), distances
    if min(MILD_TO_STRONG[name]) < 0:
        below = [level for level in MILD_TO_STRONG[name] if level < 0]
        assert all(np.diff([np.abs(changed(name, smears, level).astype(float) - smears).mean() for level in below]) < 0)


def test_noise_has_the_variance_of_scikit_image() -> None:
    grey = np.full((2, 128, 128, 3), 128, np.uint8)
    noisy = changed("gaussian_noise", grey, 0.01).astype(float) / 255
    expected = util.random_noise(grey / 255, "gaussian", rng=1, var=0.01)
    assert noisy.var() == pytest.approx(expected.var(), rel=0.03) and noisy.mean() == pytest.approx(128 / 255, abs=1e-3)


def test_salt_and_pepper_hits_the_share_of_pixels_in_all_channels(smears: np.ndarray) -> None:
    grey = np.full((4, 128, 128, 3), 128, np.uint8)
    peppered = changed("salt_pepper", grey, 0.1)
    assert np.array_equal(peppered.min(3), peppered.max(3))
    shares = [(peppered[..., 0] == level).mean() for level in (0, 255)]
    assert shares == pytest.approx([0.05, 0.05], abs=0.004)


def test_gaussian_blur_is_that_of_scipy(smears: np.ndarray) -> None:
    after = changed("gaussian_blur", smears, 3.0)
    sigma = 3.0 * 96 / 224
    for image, blurred in zip(smears, after, strict=True):
        expected = ndimage.gaussian_filter(image.astype(float), (sigma, sigma, 0), mode="reflect", truncate=4.0)
        assert np.abs(blurred - expected).max() < 1.6


def test_defocus_is_the_convolution_with_a_disc(smears: np.ndarray) -> None:
    kernel = disc(3.0 * 96 / 224)
    assert kernel.sum() == pytest.approx(1, abs=1e-6) and np.array_equal(kernel, kernel.T)
    after = changed("defocus", smears, 3.0)
    for channel in range(3):
        expected = ndimage.convolve(smears[0, ..., channel].astype(float), kernel.astype(float), mode="reflect")
        assert np.abs(after[0, ..., channel] - expected).max() < 1.01
    wide = disc(40.0)
    assert (wide > 0).sum() == pytest.approx(math.pi * 40.5**2, rel=0.02)


def test_resolution_is_block_means_enlarged(smears: np.ndarray) -> None:
    after = changed("resolution", smears, 0.25)
    blocks = smears[0].reshape(24, 4, 24, 4, 3).mean((1, 3))
    enlarged = Image.fromarray(np.rint(blocks).astype(np.uint8)).resize((96, 96), Image.Resampling.BILINEAR)
    assert np.abs(after[0].astype(int) - np.asarray(enlarged)).max() <= 2


def test_jpeg_is_that_of_pillow(smears: np.ndarray) -> None:
    stream = io.BytesIO()
    Image.fromarray(smears[0]).save(stream, "JPEG", quality=50, subsampling=2)
    expected = np.asarray(Image.open(stream)).astype(float)
    after = changed("jpeg", smears, 50)[0]
    assert np.abs(after - expected).mean() < 1 < np.abs(smears[0] - expected).mean()


def test_occlusion_covers_the_share_of_the_area(smears: np.ndarray) -> None:
    covered = changed("occlusion", np.full((8, 100, 100, 3), 7, np.uint8), 0.25)
    assert [(picture == perturbations.COVER).all(2).sum() for picture in covered] == [2500] * 8
    corners = {tuple(np.argwhere(picture[..., 0] != 7).min(0)) for picture in covered}
    assert len(corners) > 4


def test_rotation_is_that_of_pillow(smears: np.ndarray) -> None:
    after = changed("rotation", smears, 20.0)
    sides = generator(1, "rotation").choice((-1, 1), 4)
    inside = np.hypot(*(np.mgrid[:96, :96] - 47.5)) < 44  # away from borders, which Pillow does not reflect
    for image, turned, side in zip(smears, after, sides, strict=True):
        expected = np.asarray(Image.fromarray(image).rotate(20 * side, Image.Resampling.BILINEAR)).astype(float)
        assert np.abs(turned - expected)[inside].mean() < 1


@pytest.mark.parametrize("level", [-0.5, -0.25, 0.25, 0.5])
@pytest.mark.parametrize(
    ("name", "enhance"), [("brightness", ImageEnhance.Brightness), ("contrast", ImageEnhance.Contrast)]
)
def test_brightness_and_contrast_are_those_of_pillow(
    name: str, enhance: type, level: float, smears: np.ndarray
) -> None:
    after = changed(name, smears, level)
    expected = np.stack([np.asarray(enhance(Image.fromarray(image)).enhance(1 + level)) for image in smears])
    assert np.abs(after.astype(int) - expected).max() <= 1


def test_stain_shift_scales_the_stains_of_scikit_image(smears: np.ndarray) -> None:
    basis = np.linalg.inv(stain_mixing(0.3)) @ stain_mixing(0.3)
    assert np.allclose(basis, np.eye(3))
    values, vectors = np.linalg.eig(stain_mixing(0.3).T)
    assert np.sort(values) == pytest.approx([0.7, 1.0, 1.3])
    for value, stain in ((1.3, color.rgb_from_hed[0]), (0.7, color.rgb_from_hed[1])):
        vector = vectors[:, np.argmin(np.abs(values - value))]
        assert abs(vector @ stain) / np.linalg.norm(stain) == pytest.approx(1)
    # Colours mixed of the two stains alone, whose amounts scikit-image tells apart.
    amounts = np.random.default_rng(0).uniform(0.3, 0.9, (32, 32, 2))
    stains = color.rgb_from_hed[:2] / np.linalg.norm(color.rgb_from_hed[:2], axis=1, keepdims=True)
    image = np.rint(256 * np.exp(-amounts @ stains) - 1).astype(np.uint8)
    third = np.cross(*stains)
    unmix = np.linalg.inv(np.vstack([stains, third / np.linalg.norm(third)]))

    def told_apart(rgb: np.ndarray) -> np.ndarray:
        return color.separate_stains((rgb.astype(float) + 1) / 256, unmix)[..., :2]

    ratio = told_apart(changed("stain_shift", image[None], 0.3)[0]) / told_apart(image)
    assert np.median(ratio, (0, 1)) == pytest.approx([1.3, 0.7], abs=0.01)


def test_changes_are_none_first_and_an_empty_list_leaves_a_family_out(smears: np.ndarray) -> None:
    listed = changes_of(Robustness(jpeg=(), rotation=(5.0,)))
    assert listed[0].family == "none" and math.isnan(listed[0].level)
    assert np.array_equal(listed[0].apply(smears, generator(0)), smears)
    families = [change.family for change in listed]
    assert "jpeg" not in families and families.count("rotation") == 1
    turned = next(change for change in listed if change.family == "rotation")
    assert np.array_equal(turned.apply(smears, generator(3)), FAMILIES["rotation"](smears, 5.0, generator(3)))
