"""Section `views`: renditions of a cohort, as the networks see them."""

from typing import Literal

from pydantic import Field

from leukoflow.config.base import Section

WHOLE = ("plain", "normalised", "grey")
"""Kinds that need nothing but the picture; others need its cells."""


class Reinhard(Section):
    """Reference stain: mean and standard deviation of L, a, b (CIELAB, D65) over the foreground."""

    mean: tuple[float, float, float] = (76.0, 8.0, -22.0)
    """Mean of L (0 to 100), a and b (about -128 to 127)."""
    sd: tuple[float, float, float] = (8.0, 12.5, 13.5)
    """Standard deviation of L, a and b."""


class Clahe(Section):
    """Contrast-limited adaptive histogram equalisation of L."""

    clip: float = Field(2.0, gt=0)
    """Clip limit, relative to a flat histogram."""
    tiles: int = Field(8, ge=1, le=64)
    """Tiles along each side."""


class View(Section):
    """One rendition; all start from the letterboxed image with its scale bar painted out."""

    kind: Literal["plain", "normalised", "grey", "background", "masked", "cells"]
    """`plain` as it is; `normalised` by Reinhard, then CLAHE; `grey` luminance only; `background` everything but
    cells; `masked` white cells only; `cells` one picture for each white cell, all at the same scale."""
    size: int = Field(224, ge=16, le=2048)
    """Side of the square rendition, pixels."""
    um_per_pixel: float = Field(0.25, gt=0)
    """Scale of `cells`, micrometres a pixel."""
    reinhard: Reinhard = Reinhard()
    """Reference stain of `normalised`."""
    clahe: Clahe = Clahe()
    """Contrast equalisation of `normalised`."""
