"""Drawing a field of a blood smear: how much of each stain is where.

Cells of a kind are drawn together, as a stack of square patches [n, P, P], and laid onto a canvas of stain
concentrations that is one margin larger than the field, so that cells are cut by its edges.
"""

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from leukoflow.cohorts.optics import AZURE, EOSIN, HAEMOGLOBIN, Slide, random_bytes
from leukoflow.cohorts.synthetic_cells import MAX_NUCLEOLI, MAX_VACUOLES, Cells

RED_RADIUS = 3.7
"""Mean radius of a red cell, micrometres."""


def place_white(radii: NDArray[np.float32], field: float, rng: np.random.Generator) -> NDArray[np.float64]:
    """Centres [n, 2] (row, column, micrometres) of white cells that touch at most; the first lies well inside."""
    placed = np.empty((0, 2))
    for k, radius in enumerate(radii):
        edge = radius if k == 0 else -0.35 * radius
        tries = rng.uniform(edge, field - edge, (24, 2))
        if k and rng.random() < 0.25:  # blasts like company
            angle = rng.uniform(0, 2 * np.pi, 24)
            near = rng.integers(k, size=24)
            reach = (radius + radii[near]) * rng.uniform(0.98, 1.15, 24)
            tries = placed[near] + reach[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)
            tries = np.clip(tries, edge, field - edge)
        gap = np.linalg.norm(tries[:, None] - placed[None], axis=2) - 0.97 * (radius + radii[None, :k])
        clear = gap.min(axis=1, initial=np.inf)
        placed = np.vstack([placed, tries[int(np.argmax(clear >= 0)) if (clear >= 0).any() else int(np.argmax(clear))]])
    return placed


def place_red(
    slide: Slide, white: NDArray, radii: NDArray, field: float, rng: np.random.Generator
) -> NDArray[np.float64]:
    """Centres [n, 2] of red cells: scattered, or against an earlier one; next to white cells, not under them."""
    low, high = -RED_RADIUS, field + RED_RADIUS
    wanted = int(rng.normal(1, 0.12) * slide.red_coverage * (high - low) ** 2 / (math.pi * RED_RADIUS**2))
    tries = 3 * max(wanted, 1)
    centres = rng.uniform(low, high, (tries, 2))
    leaning = rng.random(tries) < slide.rouleaux
    angle, reach = rng.uniform(0, 2 * np.pi, tries), RED_RADIUS * rng.uniform(1.3, 2.05, tries)
    step = reach[:, None] * np.stack([np.sin(angle), np.cos(angle)], 1)
    least = RED_RADIUS * rng.uniform(1.25, 2.1, tries)
    least[leaning] = np.minimum(least, 0.98 * reach)[leaning]
    for k, other in enumerate((rng.random(tries) * np.arange(tries)).astype(int)):
        if k and leaning[k]:
            centres[k] = centres[other] + step[k]
    clear = ((centres > low) & (centres < high)).all(axis=1)
    clear &= (_squared(centres, white) >= (radii + 0.93 * RED_RADIUS) ** 2).all(axis=1)
    centres, least = centres[clear], least[clear]
    # Each taken in turn unless it crowds one already taken; sets of cells as the bits of an integer.
    crowded = np.packbits(_squared(centres, centres) < least[:, None] ** 2, axis=1, bitorder="little")
    taken, kept = 0, []
    for k, row in enumerate(crowded):
        if not int.from_bytes(row.tobytes(), "little") & taken:
            taken |= 1 << k
            kept.append(k)
    return centres[kept[:wanted]]


def _squared(here: NDArray, there: NDArray) -> NDArray[np.float64]:
    """Squared distances [n, m] between two sets of points [n, 2] and [m, 2]."""
    return np.square(here[:, :1] - there[:, 0]) + np.square(here[:, 1:] - there[:, 1])


MARGIN = 14.5
"""Micrometres around the field in which parts of cells may be drawn: the widest patch, where it leans out furthest."""
Stack = NDArray[np.float32]


@dataclass(frozen=True)
class Grid:
    """Coordinates about the centres of n cells, in pixels, on their patches of side P."""

    x: Stack
    """[n, 1, P]"""
    y: Stack
    """[n, P, 1]"""
    radius: Stack
    """Distance from the centre [n, P, P]."""
    direction: NDArray
    """Direction from the centre as a unit complex number [n, P, P]."""
    corner: NDArray[np.int64]
    """Top left corner of each patch on the canvas, row and column [n, 2]."""


def draw_field(
    slide: Slide, cells: Cells, size: int, pixels_per_um: float, rng: np.random.Generator
) -> tuple[NDArray[np.float32], NDArray[np.uint16]]:
    """Stain concentrations float32 [size, size, 3] and instance mask uint16 [size, size] of one field.

    The mask is 0 on background, 2 k + 1 in the nucleus and 2 k in the cytoplasm of white cell k = 1, 2, ...
    """
    margin = _margin(pixels_per_um)
    side = size + 2 * margin
    stain = np.zeros((side, side, 3), np.float32)
    mask = np.zeros((side, side), np.uint16)
    fine, coarse = (_noise(side, sigma * pixels_per_um, rng) for sigma in (0.28, 0.75))
    stain[:, :, EOSIN] += slide.haze * (1 + 0.2 * coarse)
    stain[:, :, AZURE] += 0.5 * slide.haze

    field = size / pixels_per_um
    radii = cells.diameter / np.float32(2)
    white = place_white(radii, field, rng)
    _lay_smudges(stain, fine, coarse, field, pixels_per_um, rng)
    _lay_red(stain, slide, white, radii, field, pixels_per_um, rng)
    _lay_platelets(stain, fine, field, pixels_per_um, rng)
    _lay_white(stain, mask, cells, white, fine, coarse, pixels_per_um, rng)
    inside = slice(margin, margin + size)
    return np.ascontiguousarray(stain[inside, inside]), _renumber(mask[inside, inside])


def _margin(pixels_per_um: float) -> int:
    return math.ceil(MARGIN * pixels_per_um) + 5


def _noise(side: int, sigma: float, rng: np.random.Generator) -> NDArray[np.float32]:
    """Smooth noise of unit variance, float32 [side, side]."""
    grain = random_bytes((side, side), rng).astype(np.float32)
    noise = cv2.GaussianBlur(grain, (0, 0), max(sigma, 0.3))
    mean, deviation = cv2.meanStdDev(noise)
    return (noise - np.float32(mean.item())) / np.float32(max(deviation.item(), 1e-6))


def _grid(centres: NDArray[np.float64], reach: float, ppu: float) -> Grid:
    """Patches that hold `reach` micrometres around each centre (row, column, micrometres from the field's corner)."""
    half = math.ceil(reach * ppu) + 1
    pixel = centres * ppu + _margin(ppu)
    corner = np.floor(pixel).astype(np.int64) - half
    axis = np.arange(2 * half + 1, dtype=np.float32)
    offset = (pixel - corner).astype(np.float32)
    y = (axis - offset[:, :1])[:, :, None]
    x = (axis - offset[:, 1:])[:, None, :]
    return Grid(x, y, *_polar(x, y), corner)


def _polar(x: Stack, y: Stack) -> tuple[Stack, NDArray]:
    """Distance from the origin, and direction as a unit complex number."""
    radius = np.sqrt(x * x + y * y)
    return radius, (x + 1j * y) / np.maximum(radius, np.float32(1e-3))


def _outline(direction: NDArray, radius: NDArray, waves: dict[int, float], rng: np.random.Generator) -> Stack:
    """Distance of an irregular outline from the centre in each direction: waves on a circle.

    `waves` maps the number of a wave's crests to its typical amplitude, a fraction of the radius.
    """
    n = len(radius)
    shape, power = np.ones(direction.shape, np.float32), direction
    for crests in range(2, max(waves) + 1):
        power = power * direction
        if crests in waves:
            size, phase = waves[crests] * rng.normal(size=n), rng.uniform(0, 2 * np.pi, n)
            shape += (power * (size * np.exp(1j * phase)).astype(np.complex64).reshape(-1, 1, 1)).real
    return shape * _per_cell(radius)


def _per_cell(values: NDArray | float) -> Stack:
    """One number a cell, shaped to act on its patch [n, 1, 1]."""
    return np.asarray(values, np.float32).reshape(-1, 1, 1)


def _inside(distance: Stack, soft: float) -> Stack:
    """Coverage 0..1 from the signed distance in pixels (positive inside), with an edge `soft` pixels wide."""
    return np.clip(distance / np.float32(max(soft, 1.0)) + 0.5, 0, 1)


def _windows(canvas: NDArray, grid: Grid) -> list[NDArray]:
    """Views of the canvas [H, W, ...] under each patch; the margin holds them all."""
    side = grid.radius.shape[1]
    return [canvas[row : row + side, column : column + side] for row, column in grid.corner]


def _lay_red(
    stain: NDArray, slide: Slide, white: NDArray, radii: NDArray, field: float, ppu: float, rng: np.random.Generator
) -> None:
    """Red cells: haemoglobin by thickness (biconcave: pallor in the middle, a darker edge), eosin or azure by pH."""
    centres = place_red(slide, white, radii, field, rng)
    if not len(centres):
        return
    n = len(centres)
    grid = _grid(centres, 1.25 * RED_RADIUS, ppu)
    radius = RED_RADIUS * ppu * np.clip(rng.normal(1, 0.07, n), 0.75, 1.2)
    outline = _outline(grid.direction, radius, {2: 0.05, 3: 0.018}, rng)
    crenated = np.flatnonzero(rng.random(n) < slide.crenation)
    if len(crenated):
        outline[crenated] += _outline(grid.direction[crenated], radius[crenated], {11: 0.03, 13: 0.025}, rng)
        outline[crenated] -= _per_cell(radius[crenated])
    cover = _inside(outline - grid.radius, 0.4 * ppu)
    depth = grid.radius / outline
    pallor = np.clip(rng.normal(slide.pallor, 0.18, n), 0.0, 0.95)
    pallor[crenated] *= 0.3
    hollow = np.square(depth / _per_cell(rng.uniform(0.42, 0.62, n)))
    thick = 1 - _per_cell(pallor) * np.exp(-hollow * hollow)
    thick += np.float32(0.20) * np.exp(-np.square((depth - np.float32(0.9)) / np.float32(0.10)))
    thick *= cover * _per_cell(np.clip(rng.normal(1, 0.10, n), 0.6, 1.4))
    sheet = np.zeros(stain.shape[:2], np.float32)
    for window, patch in zip(_windows(sheet, grid), thick, strict=True):
        window += patch
    # Cells that overlap have dried flat against each other: less than the sum of two.
    sheet = np.minimum(sheet, 0.5 + 0.5 * sheet)
    blue = 1 / (1 + math.exp(-1.3 * slide.alkaline))
    stain[:, :, EOSIN] += sheet * (0.05 + 0.20 * (1 - blue))
    stain[:, :, AZURE] += sheet * (0.03 + 0.15 * blue)
    stain[:, :, HAEMOGLOBIN] += sheet * 0.75


def _lay_platelets(stain: NDArray, fine: NDArray, field: float, ppu: float, rng: np.random.Generator) -> None:
    """Platelets: small, granular, violet."""
    n = int(rng.poisson(3.0))
    if not n:
        return
    grid = _grid(rng.uniform(0, field, (n, 2)), 2.6, ppu)
    outline = _outline(grid.direction, rng.uniform(0.7, 1.5, n) * ppu, {2: 0.16, 3: 0.10, 5: 0.08}, rng)
    cover = _inside(outline - grid.radius, 0.6 * ppu) * _per_cell(rng.uniform(0.35, 0.8, n))
    for window, grain, patch in zip(_windows(stain, grid), _windows(fine, grid), cover, strict=True):
        amount = patch * np.clip(0.9 + 0.3 * grain, 0.1, 2)
        window[:, :, EOSIN] += 0.65 * amount
        window[:, :, AZURE] += 0.75 * amount


def _lay_smudges(
    stain: NDArray, fine: NDArray, coarse: NDArray, field: float, ppu: float, rng: np.random.Generator
) -> None:
    """Smudge cells: burst nuclei, pale pink-violet, frayed, without cytoplasm; never in the mask."""
    n = int(rng.poisson(0.35))
    if not n:
        return
    grid = _grid(rng.uniform(0, field, (n, 2)), 11.5, ppu)
    outline = _outline(grid.direction, rng.uniform(5, 8, n) * ppu, {2: 0.14, 3: 0.08, 5: 0.05, 9: 0.03}, rng)
    cover = _inside(outline - grid.radius, 2.2 * ppu) * _per_cell(rng.uniform(0.25, 0.5, n))
    fibres = zip(_windows(stain, grid), _windows(fine, grid), _windows(coarse, grid), cover, strict=True)
    for window, small, large, patch in fibres:
        amount = patch * np.clip(1 + 0.12 * small + 0.25 * large, 0, 2)
        window[:, :, EOSIN] += 0.85 * amount
        window[:, :, AZURE] += 0.38 * amount


def _lay_white(
    stain: NDArray,
    mask: NDArray,
    cells: Cells,
    centres: NDArray,
    fine: NDArray,
    coarse: NDArray,
    ppu: float,
    rng: np.random.Generator,
) -> None:
    """Lymphoid cells: cytoplasm, nucleus with its chromatin, nucleoli and vacuoles; they cover what lies below."""
    cell_radius = cells.diameter * (ppu / 2)
    grid = _grid(centres, float(cells.diameter.max()) * 0.63, ppu)
    outline = _outline(grid.direction, cell_radius, {2: 0.055, 3: 0.03, 4: 0.02, 7: 0.006}, rng)
    body = _inside(outline - grid.radius, 0.3 * ppu)
    nucleus, inner = _nuclei(grid, cells, cell_radius, body, ppu, rng)

    small = np.stack(_windows(fine, grid))
    large = np.stack(_windows(coarse, grid))
    openness, clumping = _per_cell(cells.openness), _per_cell(cells.clumping)
    chromatin = 1.12 - 0.24 * openness + (0.04 + 0.13 * openness) * small + (0.02 + 0.24 * clumping) * large
    chromatin += 0.12 * np.exp(-((inner / (0.5 * ppu)) ** 2))  # condensed along the nuclear membrane
    chromatin = np.clip(chromatin, 0.35, 1.7)
    eosin, azure = 0.95 * chromatin, 0.80 * chromatin
    for number in range(MAX_NUCLEOLI):
        spot, ring = _spots(grid, cells.nucleoli > number, 0.5 * cell_radius, (0.65, 1.15), ppu, rng)
        pale = spot * _per_cell(cells.prominence)
        eosin *= 1 - 0.60 * pale + 0.25 * ring * _per_cell(cells.prominence)
        azure *= 1 - 0.28 * pale + 0.20 * ring * _per_cell(cells.prominence)

    edge = np.clip(grid.radius / outline, 0, 1)
    cytoplasm = _per_cell(cells.basophilia) * (0.24 + 0.22 * edge**4) * (1 + 0.06 * small)
    for number in range(MAX_VACUOLES):
        hole, _ = _spots(grid, cells.vacuoles > number, 0.85 * cell_radius, (0.35, 0.65), ppu, rng)
        cytoplasm *= 1 - 0.75 * hole
        azure *= 1 - 0.25 * hole
    eosin = nucleus * eosin + (1 - nucleus) * cytoplasm * 0.40
    azure = nucleus * azure + (1 - nucleus) * cytoplasm
    for k, window in enumerate(_windows(stain, grid)):
        window *= (1 - body[k])[:, :, None]
        window[:, :, EOSIN] += body[k] * eosin[k]
        window[:, :, AZURE] += body[k] * azure[k]
    for k, window in enumerate(_windows(mask, grid)):
        whole = body[k] >= 0.5
        window[whole] = 2 * (k + 1) + (nucleus[k][whole] >= 0.5)


def _nuclei(
    grid: Grid, cells: Cells, cell_radius: NDArray, body: Stack, ppu: float, rng: np.random.Generator
) -> tuple[Stack, Stack]:
    """Coverage of the nuclei and signed distance in pixels from the nuclear membrane (positive inside)."""
    n = len(cell_radius)
    radius = cell_radius * np.sqrt(cells.nuclear_ratio)
    shift = (cell_radius - radius) * np.sqrt(rng.uniform(0, 0.9, n))
    away = rng.uniform(0, 2 * np.pi, n)
    x = grid.x - _per_cell(shift * np.cos(away))
    y = grid.y - _per_cell(shift * np.sin(away))
    distance, direction = _polar(x, y)
    outline = _outline(direction, radius, {2: 0.04, 3: 0.025, 5: 0.012}, rng)
    # The cleft: a narrow notch, with the area given back elsewhere so that the N:C ratio stays.
    towards = np.exp(-1j * rng.uniform(0, 2 * np.pi, n)).astype(np.complex64).reshape(-1, 1, 1)
    notch = np.exp(((direction * towards).real - 1) / np.float32(0.06))
    depth = _per_cell(cells.indentation)
    outline *= 1 + 0.18 * depth - 1.2 * depth * notch
    inner = outline - distance
    return _inside(inner, 0.3 * ppu) * body, inner


def _spots(
    grid: Grid, present: NDArray, reach: NDArray, sizes: tuple[float, float], ppu: float, rng: np.random.Generator
) -> tuple[Stack, Stack]:
    """One round spot in each cell where `present`: its coverage and that of a thin ring around it, [n, P, P]."""
    n = len(present)
    far, angle = reach * np.sqrt(rng.random(n)), rng.uniform(0, 2 * np.pi, n)
    radius = rng.uniform(*sizes, n) * ppu
    spot, ring = np.zeros_like(grid.radius), np.zeros_like(grid.radius)
    for k in np.flatnonzero(present):
        x, y = far[k] * np.cos(angle[k]), far[k] * np.sin(angle[k])
        distance = np.float32(radius[k]) - _polar(grid.x[k] - np.float32(x), grid.y[k] - np.float32(y))[0]
        spot[k] = _inside(distance, 0.5 * ppu)
        ring[k] = np.exp(-np.square((distance + np.float32(0.25 * ppu)) / np.float32(0.3 * ppu)))
    return spot, ring


def _renumber(mask: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Number the instances in sight 1, 2, ... without gaps."""
    present = np.bincount((mask >> 1).ravel()) > 0
    present[0] = False
    number = np.where(present, np.cumsum(present), 0).astype(np.uint16)
    return (2 * number[mask >> 1] + (mask & 1)).astype(np.uint16)
