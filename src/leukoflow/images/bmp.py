"""Reading BMP: 1, 4 or 8 bits with a palette, 16, 24 or 32 bits, bottom-up or top-down, not compressed.

Pillow takes some palettes of grey levels for another bit depth and gives wrong pixels, so the file is unpacked here.
"""

import struct

import numpy as np

from leukoflow.images.samples import ImageError, Pixels, Samples, eight_bits

_CORE, _INFO = 12, 40
_NONE, _MASKS, _ALPHA_MASKS = 0, 3, 6
_USUAL = {16: (0x7C00, 0x3E0, 0x1F, 0), 24: (0xFF0000, 0xFF00, 0xFF, 0), 32: (0xFF0000, 0xFF00, 0xFF, 0)}
"""Masks of red, green, blue and alpha if the file gives none."""


class Bmp:
    """A BMP file, its header read. Raises ImageError for compressed ones, struct.error for what is cut off."""

    orientation = 1

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.start, self.header = struct.unpack_from("<II", data, 10)
        compression = self.colours = 0
        if self.header == _CORE:
            width, height, _, self.bits = struct.unpack_from("<HHHH", data, 18)
        elif self.header >= _INFO:
            width, height, _, self.bits, compression = struct.unpack_from("<iiHHI", data, 18)
            (self.colours,) = struct.unpack_from("<I", data, 46)
        else:
            raise ImageError(f"damaged (a BMP header of {self.header} bytes)")
        self.masked = compression in (_MASKS, _ALPHA_MASKS) and self.bits in (16, 32)
        if not (self.masked or compression == _NONE) or self.bits not in (1, 4, 8, 16, 24, 32):
            raise ImageError(f"a BMP of {self.bits} bits and compression {compression}; save it as PNG")
        if width <= 0 or height == 0:
            raise ImageError(f"damaged (a BMP of {width} x {height} pixels)")
        self.size, self.top_down = (width, abs(height)), height < 0

    def read(self) -> Samples:
        """The samples: levels or indices of a palette, or RGB."""
        width, height = self.size
        stride = (width * self.bits + 31) // 32 * 4
        if self.start + stride * height > len(self.data):
            raise ImageError("truncated: the BMP ends before its last row")
        rows = np.frombuffer(self.data, np.uint8, stride * height, self.start).reshape(height, stride)
        rows = rows if self.top_down else rows[::-1]
        if self.bits <= 8:
            bits = np.unpackbits(rows, axis=1).reshape(height, -1, self.bits)[:, :width]
            indices = np.packbits(bits, axis=2)[:, :, 0] >> (8 - self.bits)
            return Samples.indexed(indices, self._palette())
        if self.bits == 24:
            return Samples(np.ascontiguousarray(rows[:, : 3 * width].reshape(height, width, 3)[:, :, ::-1]), 255)
        return self._by_masks(np.ascontiguousarray(rows).view(f"<u{self.bits // 8}")[:, :width].astype(np.uint32))

    def _palette(self) -> Pixels:
        size = 3 if self.header == _CORE else 4
        first = 14 + self.header
        count = min(self.colours or 2**self.bits, 2**self.bits, (self.start - first) // size)
        entries = np.frombuffer(self.data, np.uint8, size * count, first).reshape(count, size)
        palette = np.zeros((256, 3), np.uint8)
        palette[:count] = entries[:, 2::-1]
        return palette

    def _by_masks(self, pixels: np.ndarray) -> Samples:
        masks = _USUAL[self.bits]
        if self.masked:  # behind the header of 40 bytes, or part of a longer one
            has_alpha = self.header >= 56
            masks = struct.unpack_from("<IIII" if has_alpha else "<III", self.data, 54) + (() if has_alpha else (0,))
        channels = [_channel(pixels, mask) for mask in masks]
        # Many writers leave the fourth byte 0 everywhere and mean an opaque image.
        alpha = channels[3] if masks[3] and channels[3].any() else None
        return Samples(np.stack(channels[:3], axis=2), 255, alpha=alpha)


def _channel(pixels: np.ndarray, mask: int) -> Pixels:
    if not mask:
        return np.zeros(pixels.shape, np.uint8)
    shift = (mask & -mask).bit_length() - 1
    top = mask >> shift
    if top & (top + 1) or top > 65535:
        raise ImageError("a BMP with unusual colour masks; save it as PNG")
    return eight_bits((pixels & np.uint32(mask)) >> np.uint32(shift), top)
