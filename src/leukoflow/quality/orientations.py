"""The eight ways to lay a picture: as it is, turned by quarter turns, and the mirror images of these.

Position k is: mirrored left to right if k is odd after turning by k // 2 quarter turns against the clock.
"""

import numpy as np

TURNED = (
    "as it is",
    "mirrored left to right",
    "turned by 90 degrees",
    "turned by 90 degrees and mirrored",
    "turned by 180 degrees",
    "mirrored top to bottom",
    "turned by 270 degrees",
    "turned by 270 degrees and mirrored",
)
"""Each position in words."""
INVERSE = (0, 1, 6, 3, 4, 5, 2, 7)
"""The position that undoes each."""


def laid(pictures: np.ndarray, position: int) -> np.ndarray:
    """Pictures [..., H, W] in one of the eight positions: a view [..., H, W] or [..., W, H]."""
    turned = np.rot90(pictures, position // 2, axes=(-2, -1))
    return turned[..., ::-1] if position % 2 else turned
