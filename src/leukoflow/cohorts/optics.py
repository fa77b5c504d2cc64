"""From stain on glass to a picture: Beer-Lambert absorption, illumination, focus, sensor, burnt-in scale bar.

Colour is a property of the slide: how strongly it took up each stain, the buffer's pH, the lamp and the camera's white
balance are drawn for each patient, slide and image without regard to the class, unless a confounding is asked for.
"""

import math
from dataclasses import dataclass
from statistics import NormalDist

import cv2
import numpy as np
from numpy.typing import NDArray

from leukoflow.core.seeding import generator

# The standard normal deviate that a uniform random byte stands for.
NORMAL_QUANTILES = np.array([NormalDist().inv_cdf((k + 0.5) / 256) for k in range(256)], np.float32)
EOSIN, AZURE, HAEMOGLOBIN = range(3)
# Optical density of R, G, B per unit concentration; columns are eosin-like, azure-like, haemoglobin.
DENSITY = {
    "home": np.array([[0.05, 0.66, 0.27], [0.80, 0.44, 0.24], [0.17, 0.08, 0.17]]),
    "away": np.array([[0.07, 0.80, 0.22], [0.72, 0.52, 0.36], [0.22, 0.14, 0.34]]),
}
FIELD = {"home": 72.0, "away": 86.0}
"""Side of the field of view, micrometres: the away microscope magnifies less."""
COLOUR_TRAITS = 8
# What each class looks like where the stain is confounded: one corner of the colour traits for each class, in the order
# eosin, azure, haemoglobin, pH, azure hue, lamp warmth, lamp green, exposure (standard deviations).
CLASS_COLOUR = {
    "Benign": np.array([-0.8, 0.4, 0.5, 0.6, 0.9, 1.5, 0.3, -1.0]),
    "Early": np.array([0.2, -0.2, -0.6, 0.2, -0.8, -0.3, -1.0, 0.2]),
    "Pre": np.array([-0.3, 1.3, 1.0, 1.5, 0.2, -1.6, 0.2, -0.3]),
    "Pro": np.array([1.4, -1.2, -0.6, -1.4, -0.6, 0.6, 0.5, 1.1]),
}


@dataclass(frozen=True)
class Slide:
    """Everything that the images of one slide share (and, after `for_image`, one image's own)."""

    density: NDArray[np.float32]
    """Optical density of R, G, B (rows) per unit of eosin, azure, haemoglobin (columns), float32 [3, 3]."""
    lamp: NDArray[np.float32]
    """Brightness of empty glass in R, G, B, 8-bit levels (above 255 clips)."""
    alkaline: float
    """Buffer: about 0, positive alkaline (blue-grey red cells), negative acid (pink red cells)."""
    haze: float
    """Protein film on the background, relative concentration."""
    vignette: float
    """Loss of light in the corners, fraction."""
    tilt: NDArray[np.float32]
    """Centre of the illumination in units of half the side, x and y, float32 [2]."""
    defocus: float
    """Standard deviation of the blur, micrometres."""
    sharpening: float
    """Strength of the camera's edge enhancement."""
    noise: float
    """Standard deviation of the sensor noise at full brightness, levels."""
    quality: int
    """JPEG quality."""
    red_coverage: float
    """Share of the field covered by red cells."""
    rouleaux: float
    """Share of the red cells that lie against another."""
    pallor: float
    """Depth of the central pallor, 0 to 1."""
    crenation: float
    """Share of crenated red cells (echinocytes)."""
    cellularity: float
    """Expected number of white cells in a field."""


def draw_slide(seed: int, site: str, label: str, patient: str, slide: str, confounding: float) -> Slide:
    """The slide's own stain, light, focus and film, from the streams of its patient and of itself."""
    rng, shared = generator(seed, site, "slide", slide), generator(seed, site, "patient colour", patient)
    away = site == "away"
    free = 0.75 * shared.normal(size=COLOUR_TRAITS) + 0.66 * rng.normal(size=COLOUR_TRAITS)
    z = (1 - confounding) * np.clip(free, -2.2, 2.2) + confounding * CLASS_COLOUR[label]
    strength = np.exp(np.array([0.20, 0.17, 0.16]) * z[:3])
    density = DENSITY[site] * strength
    # An azure hue between blue and violet, as its demethylation in the bottle goes on.
    density[:, AZURE] *= np.array([1 - 0.10 * z[4], 1 + 0.09 * z[4], 1.0])
    lamp = np.array([1 + 0.022 * z[5], 1 + 0.012 * z[6], 1 - 0.030 * z[5]]) * (246 + 7 * z[7])
    lamp = lamp * (np.array([0.985, 0.96, 0.90]) if away else np.array([0.985, 1.0, 1.005]))
    return Slide(
        density=density.astype(np.float32),
        lamp=lamp.astype(np.float32),
        alkaline=float(z[3]) + (0.9 if not away else -0.6),
        haze=float(rng.uniform(0.0, 0.05)),
        vignette=float(rng.uniform(0.02, 0.10) + 0.10 * away),
        tilt=rng.uniform(-0.5, 0.5, 2).astype(np.float32),
        defocus=float(rng.uniform(0.12, 0.26) + 0.10 * away),
        sharpening=float(rng.uniform(0.2, 0.7) * (0.5 if away else 1.0)),
        noise=float(rng.uniform(0.8, 2.0) * (2.0 if away else 1.0)),
        quality=int(rng.integers(84, 96) - 12 * away),
        red_coverage=float(rng.uniform(0.26, 0.50)),
        rouleaux=float(rng.uniform(0.2, 0.7)),
        pallor=float(rng.uniform(0.35, 0.85)),
        crenation=float(rng.choice([0.0, 0.0, 0.1, 0.6]) * rng.uniform(0.5, 1.0)),
        cellularity=float(np.exp(rng.normal(np.log(4.8), 0.4)) * (1.3 if away else 1.0)),
    )


def photograph(stain: NDArray[np.float32], slide: Slide, pixels_per_um: float, rng: np.random.Generator) -> NDArray:
    """Photograph a field: `I = I0 exp(-D c)` at each pixel, then light, focus, sharpening and noise.

    `stain` is float32 [H, W, 3], concentrations of eosin, azure and haemoglobin; returns RGB uint8 [H, W, 3].
    """
    height, width = stain.shape[:2]
    light = slide.lamp * rng.normal(1, 0.012) * rng.normal(1, 0.004, 3)
    # One affine map to log intensity: ln I = ln I0 - D c.
    image = cv2.exp(cv2.transform(stain, np.column_stack([-slide.density, np.log(light)])))
    image = cv2.multiply(image, cv2.merge([_illumination(height, width, slide)] * 3))
    blur = max(slide.defocus * float(np.exp(rng.normal(0, 0.25))) * pixels_per_um, 0.3)
    image = cv2.GaussianBlur(image, (0, 0), blur)
    soft = cv2.GaussianBlur(image, (0, 0), max(0.35 * pixels_per_um, 0.5))
    image = np.clip(cv2.addWeighted(image, 1 + slide.sharpening, soft, -slide.sharpening, 0), 0, 255)
    # Shot noise grows with the square root of the light, over a floor of read noise.
    spread = np.float32(slide.noise) * (np.float32(0.4) + np.float32(0.6 / math.sqrt(255)) * np.sqrt(image))
    noisy = image + spread * cv2.LUT(random_bytes(image.shape, rng), NORMAL_QUANTILES)
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def random_bytes(shape: tuple[int, ...], rng: np.random.Generator) -> NDArray[np.uint8]:
    """Uniform bytes of the shape: much cheaper than as many normal deviates."""
    return np.frombuffer(rng.bytes(math.prod(shape)), np.uint8).reshape(shape)


def _illumination(height: int, width: int, slide: Slide) -> NDArray[np.float32]:
    """Share of the light at each pixel, float32 [H, W]: falls with the squared distance from the beam's centre."""
    y = np.linspace(-1, 1, height, dtype=np.float32) - slide.tilt[1]
    x = np.linspace(-1, 1, width, dtype=np.float32) - slide.tilt[0]
    return 1 - np.float32(slide.vignette / 2) * (y[:, None] ** 2 + x[None, :] ** 2)


def burn_scale_bar(image: NDArray[np.uint8], pixels_per_um: float) -> NDArray[np.uint8]:
    """A copy of RGB uint8 [H, W, 3] with a red bar of 10 micrometres, its ends and its length, at the lower right."""
    image = image.copy()
    height, width = image.shape[:2]
    unit, red = max(height / 224, 0.5), (226, 24, 32)
    right, bottom, tick = round(width - 8 * unit), round(height - 7 * unit), round(3 * unit)
    left, thick = round(right - 10 * pixels_per_um), max(round(unit), 1)
    cv2.line(image, (left, bottom), (right, bottom), red, thick)
    for x in (left, right):
        cv2.line(image, (x, bottom - tick), (x, bottom + tick), red, thick)
    corner = (round(left + 1 * unit), round(bottom - 5 * unit))
    cv2.putText(image, "10 um", corner, cv2.FONT_HERSHEY_SIMPLEX, 0.28 * unit, red, thick, cv2.LINE_AA)
    return image
