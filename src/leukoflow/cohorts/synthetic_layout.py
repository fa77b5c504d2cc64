"""Where the cells of a smear lie, in micrometres from the field's upper left corner."""

import math

import numpy as np
from numpy.typing import NDArray

from leukoflow.cohorts.optics import Slide

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
    """Centres [n, 2] of red cells: scattered, or against an earlier one; beside white cells, not under them."""
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
