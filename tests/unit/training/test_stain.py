"""Other stains for classifiers: against scikit-image and the definitions."""

import colorsys

import numpy as np
import pytest
import torch

from leukoflow.config.training import Stain
from leukoflow.training.stain import _reinhard, _turn, restain

IMAGES = torch.rand(6, 3, 20, 24, generator=torch.Generator().manual_seed(0)) * 0.5 + 0.3
PLACES = torch.arange(6)


def lab(x: torch.Tensor) -> np.ndarray:
    """l, alpha, beta of [B, 3, H, W], written down once more from the paper: [B, 3, pixels]."""
    r, g, b = np.moveaxis(x.numpy().astype(np.float64), 1, 0)
    long = np.log(0.3811 * r + 0.5783 * g + 0.0402 * b)
    medium = np.log(0.1967 * r + 0.7244 * g + 0.0782 * b)
    short = np.log(0.0241 * r + 0.1288 * g + 0.8444 * b)
    rows = [(long + medium + short) / 3**0.5, (long + medium - 2 * short) / 6**0.5, (long - medium) / 2**0.5]
    return np.stack(rows, 1).reshape(len(x), 3, -1)


def test_colours_become_those_of_the_other_picture() -> None:
    others = np.array([1, 2, 3, 4, 5, 0])
    dull = IMAGES * 0.2 + 0.35  # far from black and white, where clipping would change the statistics
    changed = _reinhard(dull, others, torch.ones(6, 2, 3, 1, 1))
    for statistic in (np.mean, np.std):
        np.testing.assert_allclose(statistic(lab(changed), 2), statistic(lab(dull), 2)[others], rtol=2e-3, atol=2e-3)
    np.testing.assert_allclose(_reinhard(dull, np.arange(6), torch.ones(6, 2, 3, 1, 1)), dull, atol=1e-5)


def test_a_turn_of_120_degrees_changes_the_channels_round() -> None:
    turn = _turn(torch.tensor([0.0, 2 * torch.pi / 3]))
    torch.testing.assert_close(turn[0], torch.eye(3))
    torch.testing.assert_close(turn[1] @ torch.tensor([1.0, 0, 0]), torch.tensor([0.0, 1, 0]), atol=1e-6, rtol=0)
    small = _turn(torch.tensor([0.1]))[0] @ torch.tensor([0.8, 0.5, 0.4])
    assert abs(float(small.sum()) - 1.7) < 1e-6
    before, after = colorsys.rgb_to_hsv(0.8, 0.5, 0.4)[0], colorsys.rgb_to_hsv(*small.tolist())[0]
    assert 0.005 < after - before < 0.03


@pytest.mark.parametrize("option", [{"share": 0.5}, {"density": 0.1}, {"strength": 0.5}, {"hue": 20}, {"grey": 0.5}])
def test_draws_depend_on_seed_epoch_and_place(option: dict) -> None:
    stain = Stain(**option)
    first = restain(IMAGES, PLACES, stain, 1, 0)
    assert first.shape == IMAGES.shape and first.min() >= 0 and first.max() <= 1
    assert torch.equal(first, restain(IMAGES, PLACES, stain, 1, 0))
    assert not torch.equal(first, restain(IMAGES, PLACES, stain, 1, 1))
    assert not torch.equal(first, restain(IMAGES, PLACES, stain, 2, 0))


def test_nothing_asked_nothing_done() -> None:
    assert restain(IMAGES, PLACES, Stain(), 1, 0) is IMAGES


def test_shares_are_kept_and_grey_is_grey() -> None:
    many = IMAGES[:1].repeat(400, 1, 1, 1)
    places = torch.arange(400)
    grey = restain(many, places, Stain(grey=0.2), 3, 0)
    lost = (grey[:, 0] == grey[:, 1]).flatten(1).all(1)
    assert 0.13 < lost.float().mean() < 0.27
    torch.testing.assert_close(grey[lost][0, 0], 0.299 * many[0, 0] + 0.587 * many[0, 1] + 0.114 * many[0, 2])
    torch.testing.assert_close(grey[~lost], many[~lost])
    other = torch.cat([many[:200], many[:200] * 0.5])
    changed = (restain(other, places, Stain(share=0.3, jitter=0), 3, 0) - other).abs().flatten(1).amax(1) > 0.05
    assert 0.09 < changed.float().mean() < 0.21  # half of the others look alike


def test_the_strength_multiplies_optical_densities_within_its_range() -> None:
    grey = torch.full((300, 3, 4, 4), 0.6)
    factors = (restain(grey, torch.arange(300), Stain(strength=0.5), 3, 0).log() / np.log(0.6))[:, :, 0, 0]
    assert factors.min() >= np.exp(-0.5) - 1e-5 and factors.max() <= np.exp(0.5) + 1e-5
    assert factors.log().abs().max() > 0.45
    torch.testing.assert_close(factors, factors[:, :1].expand_as(factors))
