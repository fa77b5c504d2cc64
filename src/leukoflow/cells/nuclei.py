"""White cells that have a nucleus: what a segmenter takes for a cell is dropped if nothing in it is stained like one.

Red cells and platelets of an unusual stain may look like white cells to a segmenter. Within one picture they differ
from them by two things that every Romanowsky stain shows: a nucleus absorbs more green light than a red cell does, and
the more so against red and blue light (thiazins absorb green and red, haemoglobin green and blue).
"""

import cv2
import numpy as np

from leukoflow.cells.labels import NUCLEUS
from leukoflow.core.picture import Raster

LEAST_AREA = 6.0
"""Least area of a nucleus, square micrometres: a disc of 2.8 micrometres, larger than a platelet's granules."""
DENSER = 1.2
"""Optical density of a nucleus in green light over that of the red cells of the picture, at least."""
LEAST_DENSITY = 0.2
"""Least optical density of a nucleus in green light above the background (natural logarithm)."""
MORE_MAGENTA = 0.12
"""By how much the density in green light over the larger of red and blue exceeds that of the red cells, at least."""
LEAST_STAINED = 22.0
"""Least area of what is a nucleus by its stain alone, square micrometres: that of a small lymphocyte, not of a lobe."""
MISSED = 0.3
"""Share of it that the segmenter must have missed."""
BRIDGE = 1.5
"""Width of bridges between such objects, micrometres."""
FEW = 0.01
"""Share of the pixels below which the rest of the foreground is too little to compare with."""


def densities(raster: Raster) -> np.ndarray:
    """Optical densities above the background, natural logarithm, float32 [2, H, W]: in green light, and in green light
    less the larger of those in red and blue. The background has 0, what is brighter too."""
    smooth = cv2.blur(raster.pixels, (3, 3)).astype(np.float32) + 1
    density = np.maximum(np.log((raster.background.astype(np.float32) + 1) / smooth), 0)
    return np.stack([density[:, :, 1], density[:, :, 1] - np.maximum(density[:, :, 0], density[:, :, 2])])


def add_stained(raster: Raster, parts: np.ndarray, um_per_pixel: float) -> np.ndarray:
    """A parts map uint8 [H, W] in which what is stained like a nucleus is one, also if the segmenter did not see it.

    Pale blasts of an unusual stain are missed by a network, or seen in part, but not by their colour: they are stained
    (`Raster.stained`), and denser and more magenta than the red cells by the same limits as in `with_nuclei`. Such an
    object counts if it has `LEAST_STAINED` and the segmenter missed `MISSED` of it; it is then a nucleus as a whole.
    """
    values = densities(raster)
    green, magenta = _red_cells(values, raster.foreground & ~raster.stained & (parts == 0))
    dense = raster.stained & (values[0] >= max(LEAST_DENSITY, DENSER * green)) & (values[1] >= magenta + MORE_MAGENTA)
    number, objects = cv2.connectedComponents(_opened(dense.astype(np.uint8), um_per_pixel), connectivity=4)
    sizes = np.bincount(objects.ravel(), minlength=number)
    missed = np.bincount(objects[parts == 0], minlength=number)
    counts = (sizes * um_per_pixel**2 >= LEAST_STAINED) & (missed >= MISSED * sizes)
    counts[0] = False
    return np.where(counts[objects], NUCLEUS, parts).astype(np.uint8)


def _opened(mask: np.ndarray, um_per_pixel: float) -> np.ndarray:
    """A mask uint8 without bridges and rims thinner than `BRIDGE`."""
    side = max(3, round(BRIDGE / um_per_pixel) | 1)
    return cv2.morphologyEx(mask, cv2.MORPH_OPEN, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def _red_cells(values: np.ndarray, others: np.ndarray) -> tuple[float, float]:
    """Median densities (green, magenta) of the other foreground, bool [H, W]; 0 if there is too little of it."""
    if others.mean() <= FEW:
        return 0.0, 0.0
    green, magenta = np.median(values[:, others], axis=1)
    return float(green), float(magenta)


def with_nuclei(raster: Raster, labels: np.ndarray, um_per_pixel: float) -> np.ndarray:
    """A label map uint16 [H, W] without the cells that have no stained nucleus; numbered again in the same order.

    raster: the picture that the labels lie on. A cell stays if its nucleus has `LEAST_AREA` and `LEAST_DENSITY`, and is
    denser and more magenta than the rest of the foreground (red cells) if there is any. Medians over the nucleus count,
    so that a dark rim or a platelet on top makes no nucleus of a red cell.
    """
    number = int(labels.max()) // 2
    if not number:
        return labels
    values = densities(raster)
    green, magenta = _red_cells(values, raster.foreground & (labels == 0))
    kept = np.zeros(2 * number + 2, labels.dtype)
    count = 0
    for cell in range(1, number + 1):
        inside = values[:, labels == 2 * cell + 1]
        if inside.shape[1] * um_per_pixel**2 < LEAST_AREA:
            continue
        own_green, own_magenta = np.median(inside, axis=1)
        if own_green >= max(LEAST_DENSITY, DENSER * green) and own_magenta >= magenta + MORE_MAGENTA:
            count += 1
            kept[2 * cell], kept[2 * cell + 1] = 2 * count, 2 * count + 1
    return kept[labels]
