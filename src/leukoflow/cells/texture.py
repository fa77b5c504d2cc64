"""Chromatin and cytoplasm of a cell: texture of the optical density at fixed distances in micrometres.

All textures are taken on one grid of `GRID` micrometres, to which the cell is resampled first, so that the same cell
gives the same numbers at any magnification that resolves it, and relative to the nucleus' own mean, so that a deeper
stain is no coarser chromatin.
"""

import math
from functools import cache

import cv2
import numpy as np
from skimage.feature import graycomatrix
from skimage.morphology import disk

GRID = 0.25
"""Micrometres between the points of the texture grid."""
COARSEST = 1.0
"""Micrometres a pixel beyond which no texture is measured (all NaN): there is none to be seen."""
RIM = 2
"""Grid points along the nuclear membrane that are left out (0.5 micrometres), where the edge would pass for texture."""
LEAST_POINTS = 64
"""Grid points (4 square micrometres) that a nucleus must have within its rim."""
LEAST_CYTOPLASM = 24
"""Grid points (1.5 square micrometres) that a cytoplasm must have within its own rim of one point."""
DISTANCE = 2
"""Grid points between the two of a GLCM's pair, and from a point to its LBP neighbours (0.5 micrometres)."""
ANGLES = (0, math.pi / 4, math.pi / 2, 3 * math.pi / 4)
"""Directions of the pairs, radians."""
LEVELS = 32
"""Levels of relative optical density, from 0 to twice the nuclear mean; each is 1/16 of that mean."""
SPOT_DEPTH = 0.2
"""How much lighter than what surrounds it a nucleolus must be, fraction of the nuclear mean."""
SPOT_UM = (0.7, 2.5)
"""Least and largest diameter of a nucleolus, micrometres."""
LOBE_UM = 1.75
"""Bridges between parts of a nucleus that are narrower than this (micrometres) do not make them one lobe."""
LEAST_LOBE = 48
"""Grid points (3 square micrometres) of the smallest lobe."""
GRAIN_UM = 0.75
"""Granules of the cytoplasm are what differs from its Gaussian mean of this standard deviation, micrometres."""

CHROMATIN = (
    "chromatin_contrast",
    "chromatin_homogeneity",
    "chromatin_energy",
    "chromatin_correlation",
    "chromatin_sd",
    "lbp_entropy",
    "lbp_dark",
    "lbp_pale",
    "lbp_edge",
    "lbp_mixed",
    "nucleoli",
    "nucleoli_fraction",
)


def optical_density(image: np.ndarray, background: np.ndarray) -> np.ndarray:
    """OD = -log10((I + 1) / (I0 + 1)), I0 the colour of empty background: uint8 [H, W, 3], [3] -> float32 [H, W, 3].

    Beer and Lambert's law: a brighter lamp, or another white balance, leaves it as it is.
    """
    levels = np.arange(256, dtype=np.float64)[:, None]
    table = np.log10((background.astype(np.float64) + 1) / (levels + 1)).astype(np.float32)
    return cv2.LUT(image, table[None])


def chromatin(density: np.ndarray, nucleus: np.ndarray, um_per_pixel: float) -> dict[str, float]:
    """Texture of a nucleus and its nucleoli: optical density float32 [h, w], bool [h, w] -> the names of `CHROMATIN`.

    Haralick's contrast, homogeneity, energy and correlation (1973, doi 10.1109/TSMC.1973.4309314) of pairs inside
    the nucleus, four directions together; uniform local binary patterns (Ojala 2002, doi 10.1109/TPAMI.2002.1017623).
    NaN if the nucleus is too small or the picture too coarse.
    """
    if um_per_pixel > COARSEST or not nucleus.any():
        return dict.fromkeys(CHROMATIN, math.nan)
    density, whole = _on_grid(density, nucleus, um_per_pixel)
    inner = _eroded(whole, RIM)
    inside = inner.astype(bool)
    if np.count_nonzero(inside) < LEAST_POINTS:
        return dict.fromkeys(CHROMATIN, math.nan)
    mean = max(cv2.mean(density, inner)[0], 0.05)
    relative = density / np.float32(mean)
    return {
        **_pairs(relative, inside),
        "chromatin_sd": _deviation(relative, inner),
        **_patterns(relative, inside),
        **_nucleoli(relative, inside),
    }


def lobes(nucleus: np.ndarray, um_per_pixel: float) -> float:
    """Number of nuclear lobes: parts that remain when narrow bridges (`LOBE_UM`) are cut; NaN without a nucleus.

    A nucleus of one small part has one. nucleus: bool [h, w].
    """
    if um_per_pixel > COARSEST or not nucleus.any():
        return math.nan
    whole = _resize(nucleus.astype(np.float32), um_per_pixel / GRID) >= 0.5
    kernel = _disc(round(LOBE_UM / GRID / 2 - 0.5))
    around = len(kernel)
    padded = cv2.copyMakeBorder(whole.astype(np.uint8), around, around, around, around, cv2.BORDER_CONSTANT, value=[0])
    _, _, statistics, _ = cv2.connectedComponentsWithStats(cv2.morphologyEx(padded, cv2.MORPH_OPEN, kernel))
    large = int(np.count_nonzero(statistics[1:, cv2.CC_STAT_AREA] >= LEAST_LOBE))
    return float(max(1, large))


def granularity(density: np.ndarray, cytoplasm: np.ndarray, um_per_pixel: float) -> float:
    """Standard deviation of what differs from the cytoplasm near it: granules, vacuoles. [h, w], bool [h, w] -> OD."""
    if um_per_pixel > COARSEST or not cytoplasm.any():
        return math.nan
    density, mask = _on_grid(density, cytoplasm, um_per_pixel)
    # Where it borders on the nucleus and the background, their light is mixed in.
    mask = _eroded(mask, 1)
    if cv2.countNonZero(mask) < LEAST_CYTOPLASM:
        return math.nan
    weight = mask.astype(np.float32)
    near = [cv2.GaussianBlur(plane, (0, 0), GRAIN_UM / GRID) for plane in (density * weight, weight)]
    difference = density - near[0] / np.maximum(near[1], np.float32(1e-6))
    return _deviation(difference, mask)


def _on_grid(density: np.ndarray, mask: np.ndarray, um_per_pixel: float) -> tuple[np.ndarray, np.ndarray]:
    """Density float32 and mask uint8 at `GRID` micrometres a point."""
    factor = um_per_pixel / GRID
    covered = _resize(mask.astype(np.float32), factor)
    return _resize(density, factor), (covered >= 0.5).astype(np.uint8)


def _resize(values: np.ndarray, factor: float) -> np.ndarray:
    size = (max(1, round(values.shape[1] * factor)), max(1, round(values.shape[0] * factor)))
    return cv2.resize(values, size, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_LINEAR)


def _deviation(values: np.ndarray, mask: np.ndarray) -> float:
    return float(cv2.meanStdDev(values, mask=mask)[1].item())


@cache
def _disc(radius: int) -> np.ndarray:
    return disk(radius)  # OpenCV's own ellipse is none: it differs from itself turned


def _eroded(mask: np.ndarray, points: int) -> np.ndarray:
    """A mask uint8 without the points this near its edge; beyond the window lies no part of it."""
    return cv2.erode(mask, _disc(points), borderType=cv2.BORDER_CONSTANT, borderValue=[0])


def _pairs(relative: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Haralick's features; contrast in squares of the nuclear mean, homogeneity in levels."""
    levels = np.clip(relative * (LEVELS / 2), 0, LEVELS - 1).astype(np.uint8) + 1
    levels[~inside] = 0  # pairs with a point outside have their own row and column, and are dropped
    counts = graycomatrix(levels, [DISTANCE], ANGLES, levels=LEVELS + 1, symmetric=True)[1:, 1:]
    share = counts.sum(axis=(2, 3)).ravel()
    share = share / max(share.sum(), 1)
    contrast, homogeneity, mean, square, product = (_WEIGHTS @ share).tolist()
    variance = square - mean**2
    return {
        "chromatin_contrast": contrast * (2 / LEVELS) ** 2,
        "chromatin_homogeneity": homogeneity,
        "chromatin_energy": math.sqrt(float(share @ share)),
        "chromatin_correlation": (product - mean**2) / variance if variance > 1e-9 else 1.0,
    }


def _weights() -> np.ndarray:
    """What each pair of levels i, j adds to contrast, homogeneity and the moments of i and j: [5, LEVELS²]."""
    i, j = np.mgrid[:LEVELS, :LEVELS].astype(np.float64)
    return np.stack([(i - j) ** 2, 1 / (1 + (i - j) ** 2), i, i**2, i * j]).reshape(5, -1)


# All properties in one product: skimage's graycoprops takes ten times as long.
_WEIGHTS = _weights()


def _patterns(relative: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Entropy (bits) and shares of the ten uniform patterns of eight neighbours.

    Pattern 0 is a point darker than all its neighbours, 8 one that is not darker than any, 3 to 5 an edge, 9 neither.
    """
    scaled = np.rint(np.clip(relative * 100, 0, 255)).astype(np.float32)
    # The small step lets equal levels be equal, whatever the interpolation's rounding.
    centre = scaled - np.float32(1e-3)
    darker = [(cv2.filter2D(scaled, -1, kernel) >= centre)[inside] for kernel in _NEIGHBOURS]
    codes = np.packbits(darker, axis=0, bitorder="little")[0]
    share = np.bincount(_UNIFORM[codes], minlength=10) / len(codes)
    some = share[share > 0]
    return {
        "lbp_entropy": float(-(some * np.log2(some)).sum()),
        "lbp_dark": float(share[0]),
        "lbp_pale": float(share[8]),
        "lbp_edge": float(share[3:6].sum()),
        "lbp_mixed": float(share[9]),
    }


def _neighbours() -> list[np.ndarray]:
    """Kernels that give each point's eight neighbours on a circle, by bilinear interpolation: 8 of float32 [5, 5]."""
    kernels = []
    for turn in range(8):
        row, column = (DISTANCE * function(turn * math.pi / 4) for function in (math.sin, math.cos))
        steps = np.arange(-DISTANCE, DISTANCE + 1)
        weights = [np.clip(1 - np.abs(steps - round(offset, 5)), 0, 1) for offset in (row, column)]
        kernels.append(np.outer(*weights).astype(np.float32))
    return kernels


def _uniform() -> np.ndarray:
    """Pattern of each of the 256 codes: number of neighbours not paler than the point, or 9 if not uniform."""
    bits = (np.arange(256)[:, None] >> np.arange(8)) & 1
    changes = (bits != np.roll(bits, 1, axis=1)).sum(axis=1)
    return np.where(changes <= 2, bits.sum(axis=1), 9)


# As skimage's local_binary_pattern(..., 8, DISTANCE, "uniform"), which takes five times as long.
_NEIGHBOURS, _UNIFORM = _neighbours(), _uniform()


def _nucleoli(relative: np.ndarray, inside: np.ndarray) -> dict[str, float]:
    """Spots paler than the chromatin around them, by a top hat: their number and share of the nucleus.

    In Romanowsky stains nucleoli are paler and bluer than chromatin, so they absorb less green light.
    """
    # Outside counts as empty, so that a paler edge is no spot.
    smooth = np.where(inside, cv2.GaussianBlur(relative, (0, 0), 0.3 / GRID), np.float32(0))
    hat = cv2.morphologyEx(smooth, cv2.MORPH_BLACKHAT, _disc(round(SPOT_UM[1] / GRID / 2)))
    spots = ((hat > SPOT_DEPTH) & inside).astype(np.uint8)
    _, _, statistics, _ = cv2.connectedComponentsWithStats(spots, connectivity=4)
    low, high = (math.pi * (um / GRID / 2) ** 2 for um in SPOT_UM)
    areas = statistics[1:, cv2.CC_STAT_AREA]
    areas = areas[(areas >= low) & (areas <= high)]
    return {"nucleoli": float(len(areas)), "nucleoli_fraction": float(areas.sum() / np.count_nonzero(inside))}
