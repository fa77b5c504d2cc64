"""Small fingerprints of what a picture shows: a 64-bit difference hash and a grey thumbnail.

Both squeeze the whole image to a fixed square, so a resized copy has the same ones, also if a wide picture was
squeezed into a square file.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from leukoflow.quality.orientations import TURNED, laid

THUMBNAIL = 64
"""Side of the grey thumbnails, pixels."""


def grey_thumbnail(image: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Luminance (Rec. 601) averaged over 64 x 64 equal areas. uint8 [H, W, 3] RGB -> uint8 [64, 64]."""
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return np.asarray(cv2.resize(grey, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA), np.uint8)


def difference_hash(image: NDArray[np.uint8]) -> int:
    """64 bits, row by row from the highest: is an area brighter than its left neighbour, in 8 rows of 9 areas.

    A constant image has the hash 0.
    """
    grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    small = cv2.resize(grey, (9, 8), interpolation=cv2.INTER_AREA)
    return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "big")


def turned_hashes(thumbnails: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Hashes of thumbnails uint8 [n, 64, 64] in each of the eight positions (see `orientations`), uint64 [n, 8] twice:
    is an area brighter than its left neighbour, and is it brighter than the one above it."""
    areas = (
        np.stack([cv2.resize(thumbnail, size, interpolation=cv2.INTER_AREA) for thumbnail in thumbnails])
        for size in ((9, 8), (8, 9))
    )
    wide, high = areas
    hashes = np.empty((2, len(thumbnails), len(TURNED)), np.uint64)
    for position in range(len(TURNED)):
        for picture in (laid(wide, position), laid(high, position)):
            along = picture.shape[2] == 9
            bits = picture[:, :, 1:] > picture[:, :, :-1] if along else picture[:, 1:] > picture[:, :-1]
            packed = np.packbits(bits.reshape(len(thumbnails), -1), axis=1)
            hashes[0 if along else 1, :, position] = packed.view(">u8").ravel()
    return hashes[0], hashes[1]


def to_hex(value: int) -> str:
    """A hash as 16 hex digits."""
    return f"{value:016x}"


def from_hex(texts: list[str]) -> NDArray[np.uint64]:
    """Hashes from their hex digits, uint64 [n]."""
    return np.array([int(text, 16) for text in texts], np.uint64)
