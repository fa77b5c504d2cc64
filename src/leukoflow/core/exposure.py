"""Exposures that are implausible for a smear, as those of files whose samples were scaled by a wrong range."""

import pandas as pd

BLACK, WHITE, FLAT = "nearly black", "nearly white", "nearly without contrast"
LEAST_LIGHT = 40
"""CIELAB lightness that the empty field or the cells of a smear reach; 12 bits taken for 16 give 5, 14 bits 25."""
MOST_LIGHT = 96
"""Lightness above which cells cannot be told from the empty field."""
LEAST_SPREAD = 8
"""Lightness between the darkest and the lightest tenths or so of a picture."""
FULL = 65535
SAMPLES = ("top", "greatest")
"""Columns of the quality table: the level of a file's samples that stands for white, and their greatest level."""


def implausible(quality: pd.DataFrame) -> pd.Series:
    """Of each image of a quality table, what is wrong with its exposure; none if nothing is."""
    lightness = quality[["foreground_L_mean", "background_L_mean"]].astype(float).to_numpy()
    deviation = quality[["foreground_L_sd", "background_L_sd"]].astype(float).to_numpy()
    spread = (lightness + 1.3 * deviation).max(1) - (lightness - 1.3 * deviation).min(1)
    faults = pd.Series(None, quality.index, dtype="object")
    faults[spread < LEAST_SPREAD] = FLAT
    faults[lightness.min(1) > MOST_LIGHT] = WHITE
    faults[lightness.max(1) < LEAST_LIGHT] = BLACK
    return faults


def bits_filled(quality: pd.DataFrame) -> int | None:
    """Bits that the samples of a cohort's 16-bit files fill; none if they fill all, or there are no such files."""
    deep = quality.loc[quality["top"] == FULL, "greatest"]
    bits = int(deep.max()).bit_length() if len(deep) else 16
    return bits if bits < 16 else None
