"""Augmentation against exact geometry, and that it depends on nothing but seed, epoch and position."""

import numpy as np
import pytest
import torch
from scipy import ndimage

from leukoflow.config.training import Augmentation, Optics
from leukoflow.training.augment import _inverse_affine, alone, augment, refocus

FULL = Augmentation(
    rotation=20, translation=0.2, shear=20, scale=(0.8, 1.0), flip_horizontal=True, brightness=0.2, contrast=0.2
)


def images(count: int = 5, side: int = 33) -> torch.Tensor:
    torch.manual_seed(0)
    smooth = torch.nn.functional.interpolate(torch.rand(count, 3, 5, 5), (side, side), mode="bicubic")
    return smooth.clamp(0, 1)


def test_nothing_asked_nothing_changed() -> None:
    x = images()
    assert torch.equal(augment(x, torch.arange(5), Augmentation(), 1, 0), x)


def test_each_image_depends_on_its_own_position_only() -> None:
    x = images()
    positions = torch.tensor([7, 3, 9, 0, 4])
    together = augment(x, positions, FULL, seed=1, epoch=2)
    one_by_one = torch.cat([augment(x[i : i + 1], positions[i : i + 1], FULL, 1, 2) for i in range(5)])
    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-6)
    assert not torch.allclose(together, augment(x, positions, FULL, 1, 3))
    assert not torch.allclose(together, augment(x, positions, FULL, 2, 2))
    assert together.min() >= 0 and together.max() <= 1


def test_mirrors_are_exact() -> None:
    x = images(40)
    mirrored = augment(x, torch.arange(40), Augmentation(flip_horizontal=True), 1, 0)
    flipped = [torch.allclose(a, b.flip(-1), atol=1e-5) for a, b in zip(mirrored, x, strict=True)]
    same = [torch.allclose(a, b, atol=1e-5) for a, b in zip(mirrored, x, strict=True)]
    assert all(a != b for a, b in zip(flipped, same, strict=True))
    assert 10 < sum(flipped) < 30


def draws(**changes: float) -> np.ndarray:
    """One row of uniform draws at their neutral middle, some of them given."""
    names = ["rotation", "shear", "zoom", "flip_x", "flip_y", "shift_x", "shift_y", "brightness", "contrast"]
    neutral = {"zoom": 1.0, "flip_x": 0.9, "flip_y": 0.9}
    return np.array([[changes.get(name, neutral.get(name, 0.5)) for name in names]])


@pytest.mark.parametrize(
    ("augmentation", "changes", "expected"),
    [
        (Augmentation(rotation=90), {"rotation": 1.0}, [[0, -1, 0], [1, 0, 0]]),
        (Augmentation(shear=45), {"shear": 1.0}, [[1, 1, 0], [0, 1, 0]]),
        (Augmentation(translation=0.25), {"shift_x": 1.0, "shift_y": 0.0}, [[1, 0, 0.5], [0, 1, -0.5]]),
        (Augmentation(scale=(0.25, 1.0)), {"zoom": 0.0, "shift_x": 1.0}, [[0.5, 0, 0.5], [0, 0.5, 0]]),
        (Augmentation(flip_vertical=True), {"flip_y": 0.1}, [[1, 0, 0], [0, -1, 0]]),
    ],
)
def test_matrices_of_single_changes(augmentation: Augmentation, changes: dict, expected: list) -> None:
    np.testing.assert_allclose(_inverse_affine(draws(**changes), augmentation)[0], expected, atol=1e-12)


def test_a_rotation_equals_scipys() -> None:
    x = images(1, 65)
    augmentation = Augmentation(rotation=30)
    matrix = _inverse_affine(np.random.default_rng(0).random((1, 9)), augmentation)
    assert abs(np.linalg.det(matrix[0, :, :2])) == pytest.approx(1)
    turned = augment(x, torch.tensor([11]), augmentation, 5, 1)[0, 0].numpy()
    angles = np.linspace(-30, 30, 241)
    centre = slice(16, 49)  # away from the borders, where the two treat what lies outside differently
    errors = [
        np.abs(
            ndimage.rotate(x[0, 0].numpy(), a, reshape=False, order=1)[centre, centre] - turned[centre, centre]
        ).max()
        for a in angles
    ]
    assert min(errors) < 0.01


def test_brightness_and_contrast_stay_in_their_ranges() -> None:
    x = torch.full((50, 3, 8, 8), 0.5)
    x[:, :, :4] = 0.4
    brighter = augment(x, torch.arange(50), Augmentation(brightness=0.2), 1, 0)
    factors = brighter[:, 0, 0, 0] / 0.4
    assert 0.8 <= factors.min() < 0.85 and 1.15 < factors.max() <= 1.2
    torch.testing.assert_close(brighter[:, 0, 7, 0] / 0.5, factors)
    contrast = augment(x, torch.arange(50), Augmentation(contrast=0.5), 1, 0)
    torch.testing.assert_close(contrast.mean(dim=(1, 2, 3)), torch.full((50,), 0.45))
    spread = (contrast[:, 0, 7, 0] - contrast[:, 0, 0, 0]) / 0.1
    assert 0.5 <= spread.min() < 0.6 and 1.4 < spread.max() <= 1.5


OPTICS = Optics(resolution=0.3, noise=0.1, gamma=0.4)


def test_optics_depend_on_each_image_alone_and_do_what_they_say() -> None:
    x = images(6, 32)
    positions = torch.arange(6)
    assert torch.equal(refocus(x, positions, Optics(), 1, 0), x)
    together = refocus(x, positions, OPTICS, 1, 2)
    one_by_one = torch.cat([refocus(x[i : i + 1], positions[i : i + 1], OPTICS, 1, 2) for i in range(6)])
    torch.testing.assert_close(together, one_by_one, rtol=0, atol=1e-6)
    assert not torch.allclose(together, refocus(x, positions, OPTICS, 1, 3))

    many, places = torch.rand(200, 3, 32, 32), torch.arange(200)
    coarse = refocus(many, places, Optics(resolution=0.25), 1, 0)
    # Detail goes, the mean stays.
    assert (coarse.std(dim=(2, 3)) < many.std(dim=(2, 3)) + 1e-6).all()
    torch.testing.assert_close(coarse.mean(dim=(1, 2, 3)), many.mean(dim=(1, 2, 3)), rtol=0, atol=0.02)
    grey = torch.full((400, 3, 24, 24), 0.5)
    deviations = (refocus(grey, torch.arange(400), Optics(noise=0.1), 1, 0) - grey).std(dim=(1, 2, 3))
    assert deviations.max() < 0.105 and deviations.mean() == pytest.approx(0.05, abs=0.005)
    exponents = refocus(grey, torch.arange(400), Optics(gamma=0.4), 1, 0)[:, 0, 0, 0].log() / np.log(0.5)
    assert exponents.min() >= np.exp(-0.4) - 1e-5 and exponents.max() <= np.exp(0.4) + 1e-5
    assert exponents.log().abs().max() > 0.35


def test_an_aperture_leaves_a_disc_and_the_colour_of_the_ground() -> None:
    images = torch.full((64, 3, 48, 48), 0.9)
    images[:, :, 20:28, 20:28] = 0.2  # the cell in the middle
    images[:, :, :6, :6] = 0.4  # a neighbour in a corner
    positions = torch.arange(64)
    made = alone(images, positions, 0.5, 7, 3)
    changed = (made != images).flatten(1).any(1)
    assert 0.3 < changed.float().mean() < 0.7
    assert torch.equal(made[:, :, 20:28, 20:28], images[:, :, 20:28, 20:28])
    # The largest disc reaches 0.55 of the side, the corner lies at 0.7.
    assert torch.allclose(made[changed][:, :, :2, :2], torch.tensor(0.9))
    assert torch.equal(made, alone(images, positions, 0.5, 7, 3))
    assert torch.equal(alone(images[10:12], positions[10:12], 0.5, 7, 3), made[10:12])
    assert alone(images, positions, 0.0, 7, 3) is images
