"""White cells in numbers: size, shape, nucleus, chromatin, cytoplasm; one row for each cell of a label map.

Lengths are in micrometres and colours are optical densities against the image's own background, so that microscope
and lamp matter as little as may be. A number that cannot be taken is NaN: those of the nucleus if none is seen,
those of the cytoplasm where the nucleus fills the cell, textures of very small parts.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from skimage.measure import regionprops

from leukoflow.cells.texture import chromatin, granularity, lobes, optical_density
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.picture import Picture

LEAST_PIXELS = 12
"""Pixels that a cell must have, and a nucleus or cytoplasm within it, for its shape and colour to be measured."""
NEAR_EDGE = 1
"""A cell that comes within this many pixels of the picture's edge counts as cut by it."""
CHANNELS = ("red", "green", "blue")
PLACE = ("cell", "x", "y", "border")
"""Columns of a cell's row before its features: its number k, its centroid in pixels, and whether the edge cuts it."""


@dataclass(frozen=True)
class Feature:
    """One number of a white cell."""

    name: str
    """Column of the table of cells."""
    unit: str
    """Unit; empty for a plain number."""
    title: str
    """What it is called in figures."""
    meaning: str
    """Definition in one line."""


def _shape(part: str) -> list[Feature]:
    names = [
        ("area_um2", "µm²", "area", "area"),
        ("perimeter_um", "µm", "perimeter", "perimeter by Crofton's formula in four directions"),
        ("circularity", "", "circularity", "4 pi area / perimeter²; 1 for a disc, less for any other outline"),
        ("solidity", "", "solidity", "area / area of the convex hull"),
        ("eccentricity", "", "eccentricity", "of the ellipse with the same second moments; 0 for a disc"),
    ]
    return [Feature(f"{part}_{name}", unit, f"{part.title()} {title}", text) for name, unit, title, text in names]


def _density(part: str) -> list[Feature]:
    kinds = [("mean", "mean optical density"), ("sd", "standard deviation of optical density")]
    return [
        Feature(
            f"{part}_od_{channel}_{kind}", "OD", f"{part.title()} OD, {channel}, {kind}", f"{text}, {channel} light"
        )
        for kind, text in kinds
        for channel in CHANNELS
    ]


_DISTANCE = "pairs 0.5 µm apart in the nucleus, four directions"
FEATURES: tuple[Feature, ...] = (
    *_shape("cell"),
    Feature("cell_diameter_um", "µm", "Cell diameter", "diameter of the disc of the cell's area"),
    *_shape("nucleus"),
    Feature("nc_ratio", "", "N:C ratio", "nuclear area / cell area, r; nucleus to cytoplasm is r / (1 - r)"),
    Feature("nucleus_offset", "", "Nuclear offset", "distance between the centroids of nucleus and cell / cell radius"),
    Feature(
        "nuclear_irregularity", "", "Nuclear irregularity",
        "nuclear perimeter / that of the disc of its area; 1 for a disc, more where cleft or lobed",
    ),
    Feature("nuclear_lobes", "", "Nuclear lobes", "parts of the nucleus once bridges under 1.75 µm are cut"),
    Feature("chromatin_contrast", "", "Chromatin contrast", f"GLCM contrast of OD / nuclear mean, {_DISTANCE}"),
    Feature("chromatin_homogeneity", "", "Chromatin homogeneity", f"GLCM homogeneity, steps of 1/16, {_DISTANCE}"),
    Feature("chromatin_energy", "", "Chromatin energy", f"GLCM energy, {_DISTANCE}"),
    Feature("chromatin_correlation", "", "Chromatin correlation", f"GLCM correlation, {_DISTANCE}"),
    Feature("chromatin_sd", "", "Chromatin variation", "standard deviation of OD / nuclear mean, without the rim"),
    Feature("lbp_entropy", "bit", "LBP entropy", "entropy of the ten uniform local binary patterns at 0.5 µm"),
    Feature("lbp_dark", "", "LBP dark points", "share of points darker than their eight neighbours"),
    Feature("lbp_pale", "", "LBP pale points", "share of points not darker than any of their eight neighbours"),
    Feature("lbp_edge", "", "LBP edges", "share of points on an edge (patterns 3 to 5)"),
    Feature("lbp_mixed", "", "LBP mixed", "share of points of no uniform pattern"),
    Feature("nucleoli", "", "Nucleoli", "pale spots of 0.7 to 2.5 µm in the chromatin (green light)"),
    Feature("nucleoli_fraction", "", "Nucleolar area", "share of the nucleus in such spots"),
    *_density("nucleus"),
    *_density("cytoplasm"),
    Feature("od_contrast", "OD", "Nucleus over cytoplasm", "nuclear minus cytoplasmic OD, mean of the channels"),
    Feature("cytoplasm_granularity", "OD", "Granularity", "deviation of cytoplasmic OD from its mean within 0.75 µm"),
)  # fmt: skip
_MEAN = np.full((1, 3), 1 / 3, np.float32)
FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in FEATURES)


def check_labels(picture: Picture, labels: np.ndarray) -> None:
    """Raise LeukoFlowError unless a picture has a scale, and a label map [H, W] its size."""
    height, width = picture.raster.pixels.shape[:2]
    if labels.shape != (height, width):
        raise LeukoFlowError(f"a label map {list(labels.shape)} was given for an image {[height, width]}")
    if not 0 < picture.um_per_pixel < math.inf:
        raise LeukoFlowError(f"{picture.um_per_pixel} is no scale; give micrometres a pixel")


def measure_cells(picture: Picture, labels: np.ndarray) -> list[dict[str, float]]:
    """One row (the names of `PLACE`, then of `FEATURES`) for each white cell, in the order of their numbers.

    picture: a rendition; labels: uint16 [H, W], its label map. Cells on the image's edge have `border` 1, those of
    fewer than `LEAST_PIXELS` are left out. LeukoFlowError if picture and labels differ in size or there is no scale.
    """
    check_labels(picture, labels)
    density = optical_density(picture.raster.pixels, picture.raster.background)
    x0, y0, x1, y1 = picture.content
    rows = []
    for region in regionprops(labels >> 1):
        top, left, bottom, right = region.bbox
        window = np.s_[top:bottom, left:right]
        cell = region.image
        if np.count_nonzero(cell) < LEAST_PIXELS:
            continue
        nucleus = cell & (labels[window] & 1).astype(bool)
        moments = _moments(cell)
        near = (left - x0, top - y0, x1 - right, y1 - bottom)
        position = [region.label, left + moments["x"], top + moments["y"], min(near) <= NEAR_EDGE]
        rows.append(
            dict(zip(PLACE, map(float, position), strict=True))
            | _features(cell, nucleus, moments, density[window], picture.um_per_pixel)
        )
    return rows


def _features(
    cell: np.ndarray, nucleus: np.ndarray, moments: dict[str, float], density: np.ndarray, scale: float
) -> dict[str, float]:
    """The features of one cell on its window: bool [h, w] twice, optical density [h, w, 3], micrometres a pixel."""
    features = dict.fromkeys(FEATURE_NAMES, math.nan) | _outline("cell", cell, moments, scale)
    features["cell_diameter_um"] = 2 * math.sqrt(features["cell_area_um2"] / math.pi)
    cytoplasm = cell & ~nucleus
    if np.count_nonzero(nucleus) >= LEAST_PIXELS:
        nucleus_moments = _moments(nucleus)
        features |= _outline("nucleus", nucleus, nucleus_moments, scale)
        features["nc_ratio"] = features["nucleus_area_um2"] / features["cell_area_um2"]
        offset = math.hypot(nucleus_moments["x"] - moments["x"], nucleus_moments["y"] - moments["y"])
        features["nucleus_offset"] = offset * scale / (features["cell_diameter_um"] / 2)
        features["nuclear_irregularity"] = 1 / math.sqrt(features["nucleus_circularity"])
        features["nuclear_lobes"] = lobes(nucleus, scale)
        features |= chromatin(density[..., 1], nucleus, scale) | _colours("nucleus", density, nucleus)
    if np.count_nonzero(cytoplasm) >= LEAST_PIXELS:
        features |= _colours("cytoplasm", density, cytoplasm)
        features["cytoplasm_granularity"] = granularity(cv2.transform(density, _MEAN), cytoplasm, scale)
    nuclear, plasmic = ([features[f"{part}_od_{name}_mean"] for name in CHANNELS] for part in ("nucleus", "cytoplasm"))
    features["od_contrast"] = (sum(nuclear) - sum(plasmic)) / len(CHANNELS)
    return features


def centroid(mask: np.ndarray) -> tuple[float, float]:
    """Mean column and row (x, y) of the pixels of a mask: bool [h, w], at least one true."""
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    return moments["m10"] / moments["m00"], moments["m01"] / moments["m00"]


def _moments(mask: np.ndarray) -> dict[str, float]:
    """Area (pixels), centroid and eccentricity of a mask bool [h, w]: m00, x, y, eccentricity."""
    moments = cv2.moments(mask.astype(np.uint8), binaryImage=True)
    xx, yy, xy = (moments[name] / moments["m00"] for name in ("mu20", "mu02", "mu11"))
    # Eigenvalues of the covariance: the squared semi-axes of the ellipse, but for a factor.
    spread = math.hypot((xx - yy) / 2, xy)
    large, small = (xx + yy) / 2 + spread, (xx + yy) / 2 - spread
    return {
        "m00": moments["m00"],
        "x": moments["m10"] / moments["m00"],
        "y": moments["m01"] / moments["m00"],
        "eccentricity": math.sqrt(max(0.0, 1 - small / large)) if large > 0 else 0.0,
    }


def _outline(part: str, mask: np.ndarray, moments: dict[str, float], scale: float) -> dict[str, float]:
    area, perimeter = moments["m00"], _perimeter(mask)
    values = {
        "area_um2": area * scale**2,
        "perimeter_um": perimeter * scale,
        "circularity": 4 * math.pi * area / perimeter**2,
        "solidity": area / _hull_area(mask),
        "eccentricity": moments["eccentricity"],
    }
    return {f"{part}_{name}": value for name, value in values.items()}


def _perimeter(mask: np.ndarray) -> float:
    """Perimeter in pixels by Crofton's formula: crossings of lines in four directions, by the lines' spacing.

    As `skimage.measure.perimeter_crofton`, which is three times slower on such small pictures.
    """
    wide = np.zeros((mask.shape[0] + 2, mask.shape[1] + 2), bool)
    wide[1:-1, 1:-1] = mask
    straight = np.count_nonzero(wide[:, 1:] != wide[:, :-1]) + np.count_nonzero(wide[1:] != wide[:-1])
    slanted = np.count_nonzero(wide[1:, 1:] != wide[:-1, :-1]) + np.count_nonzero(wide[1:, :-1] != wide[:-1, 1:])
    return math.pi / 8 * (straight + slanted / math.sqrt(2))


def _hull_area(mask: np.ndarray) -> float:
    """Area in pixels of the convex hull of a mask; each pixel reaches half a side in the four directions."""
    contours, _ = cv2.findContours(mask.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    points = np.concatenate(contours).reshape(-1, 1, 2).astype(np.float32)
    reach = np.array([[0.5, 0], [-0.5, 0], [0, 0.5], [0, -0.5]], np.float32)
    return max(cv2.contourArea(cv2.convexHull((points + reach).reshape(-1, 2))), float(np.count_nonzero(mask)))


def _colours(part: str, density: np.ndarray, mask: np.ndarray) -> dict[str, float]:
    """Mean and standard deviation of each channel's optical density within a mask."""
    mean, deviation = (statistic.ravel().tolist() for statistic in cv2.meanStdDev(density, mask=mask.astype(np.uint8)))
    means = {f"{part}_od_{name}_mean": value for name, value in zip(CHANNELS, mean, strict=True)}
    return means | {f"{part}_od_{name}_sd": value for name, value in zip(CHANNELS, deviation, strict=True)}
