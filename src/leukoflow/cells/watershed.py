"""Single white cells from a parts map: a watershed from one marker for each cell.

Every nucleus marks a cell, so that cells that touch come apart. Lobes of one nucleus are joined first: they lie
together in one disc of cytoplasm, where the nuclei of two cells stick out of any. Cells without a nucleus are marked by
their own deepest point, and parted at narrow necks only. No threshold is global, so that small cells stay.
"""

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from leukoflow.cells.labels import NUCLEUS
from leukoflow.core.errors import LeukoFlowError
from leukoflow.core.picture import Picture

SMOOTH = 0.15
"""Diameter of bridges and spikes that are cut off, and of clefts that are closed, in least cell diameters."""
LEAST_NUCLEUS = 0.3
"""Least diameter of what is taken for a nucleus, in least cell diameters."""
NECK = 0.75
"""Two lumps of cytoplasm, or two lobes of a nucleus, are one where the line between their deepest points is nowhere
less deep than this fraction of the less deep one."""
WAIST = 0.9
"""Lobes in two lumps belong to two cells from this fraction on: nuclei tell cells apart where the neck is wide."""
SNUG = 1.25
"""Lobes of one nucleus fit into the largest disc of cytoplasm around the point between them, widened by this factor."""
ROOMY = 0.55
"""Largest radius of that disc, in geometric means of the least and the largest cell diameter: inside a clump of cells
the depth says nothing."""
POINTS = 9
"""Points looked at along the line between two peaks."""
COARSEST = 4.0
"""Diameter, pixels, from which the smallest cells can be told from specks."""
Depth = NDArray[np.float32]
Flood = Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
"""Floods heights [H, W] from markers [H, W] within a mask [H, W]: numbers of the markers [H, W]."""


def flooded_fast(height: np.ndarray, markers: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """The pipeline's flood: scikit-image's."""
    # Imported here because what answers with an exported model does without it.
    from skimage.segmentation import watershed

    return np.asarray(watershed(height, markers, mask=mask))


def diameters(picture: Picture, cell_um: tuple[float, float]) -> tuple[float, float | None]:
    """Least and largest diameter of a white cell in pixels of a picture: an assumed scale makes no cell too large."""
    least, largest = (diameter / picture.um_per_pixel for diameter in cell_um)
    return least, largest if picture.scale_known else None


def separate(
    parts: np.ndarray, least: float, largest: float | None = None, flood: Flood = flooded_fast
) -> NDArray[np.uint16]:
    """Single cells of a parts map, uint8 [H, W] 0 background, 1 cytoplasm, 2 nucleus.

    least, largest: diameters (of a circle of the same area) of the smallest and the largest white cell, in pixels;
    smaller and larger objects are dropped; without `largest` none is too large. A picture so coarse that `least` is
    under `COARSEST` has no cells that could be seen. Holes smaller than the smallest cell are filled with cytoplasm;
    `flood` parts cells that touch. Returns a label map, uint16 [H, W]: 2 k in the cytoplasm and 2 k + 1 in the nucleus
    of cell k = 1, 2, ..., numbered from top to bottom. LeukoFlowError if parts are not that or diameters not
    positive.
    """
    if parts.dtype != np.uint8 or parts.ndim != 2:
        raise LeukoFlowError(f"a parts map must be uint8 [H, W], this is {parts.dtype} {list(parts.shape)}")
    if not 0 < least < (largest or np.inf):
        raise LeukoFlowError(f"cells cannot have diameters from {least} to {largest} pixels: give 0 < least < largest")
    if least < COARSEST:
        return np.zeros(parts.shape, np.uint16)
    cell = _tidy((parts > 0).astype(np.uint8), least)
    nucleus = cv2.bitwise_and((parts == NUCLEUS).astype(np.uint8), cell)
    if not cell.any():
        return np.zeros(parts.shape, np.uint16)
    number, blobs = cv2.connectedComponents(cell, connectivity=4, ltype=cv2.CV_32S)
    # If there is no outside, the distance to it would be infinite.
    farthest = float(max(parts.shape))
    outer, inner = (np.minimum(cv2.distanceTransform(mask, cv2.DIST_L2, 5), farthest) for mask in (cell, nucleus))
    markers = _markers(_smooth(outer), _smooth(inner), blobs, least, largest)
    cells = _flooded(outer, inner, blobs, number, markers, flood)
    return _numbered(cells, nucleus, least, largest)


def _area(diameter: float) -> float:
    return np.pi / 4 * diameter**2


def _tidy(cell: np.ndarray, least: float) -> NDArray[np.uint8]:
    """Opened and closed by a small disc, without small holes and small objects: uint8 0 or 1 [H, W]."""
    side = round(SMOOTH * least) | 1
    if side >= 3:
        kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
        cell = cv2.morphologyEx(cv2.morphologyEx(cell, cv2.MORPH_CLOSE, kernel), cv2.MORPH_OPEN, kernel)
    for kind in (0, 1):
        _, labels, statistics, _ = cv2.connectedComponentsWithStats((cell == kind).astype(np.uint8), connectivity=4)
        small = statistics[:, cv2.CC_STAT_AREA] < _area(least)
        small[0] = False
        if not small.any():
            continue
        cell = np.where(small[labels], 1 - kind, cell).astype(np.uint8)
    return cell


def _smooth(depth: np.ndarray) -> Depth:
    return np.asarray(cv2.GaussianBlur(depth, (3, 3), 0.8), np.float32)


def _peaks(depth: Depth, lowest: float) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the deepest points; of two closer than the deeper one's depth only that one stays."""
    top = (depth == cv2.dilate(depth, np.ones((3, 3), np.uint8))) & (depth >= lowest)
    rows, columns = np.nonzero(top)
    # A level top may have as many points as the picture; its first stands for it.
    _, tops = cv2.connectedComponents(top.astype(np.uint8), connectivity=8)
    first = np.zeros(len(rows), bool)
    first[np.unique(tops[rows, columns], return_index=True)[1]] = True
    order = np.argsort(-depth[rows, columns], kind="stable")
    rows, columns, kept = rows[order], columns[order], np.flatnonzero(first[order])
    near = np.hypot(rows[:, None] - rows[kept], columns[:, None] - columns[kept]) < depth[rows, columns][:, None]
    near &= np.arange(len(rows))[:, None] < kept
    kept = kept[~near.any(axis=0)]
    return rows[kept], columns[kept]


def _markers(depth: Depth, inner: Depth, blobs: np.ndarray, least: float, largest: float | None) -> NDArray[np.int32]:
    """Markers int32 [H, W]: 1, 2, ... in the middle of each cell, one number for all lobes of a nucleus.

    depth, inner: distance from the outside of the cells and of the nuclei, pixels; blobs: number of each piece.
    """
    lowest = LEAST_NUCLEUS * least / 2
    lobe, middle = _peaks(inner, lowest), _peaks(depth, lowest)
    rows, columns = (np.concatenate(points) for points in zip(lobe, middle, strict=True))
    number, lobes = len(rows), len(lobe[0])
    one, two = np.nonzero(np.triu(blobs[rows, columns][:, None] == blobs[rows, columns], 1))
    share = np.linspace(0, 1, POINTS)
    line = tuple(np.rint(np.outer(a[one], 1 - share) + np.outer(a[two], share)).astype(int) for a in (rows, columns))
    apart = np.hypot(rows[one] - rows[two], columns[one] - columns[two])

    # Lumps: deep points with no neck between them. A lobe belongs to that in whose disc it is most.
    at = depth[rows, columns]
    neck = depth[line].min(axis=1) / np.minimum(at[one], at[two])
    between = one >= lobes
    lump, waisted = (
        _groups(number, one[pairs], two[pairs]) for pairs in (between & (neck >= NECK), between & (neck >= WAIST))
    )
    within = np.full((lobes, number), np.inf)
    across = (one < lobes) & (two >= lobes)
    within[one[across], two[across]] = (apart - at[two])[across]
    if lobes:
        home = np.argmin(within, axis=1)
        lump[:lobes], waisted[:lobes] = lump[home], waisted[home]

    # Lobes are of one nucleus where that has no neck, or where one disc of cytoplasm in one lump holds both.
    radius = inner[rows, columns]
    solid = inner[line].min(axis=1) >= NECK * np.minimum(radius[one], radius[two])
    room = depth[line].max(axis=1)
    if largest is not None:
        room = np.minimum(room, ROOMY * np.sqrt(least * largest))
    snug = (apart + radius[one] + radius[two] <= 2 * SNUG * room) & (waisted[one] == waisted[two])
    joined = (two < lobes) & (solid | snug)
    group = _groups(number, one[joined], two[joined]) + 1
    markers = np.zeros(depth.shape, np.int32)
    # Lumps without a nucleus mark themselves, by discs in place of one.
    for k in np.flatnonzero(~np.isin(lump, lump[:lobes])):
        cv2.circle(markers, (int(columns[k]), int(rows[k])), int(at[k] / 2), int(number + 1 + lump[k]), cv2.FILLED)
    markers[rows[:lobes], columns[:lobes]] = group[:lobes]
    return markers


def _groups(number: int, one: np.ndarray, two: np.ndarray) -> NDArray[np.intp]:
    """Group of each of so many points, given the pairs that belong together."""
    group = np.arange(number)
    for first, second in zip(one.tolist(), two.tolist(), strict=True):
        group[group == group[second]] = group[first]
    return group


def _flooded(
    outer: np.ndarray, inner: np.ndarray, blobs: np.ndarray, number: int, markers: np.ndarray, flood: Flood
) -> NDArray[np.int32]:
    """Every pixel of a cell with the number of its marker: int32 [H, W]; blobs without a marker are left out."""
    pixels = np.flatnonzero(markers)
    pairs = np.unique(np.stack([blobs.ravel()[pixels], markers.ravel()[pixels]]), axis=1)
    owners = np.bincount(pairs[0], minlength=number)
    single = np.zeros(number, np.int32)
    single[pairs[0]] = pairs[1]
    single[owners > 1] = 0
    cells = single[blobs]
    shared = (owners > 1)[blobs]
    if shared.any():
        # Floods rise from the nuclei and the other markers, meeting where the cells are thin and these are far.
        beyond = cv2.distanceTransform(((inner == 0) & (markers == 0)).astype(np.uint8), cv2.DIST_L2, 5)
        window = _window(shared)
        height = (beyond - inner - outer)[window]
        cells[window] += flood(height, np.where(shared, markers, 0)[window], shared[window])
    return cells


def _window(mask: np.ndarray) -> tuple[slice, slice]:
    """The smallest window that holds a mask."""
    x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
    return np.s_[y : y + height, x : x + width]


def _numbered(cells: np.ndarray, nucleus: np.ndarray, least: float, largest: float | None) -> NDArray[np.uint16]:
    """Cells of a fitting size, numbered from top to bottom, with their parts: label map uint16 [H, W]."""
    area = np.bincount(cells.ravel())
    fits = (area >= _area(least)) & (area <= _area(largest or np.inf))
    fits[0] = False
    pixels = np.flatnonzero(fits[cells])[::-1]
    first = np.full(len(area), cells.size)
    first[cells.ravel()[pixels]] = pixels  # the last one written is the uppermost
    number = np.zeros(len(area), np.uint16)
    number[np.argsort(first, kind="stable")[: fits.sum()]] = np.arange(1, fits.sum() + 1)
    ids = number[cells]
    return np.where(ids > 0, 2 * ids + nucleus, 0).astype(np.uint16)
