"""Stain and camera of the synthetic cohort."""

from dataclasses import replace

import numpy as np
import pytest

from leukoflow.cohorts.optics import AZURE, EOSIN, HAEMOGLOBIN, Slide, draw_slide, photograph


def slide(label: str = "Pre", patient: str = "p01", number: str = "p01_s1", confounding: float = 0.0) -> Slide:
    return draw_slide(7, "home", label, patient, number, confounding)


def test_light_is_absorbed_as_beer_and_lambert_say() -> None:
    dim = replace(slide(), noise=0.0, lamp=np.array([230, 225, 220], np.float32))
    stain = np.zeros((40, 40, 3), np.float32)
    empty = photograph(stain, dim, 3.0, np.random.default_rng(1)).astype(float)
    amounts = {EOSIN: 0.3, AZURE: 0.5, HAEMOGLOBIN: 0.2}
    for kind, amount in amounts.items():
        stain[:, :, kind] = amount
    seen = photograph(stain, dim, 3.0, np.random.default_rng(1)).astype(float)
    density = sum(amount * dim.density[:, kind] for kind, amount in amounts.items())
    assert np.allclose(seen / empty, np.exp(-density), atol=0.012)


def test_eosin_is_pink_and_azure_blue() -> None:
    density = slide().density
    assert density[1, EOSIN] > 2 * density[0, EOSIN] and density[1, EOSIN] > 2 * density[2, EOSIN]
    assert density[0, AZURE] > density[1, AZURE] > density[2, AZURE]


def test_corners_are_darker_and_noise_has_its_size() -> None:
    base = replace(slide(), lamp=np.full(3, 200, np.float32), tilt=np.zeros(2, np.float32), vignette=0.2, noise=0.0)
    stain = np.zeros((101, 101, 3), np.float32)
    still = photograph(stain, base, 3.0, np.random.default_rng(2)).astype(float)
    assert still[0, 0, 1] / still[50, 50, 1] == pytest.approx(0.8, abs=0.02)
    noisy = photograph(stain, replace(base, noise=4.0), 3.0, np.random.default_rng(2)).astype(float)
    assert np.std(noisy - still) == pytest.approx(4.0 * (0.4 + 0.6 * np.sqrt(still.mean() / 255)), rel=0.08)


def test_stain_belongs_to_the_slide_not_to_the_class() -> None:
    assert np.array_equal(slide("Pre").density, slide("Pro").density)
    assert not np.array_equal(slide().density, slide(number="p01_s2").density)


def test_fully_confounded_stain_belongs_to_the_class() -> None:
    first, second = slide(patient="p01", confounding=1.0), slide(patient="p02", number="p02_s1", confounding=1.0)
    assert np.array_equal(first.density, second.density) and np.array_equal(first.lamp, second.lamp)
    other = slide("Pro", confounding=1.0)
    assert np.abs(np.log(first.density / other.density)).max() > 0.3
