"""Changes that pictures are put through, to see whether a model's answers hold.

Each family is a function (images, level, random) -> images, uint8 [n, H, W, 3] RGB, which leaves its input as it is.
What is random is drawn from `random` alone, alike at every level, so that levels differ in strength and not in luck.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np

from leukoflow.config.robustness import Robustness

Family = Callable[[np.ndarray, float, np.random.Generator], np.ndarray]
WIDTH = 224
"""Side of the picture in whose pixels widths of blur are given: that of the papers."""
COVER = 128
"""Grey level of what covers a part of the picture."""
# Optical densities of haematoxylin and eosin in R, G, B (Ruifrok and Johnston 2001, Anal Quant Cytol Histol 23:291);
# the third is at right angles to both. Wright's and Giemsa's stains have a bluish and a reddish dye as well.
STAINS = np.array([[0.65, 0.70, 0.29], [0.07, 0.99, 0.11]])


@dataclass(frozen=True)
class Change:
    """One change at one level."""

    family: str
    level: float
    """NaN if the family has no levels."""
    apply: Callable[[np.ndarray, np.random.Generator], np.ndarray] = lambda images, random: images
    """Images uint8 [n, H, W, 3] to changed ones."""
    target: str = ""
    """What the images are made to look like, for families that have targets rather than levels."""
    by_place: Callable[[np.ndarray, int], np.ndarray] | None = None
    """In place of `apply` where images are changed each in its own way: images, and the place of the first of them."""
    zoom: np.ndarray | None = None
    """How much each image, by its place, is enlarged; nothing if the scale stays."""


UNCHANGED = Change("none", math.nan, lambda images, random: images)
"""The images as they are."""


def gaussian_noise(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Normal noise of this variance (scale 0 to 1) on each channel of each pixel, clipped."""

    def noisy(image: np.ndarray) -> np.ndarray:
        noise = random.standard_normal(image.shape, np.float32)
        noise *= 255 * math.sqrt(level)
        return cv2.add(image, noise, dtype=cv2.CV_8U)

    return _by_image(images, noisy)


def salt_pepper(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """This share of the pixels black or white, half each on average, all three channels alike."""
    drawn = random.random(images.shape[:3], np.float32)
    changed = images.copy()
    changed[drawn < level / 2] = 0
    changed[drawn >= 1 - level / 2] = 255
    return changed


def gaussian_blur(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Gaussian of this standard deviation, pixels of a picture 224 wide; reflected borders."""
    sigma = level * images.shape[2] / WIDTH
    if sigma == 0:
        return images.copy()
    side = 2 * math.ceil(4 * sigma) + 1
    return _by_image(images, lambda image: cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT))


def defocus(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Mean over a disc of this radius, pixels of a picture 224 wide; reflected borders."""
    kernel = disc(level * images.shape[2] / WIDTH)
    return _by_image(images, lambda image: cv2.filter2D(image, -1, kernel, borderType=cv2.BORDER_REFLECT))


def disc(radius: float) -> np.ndarray:
    """A disc whose rim covers pixels in part: float32 [s, s] with sum 1, s odd; a single pixel up to radius 1/2."""
    reach = math.ceil(radius - 0.5)
    distance = np.hypot(*np.mgrid[-reach : reach + 1, -reach : reach + 1])
    weights = np.clip(radius + 0.5 - distance, 0, 1) if reach else np.ones((1, 1))
    return (weights / weights.sum()).astype(np.float32)


def resolution(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Shrunk to this share of the side by averaging, enlarged again bilinearly."""
    height, width = images.shape[1:3]
    small = (max(1, round(level * width)), max(1, round(level * height)))
    if small == (width, height):
        return images.copy()

    def coarse(image: np.ndarray) -> np.ndarray:
        shrunk = cv2.resize(image, small, interpolation=cv2.INTER_AREA)
        return cv2.resize(shrunk, (width, height), interpolation=cv2.INTER_LINEAR)

    return _by_image(images, coarse)


def jpeg(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Compressed as JPEG of this quality (colour at half resolution, as most files are) and read again."""
    options = [cv2.IMWRITE_JPEG_QUALITY, round(level)]

    def compressed(image: np.ndarray) -> np.ndarray:
        _, data = cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
        return np.asarray(cv2.imdecode(data, cv2.IMREAD_COLOR_RGB))

    return _by_image(images, compressed)


def occlusion(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """A grey square over this share of the area, wholly inside, at a place drawn for each image."""
    height, width = images.shape[1:3]
    side = min(round(math.sqrt(level * height * width)), height, width)
    places = random.random((len(images), 2))
    changed = images.copy()
    for image, (y, x) in zip(changed, places, strict=True):
        top, left = round(y * (height - side)), round(x * (width - side))
        image[top : top + side, left : left + side] = COVER
    return changed


def rotation(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Turned about the centre by this many degrees, to a side drawn for each image; bilinear, reflected borders."""
    height, width = images.shape[1:3]
    centre, sides = ((width - 1) / 2, (height - 1) / 2), random.choice((-1, 1), len(images))
    changed = np.empty_like(images)
    for index, side in enumerate(sides):
        matrix = cv2.getRotationMatrix2D(centre, float(side * level), 1.0)
        cv2.warpAffine(images[index], matrix, (width, height), changed[index], cv2.INTER_LINEAR, cv2.BORDER_REFLECT)
    return changed


def brightness(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Every channel times 1 + level, clipped."""
    table = _levels(np.arange(256, dtype=np.float32) * (1 + level))
    return cv2.LUT(images.reshape(-1, *images.shape[2:]), table).reshape(images.shape)


def contrast(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Every channel's distance from the image's mean grey (ITU-R 601) times 1 + level, clipped."""

    def stretched(image: np.ndarray) -> np.ndarray:
        mean = cv2.mean(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY))[0]
        return cv2.LUT(image, _levels((np.arange(256) - mean) * (1 + level) + mean))

    return _by_image(images, stretched)


def stain_shift(images: np.ndarray, level: float, random: np.random.Generator) -> np.ndarray:
    """Bluish stain times 1 + level, reddish stain times 1 - level, in optical density.

    Density is -ln((I + 1) / 256) of each channel (Beer and Lambert); it is separated into the two stains of `STAINS`
    and a rest, which stays. Density below 0 becomes 0.
    """
    mixing = stain_mixing(level).astype(np.float32)
    density = -np.log((np.arange(256, dtype=np.float32) + 1) / 256)

    def restained(image: np.ndarray) -> np.ndarray:
        transmitted = cv2.exp(np.minimum(cv2.transform(cv2.LUT(image, density), -mixing.T), 0))
        return cv2.addWeighted(transmitted, 256, transmitted, 0, -1, dtype=cv2.CV_8U)

    return _by_image(images, restained)


def stain_mixing(level: float) -> np.ndarray:
    """The matrix [3, 3] that optical densities [n, 3] in R, G, B are multiplied by, from the right."""
    stains = STAINS / np.linalg.norm(STAINS, axis=1, keepdims=True)
    rest = np.cross(*stains)
    basis = np.vstack([stains, rest / np.linalg.norm(rest)])
    return np.linalg.inv(basis) @ np.diag([1 + level, 1 - level, 1]) @ basis


FAMILIES: dict[str, Family] = {
    "gaussian_noise": gaussian_noise,
    "salt_pepper": salt_pepper,
    "gaussian_blur": gaussian_blur,
    "defocus": defocus,
    "resolution": resolution,
    "jpeg": jpeg,
    "occlusion": occlusion,
    "rotation": rotation,
    "brightness": brightness,
    "contrast": contrast,
    "stain_shift": stain_shift,
}
"""Families by the names of their keys in section `evaluation.robustness`."""


def changes_of(settings: Robustness) -> list[Change]:
    """The images as they are, then every level of every family."""
    listed = [(name, float(level)) for name in FAMILIES for level in getattr(settings, name)]
    return [UNCHANGED, *(Change(name, level, _at(FAMILIES[name], level)) for name, level in listed)]


def _at(family: Family, level: float) -> Callable[[np.ndarray, np.random.Generator], np.ndarray]:
    return lambda images, random: family(images, level, random)


def _by_image(images: np.ndarray, change: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    changed = np.empty_like(images)
    for index, image in enumerate(images):
        changed[index] = change(image)
    return changed


def _levels(values: np.ndarray) -> np.ndarray:
    """The nearest 8-bit levels."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)
