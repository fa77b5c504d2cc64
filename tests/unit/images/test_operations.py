"""Operations of views against independent implementations, and chains of them."""

import json

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError
from scipy import ndimage
from skimage import color, filters, measure, morphology
from sklearn.cluster import KMeans

from leukoflow.config.views import PRESETS, Adaptive, Enhance, Hsv, Kmeans, Multiscale, Operation, Otsu, View
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.foreground import WHITE, background_colour
from leukoflow.core.picture import Picture, Raster
from leukoflow.images import operations
from leukoflow.images.views import before_cells, render_view, through

GROUND, RED, PURPLE = (238, 232, 236), (214, 168, 172), (104, 66, 150)
WHITE_CELLS = [(50, 60), (150, 70), (100, 170)]


def smear(noise: float = 3.0) -> np.ndarray:
    """Red discs, purple ones and light noise on a bright ground, 224 x 224."""
    image = np.full((224, 224, 3), GROUND, np.float32)
    for centre in [(20, 120), (200, 30), (190, 150), (40, 200), (110, 30)]:
        cv2.circle(image, centre, 11, RED, -1)
    for centre in WHITE_CELLS:
        cv2.circle(image, centre, 18, PURPLE, -1)
    image = cv2.GaussianBlur(image, (5, 5), 1)
    return np.clip(image + np.random.default_rng(0).normal(0, noise, image.shape), 0, 255).astype(np.uint8)


def nuclei() -> np.ndarray:
    mask = np.zeros((224, 224), np.uint8)
    for centre in WHITE_CELLS:
        cv2.circle(mask, centre, 18, 1, -1)
    return mask.astype(bool)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def made(name: str, image: np.ndarray, **keys: object) -> np.ndarray:
    step = TypeAdapter(Operation).validate_python({"do": name, **keys})
    return operations.apply(step, Raster(image))


def cleaned(mask: np.ndarray, least: float) -> np.ndarray:
    filled = ndimage.binary_fill_holes(mask)
    return morphology.remove_small_objects(filled, max_size=int(np.ceil(least * mask.size)) - 1, connectivity=2)


def test_reinhard_in_rgb_gives_the_constants() -> None:
    image = made("reinhard_rgb", smear(8), mean=(120, 130, 140), sd=(20, 15, 10))
    mean, sd = image.reshape(-1, 3).mean(0), image.reshape(-1, 3).std(0)
    assert mean == pytest.approx((120, 130, 140), abs=1.5) and sd == pytest.approx((20, 15, 10), abs=1)


def smaller(image: np.ndarray) -> np.ndarray:
    kernel = np.array([1, 4, 6, 4, 1]) / 16
    for axis in (0, 1):
        image = ndimage.convolve1d(image, kernel, axis=axis, mode="mirror")
    return image[::2, ::2]


def larger(image: np.ndarray) -> np.ndarray:
    """As OpenCV: zeros between the pixels, the same kernel times 4; its border differs by a pixel or two."""
    twice = np.zeros((2 * image.shape[0], 2 * image.shape[1], *image.shape[2:]))
    twice[::2, ::2] = image
    kernel = np.array([1, 4, 6, 4, 1]) / 8
    for axis in (0, 1):
        twice = ndimage.convolve1d(twice, kernel, axis=axis, mode="mirror")
    return twice


def test_multiscale_is_the_blend_of_a_gaussian_pyramid() -> None:
    image = smear()
    levels = [image.astype(float)]
    for _ in range(2):
        levels.append(smaller(levels[-1]))
    expected = levels[2]
    for level in (levels[1], levels[0]):
        expected = 0.6 * larger(expected) + 0.4 * level
    ours = operations.apply(Multiscale(), Raster(image)).astype(float)
    assert np.abs(ours - expected)[8:-8, 8:-8].max() < 2.5
    assert ours.std() < image.std(), "it blurs"


def test_enhancement_multiplies_detail_and_nothing_else() -> None:
    image = smear()
    assert np.array_equal(operations.apply(Enhance(gain=1), Raster(image)), image)
    flat = np.full((64, 64, 3), 77, np.uint8)
    assert np.array_equal(operations.apply(Enhance(gain=3), Raster(flat)), flat)
    levels = [image.astype(float)]
    for _ in range(2):
        levels.append(smaller(levels[-1]))
    expected = levels[2]
    for level, coarser in ((levels[1], levels[2]), (levels[0], levels[1])):
        expected = larger(expected) + 1.5 * (level - larger(coarser))
    ours = operations.apply(Enhance(), Raster(image)).astype(float)
    assert np.abs(ours - expected.clip(0, 255))[8:-8, 8:-8].max() < 1.0


@pytest.mark.parametrize("size", [1, 2, 3, 17])
def test_pyramids_of_small_pictures(size: int) -> None:
    image = np.random.default_rng(1).integers(0, 256, (size, size, 3), np.uint8)
    for step in (Multiscale(levels=6), Enhance(levels=6)):
        assert operations.apply(step, Raster(image)).shape == image.shape


def test_denoising_flattens_noise_and_keeps_edges() -> None:
    image = np.full((96, 96, 3), 200, np.float32)
    image[:, 48:] = 100
    noisy = np.clip(image + np.random.default_rng(0).normal(0, 6, image.shape), 0, 255).astype(np.uint8)
    ours = made("denoise", noisy, strength=10)
    assert ours[8:-8, 8:40].std(axis=(0, 1)).max() < noisy[8:-8, 8:40].std(axis=(0, 1)).min() / 3
    assert np.abs(ours[:, 44:47].mean() - 200) < 4 and np.abs(ours[:, 49:52].mean() - 100) < 4


def test_edges_are_the_laplacian_of_the_blurred_picture() -> None:
    image = smear()
    weights = np.exp(-(np.arange(-2, 3.0) ** 2) / (2 * 1.5**2))
    blurred = image.astype(float)
    for axis in (0, 1):
        blurred = ndimage.convolve1d(blurred, weights / weights.sum(), axis=axis, mode="mirror")
    laplacian = ndimage.convolve(
        np.rint(blurred), np.array([[2, 0, 2], [0, -8, 0], [2, 0, 2]])[..., None], mode="mirror"
    )
    expected = (image + 0.5 * laplacian.clip(0, 255)).clip(0, 255)
    difference = np.abs(made("edge", image).astype(float) - expected)
    assert difference.mean() < 0.6 and np.percentile(difference, 99) <= 4  # the blur rounds to whole levels


def test_hsv_mask_is_that_of_scikit_image() -> None:
    image = smear()
    hsv = color.rgb2hsv(image)
    inside = (hsv[..., 0] >= 109.5 / 180) & (hsv[..., 0] <= 170.5 / 180) & (hsv[..., 1] >= 50 / 255)
    inside &= hsv[..., 2] >= 40 / 255
    expected = cleaned(ndimage.binary_opening(inside, np.ones((3, 3))), 0.003)
    ours = operations.hsv_mask(Hsv(), image)
    assert overlap(ours, expected) > 0.99 and overlap(ours, nuclei()) > 0.9


def test_kmeans_finds_the_nuclei_that_scikit_learn_finds() -> None:
    image = smear()
    lab = cv2.cvtColor(image, cv2.COLOR_RGB2LAB)
    labels = (
        KMeans(3, n_init=5, random_state=0).fit_predict(lab[..., 1:].reshape(-1, 2).astype(float)).reshape(224, 224)
    )
    darkest = min(range(3), key=lambda k: lab[..., 0][labels == k].mean())
    dark = lab[..., 0] <= filters.threshold_otsu(lab[..., 0])
    expected = cleaned(ndimage.binary_opening((labels == darkest) & dark, np.ones((3, 3))), 0.003)
    ours = operations.kmeans_mask(Kmeans(), image)
    assert overlap(ours, expected) > 0.97 and overlap(ours, nuclei()) > 0.85
    assert np.array_equal(ours, operations.kmeans_mask(Kmeans(), image))


def test_otsu_with_watershed_finds_dark_parts_one_by_one() -> None:
    image = smear()
    ours = operations.otsu_mask(Otsu(), image)
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    assert overlap(ours, cleaned(grey <= filters.threshold_otsu(grey), 0)) > 0.85
    assert measure.label(ours).max() == 3 and overlap(ours, nuclei()) > 0.85


def test_adaptive_threshold_finds_what_is_darker_than_its_surroundings() -> None:
    image = np.full((128, 128, 3), 220, np.uint8)
    cv2.circle(image, (40, 40), 4, (90, 60, 140), -1)
    cv2.circle(image, (90, 80), 4, (90, 60, 140), -1)
    ours = operations.adaptive_mask(Adaptive(), image)
    assert measure.label(ours).max() == 2 and ours[40, 40] and ours[80, 90] and ours.mean() < 0.02


@pytest.mark.parametrize("name", sorted(operations.OPERATIONS))
@pytest.mark.parametrize("shape", [(1, 1), (2, 5), (40, 40)])
@pytest.mark.parametrize("level", [0, 255, None])
def test_any_picture_comes_out_as_it_was_shaped(name: str, shape: tuple[int, int], level: int | None) -> None:
    random = np.random.default_rng(2)
    image = random.integers(0, 256, (*shape, 3), np.uint8) if level is None else np.full((*shape, 3), level, np.uint8)
    before = image.copy()
    ours = made(name, image)
    assert ours.shape == image.shape and ours.dtype == np.uint8 and np.array_equal(image, before)
    assert np.array_equal(ours, made(name, image))


@pytest.mark.parametrize("name", ["hsv", "kmeans", "otsu"])
def test_masks_show_the_picture_or_the_ground(name: str) -> None:
    image = smear()
    ours = made(name, image, ground=9)
    same = (ours == image).all(axis=2)
    assert (same | (ours == 9).all(axis=2)).all() and 0.01 < same.mean() < 0.6


def chain(*steps: object, **keys: object) -> View:
    return View.model_validate({"kind": "chain", "size": 224, "steps": list(steps), **keys})


def test_a_chain_does_one_operation_after_the_other() -> None:
    picture = Picture(Raster(smear()))
    both = render_view(picture, chain("grey", {"edge": {"amount": 1.0}}))
    grey = made("grey", smear())
    assert np.array_equal(both, made("edge", grey, amount=1.0))
    other = render_view(picture, chain({"edge": {"amount": 1.0}}, "grey"))
    assert not np.array_equal(both, other)


def test_white_takes_the_lamps_colour_away_and_goes_before_cells_are_cut_out() -> None:
    image = smear()
    yellow = np.clip(image * np.array([0.95, 0.9, 0.6]), 0, 255).astype(np.uint8)
    assert np.array_equal(background_colour(made("white", yellow)), [WHITE] * 3)
    near = np.abs(made("white", yellow).astype(int) - made("white", image).astype(int))
    assert np.quantile(near, 0.99) <= 4
    picture = Picture(Raster(yellow), None, 0.25, True)
    view = View.model_validate({"kind": "cells", "size": 40, "um_per_pixel": 0.25, "steps": ["white"]})
    assert np.array_equal(before_cells(picture, view).raster.pixels, made("white", yellow))
    plain = View.model_validate({"kind": "cells", "size": 40})
    assert before_cells(picture, plain) is picture
    centred = View.model_validate({"kind": "centred", "size": 40, "um_per_pixel": 0.5, "steps": ["white"]})
    assert np.array_equal(render_view(picture, centred), made("white", picture.centred(40, 0.5).raster.pixels))


def test_old_kinds_are_short_chains() -> None:
    picture, cells = Picture(Raster(smear())), nuclei().astype(np.uint16)
    for kind, steps in {
        "normalised": ("reinhard", "clahe"),
        "grey": ("grey",),
        "masked": ("cells",),
        "background": ({"cells": {"show": "background"}},),
    }.items():
        assert np.array_equal(
            render_view(picture, View(kind=kind, size=224), cells), render_view(picture, chain(*steps), cells)
        ), kind


def test_a_normalised_picture_can_be_segmented() -> None:
    picture, cells = Picture(Raster(smear())), nuclei().astype(np.uint16)
    ours = render_view(picture, chain("reinhard", "clahe", "cells"), cells)
    normalised = render_view(picture, View(kind="normalised", size=224))
    assert np.array_equal(ours[nuclei()], normalised[nuclei()]) and (ours[~nuclei()] == 255).all()


def test_changed_pictures_go_through_the_same_chain() -> None:
    view = chain("reinhard", "denoise", "hsv")
    assert np.array_equal(through(Raster(smear()), view.chain), render_view(Picture(Raster(smear())), view))


def test_scale_bars_stay_and_pictures_are_squeezed_if_asked() -> None:
    image = np.full((120, 200, 3), 230, np.uint8)
    image[100:104, 150:190] = 0
    bar = (150, 100, 190, 104)
    kept = render_view(Picture(Raster(image), bar), View(kind="plain", size=100, bar="kept"))
    removed = render_view(Picture(Raster(image), bar), View(kind="plain", size=100))
    assert kept.min() < 50 < 200 < removed.min()
    squeezed = render_view(Picture(Raster(image), bar), View(kind="plain", size=100, bar="kept", fit="squeeze"))
    assert np.array_equal(squeezed, cv2.resize(image, (100, 100), interpolation=cv2.INTER_AREA))
    gone = render_view(Picture(Raster(image), bar), View(kind="plain", size=100, fit="squeeze"))
    assert gone.min() > 200


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_chains_of_the_papers(name: str) -> None:
    view = View.model_validate({"kind": "chain", "size": 112, "steps": name})
    names = [next(iter(step)) if isinstance(step, dict) else step for step in PRESETS[name]]
    assert [step.do for step in view.chain] == names
    assert View.model_validate(json.loads(view.model_dump_json())) == view
    if view.target == "training":
        with pytest.raises(LeukoFlowError, match="stain of target training was not fitted"):
            render_view(Picture(Raster(smear())), view, nuclei().astype(np.uint16))
        view = view.brought_to((70, 9, -20), (8, 12, 13))
    ours = render_view(Picture(Raster(smear())), view, nuclei().astype(np.uint16))
    assert ours.shape == (112, 112, 3) and view.whole == ("cells" not in PRESETS[name])


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "chain"}, "a view of kind chain needs steps"),
        ({"kind": "plain", "steps": ["grey"]}, "steps are of kinds chain, centred and cells"),
        ({"kind": "centred", "steps": ["cells"]}, "steps of kind centred cannot use cells"),
        (
            {"kind": "cells", "steps": [{"reinhard": {"target": "training"}}]},
            "cannot have a stain of the training images",
        ),
        ({"kind": "centred", "fit": "squeeze"}, "squeeze does not go with kind centred"),
        ({"kind": "chain", "steps": "hmscan"}, "there is no preset 'hmscan'; known: hmscam"),
        ({"kind": "chain", "steps": ["blur"]}, "does not match any of the expected tags"),
        ({"kind": "chain", "steps": [{"clahe": {"clips": 2}}]}, "Extra inputs are not permitted"),
        ({"kind": "chain", "steps": ["cells"], "fit": "squeeze"}, "squeeze does not go with cells"),
        ({"kind": "chain", "steps": [{"reinhard": {"target": "training", "sd": [1, 1, 1]}}]}, "leave both out"),
        ({"kind": "chain", "steps": ["clahe", {"reinhard": {"target": "training"}}]}, "target comes first"),
    ],
)
def test_what_is_no_chain_is_refused(settings: dict, said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        View.model_validate(settings)
