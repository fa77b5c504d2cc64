"""Pictures that are no smears, made on the spot from a seed: what a model must refuse, whatever it has learnt."""

from collections.abc import Callable
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np

from leukoflow.core.seeding import generator
from leukoflow.images.io import read_bytes_image, read_file

WORDS = (
    "patient",
    "slide",
    "report",
    "sample",
    "date",
    "count",
    "normal",
    "blood",
    "stain",
    "field",
    "and",
    "with",
    "no",
)
PHOTOGRAPHS: dict[str, tuple[str, ...]] = {
    "skimage/data": ("astronaut.png", "coffee.png", "chelsea.png", "rocket.jpg", "motorcycle_left.png", "brick.png"),
    "sklearn/datasets/images": ("china.jpg", "flower.jpg"),
    "matplotlib/mpl-data/sample_data": ("grace_hopper.jpg",),
}
"""Everyday pictures that come with packages the project installs."""
MEDICAL: dict[str, tuple[str, ...]] = {"skimage/data": ("ihc.png", "retina.jpg", "cell.png", "microaneurysms.png")}
"""Stained tissue, the back of an eye, a cell without stain."""
MOST_PIXELS = 50_000_000
STAINED = np.array([[231, 214, 226], [214, 196, 220], [240, 226, 214], [222, 205, 205], [205, 190, 225]], float)
"""Empty fields as Wright's and Giemsa's stains leave them, RGB."""


def non_smears(count: int, size: int, seed: int) -> dict[str, list[np.ndarray]]:
    """`count` pictures of each kind, RGB uint8 [size, size, 3]; the same for the same arguments.

    `photograph` and `other medicine` are crops of pictures that come with installed packages, and are left out where
    none of them is there.
    """
    made = {kind: [draw(generator(seed, kind, index), size) for index in range(count)] for kind, draw in KINDS.items()}
    for kind, listed in (("photograph", PHOTOGRAPHS), ("other medicine", MEDICAL)):
        if paths := _installed(listed):
            crops = [(paths[index % len(paths)], generator(seed, kind, index)) for index in range(count)]
            made[kind] = [_crop(_decoded(path), random, size) for path, random in crops]
    return made


def _installed(listed: dict[str, tuple[str, ...]]) -> list[Path]:
    """The files that are there; the packages themselves are not imported."""
    paths = []
    for folder, names in listed.items():
        package, _, rest = folder.partition("/")
        spec = find_spec(package)
        for location in (spec.submodule_search_locations or []) if spec else []:
            paths += [path for name in names if (path := Path(location) / rest / name).exists()]
    return paths


@cache
def _decoded(path: Path) -> np.ndarray:
    return read_bytes_image(read_file(path, MOST_PIXELS), MOST_PIXELS)


def _crop(image: np.ndarray, random: np.random.Generator, size: int) -> np.ndarray:
    """A square of half to all of the shorter side."""
    side = int(random.uniform(0.5, 1) * min(image.shape[:2]))
    top, left = (int(random.integers(0, edge - side + 1)) for edge in image.shape[:2])
    return _fitted(image[top : top + side, left : left + side], size)


def _fitted(image: np.ndarray, size: int) -> np.ndarray:
    kind = cv2.INTER_AREA if image.shape[0] > size else cv2.INTER_LINEAR
    return np.asarray(cv2.resize(image, (size, size), interpolation=kind), np.uint8)


def _picture(values: np.ndarray) -> np.ndarray:
    """Grey levels [size, size] or colours [size, size, 3], clipped, as uint8 [size, size, 3]."""
    values = values if values.ndim == 3 else np.repeat(values[..., None], 3, axis=2)
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _colour(random: np.random.Generator) -> np.ndarray:
    return random.uniform(0, 255, 3)


def _white_noise(random: np.random.Generator, size: int) -> np.ndarray:
    return random.integers(0, 256, (size, size, 3), np.uint8)


def _pink_noise(random: np.random.Generator, size: int) -> np.ndarray:
    """1/f noise, each channel its own."""
    frequency = np.hypot(np.fft.fftfreq(size)[:, None], np.fft.rfftfreq(size)[None])
    frequency[0, 0] = np.inf
    spectrum = np.fft.rfft2(random.normal(size=(3, size, size))) / frequency
    field = np.fft.irfft2(spectrum, (size, size)).transpose(1, 2, 0)
    return _picture(128 + 50 * field / max(field.std(), 1e-9))


def _flat(random: np.random.Generator, size: int) -> np.ndarray:
    return _picture(np.broadcast_to(_colour(random), (size, size, 3)))


def _gradient(random: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / max(size - 1, 1) - 0.5
    turn = random.uniform(0, 2 * np.pi)
    share = np.clip(0.5 + (x * np.cos(turn) + y * np.sin(turn)) / np.sqrt(2), 0, 1)[..., None]
    return _picture((1 - share) * _colour(random) + share * _colour(random))


def _checkerboard(random: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size] // max(1, int(size * random.uniform(0.02, 0.2)))
    return _picture(np.where(((x + y) % 2 == 0)[..., None], _colour(random), _colour(random)))


def _stripes(random: np.random.Generator, size: int) -> np.ndarray:
    y, x = np.mgrid[:size, :size] / size
    turn = random.uniform(0, np.pi)
    share = 0.5 + 0.5 * np.sin(2 * np.pi * random.uniform(3, 25) * (x * np.cos(turn) + y * np.sin(turn)))
    return _picture(share[..., None] * _colour(random) + (1 - share[..., None]) * _colour(random))


def _text(random: np.random.Generator, size: int) -> np.ndarray:
    """A page of words, dark on light, drawn large and then made smaller."""
    side = 448
    page = np.full((side, side, 3), random.uniform(225, 255), np.uint8)
    ink, scale = int(random.uniform(0, 70)), random.uniform(0.4, 0.9)
    step = int(38 * scale)
    for row in range(step, side, step):
        line = " ".join(random.choice(WORDS, 16))
        cv2.putText(page, line, (8, row), cv2.FONT_HERSHEY_SIMPLEX, scale, (ink, ink, ink), 1, cv2.LINE_AA)
    return _fitted(page, size)


def _blurred_patches(random: np.random.Generator, size: int) -> np.ndarray:
    """A grid of random colours, smoothed until no edge is left."""
    cells = int(random.integers(3, 9))
    patches = random.uniform(0, 255, (cells, cells, 3)).astype(np.float32)
    return _picture(cv2.resize(patches, (size, size), interpolation=cv2.INTER_CUBIC))


def _stained_field(random: np.random.Generator, size: int) -> np.ndarray:
    """The colours of a stained slide, lit unevenly, with the camera's noise, and not one cell."""
    y, x = np.mgrid[:size, :size] / size - random.uniform(0.3, 0.7)
    light = 1 - random.uniform(0, 0.25) * (x**2 + y**2)
    base = STAINED[random.integers(len(STAINED))] + random.normal(0, 4, 3)
    return _picture(light[..., None] * base + random.normal(0, random.uniform(0.5, 4), (size, size, 3)))


KINDS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "white noise": _white_noise,
    "1/f noise": _pink_noise,
    "flat colour": _flat,
    "gradient": _gradient,
    "checkerboard": _checkerboard,
    "stripes": _stripes,
    "text": _text,
    "blurred patches": _blurred_patches,
    "stained field without cells": _stained_field,
}
