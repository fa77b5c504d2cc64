"""Reading PNG: all bit depths and colour types, interlaced or not, with palettes and transparency.

A PNG is complete when its chunks lead to IEND, the checksums of those that matter are right, and its data hold every
row: Pillow leaves rows black that are not there.
"""

import io
import zlib
from collections.abc import Iterator

import numpy as np
from PIL.PngImagePlugin import PngImageFile

from leukoflow.images.exif import stated_orientation
from leukoflow.images.samples import ImageError, Pixels, Samples, Stored

_GREY, _RGB, _PALETTE, _GREY_ALPHA, _RGB_ALPHA = 0, 2, 3, 4, 6
_CHANNELS = {_GREY: 1, _RGB: 3, _PALETTE: 1, _GREY_ALPHA: 2, _RGB_ALPHA: 4}
_PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
"""First column and row, and steps, of the seven passes of an interlaced image."""
_AT_ONCE = 2**20


class Png:
    """A PNG file, its header read. Raises ImageError if it is cut off, damaged or holds several frames."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.chunks = list(_chunks(data))
        self.image = PngImageFile(io.BytesIO(data))
        if self.image.is_animated:
            raise ImageError("holds several frames; save the one that is meant as a file of its own")
        self.size = self.image.size
        self.bits, self.kind, self.interlaced = data[24], data[25], data[28] == 1

    @property
    def orientation(self) -> int:
        """1 to 8, as in EXIF."""
        return stated_orientation(self.image)

    def read(self) -> Samples:
        """The samples, not turned yet."""
        top = 2**self.bits - 1
        values = self._deep() if self.bits == 16 else _loaded(self.image)
        if self.interlaced or not values[-1].any():  # Pillow leaves rows 0 that are not there
            self._require_every_row()
        if self.kind == _PALETTE:
            return Samples.indexed(values, *self._palette(values))
        if self.bits in (2, 4):
            values = values // (255 // top)  # Pillow has scaled them
        if self.kind == _GREY_ALPHA:
            return Samples(values[:, :, 0], top, alpha=values[:, :, 1], stated=self._stated(values[:, :, 0]))
        if self.kind == _RGB_ALPHA:
            return Samples(values[:, :, :3], top, alpha=values[:, :, 3], stated=self._stated(values[:, :, :3]))
        clear = self._first(b"tRNS")
        if clear is None:
            return Samples(values, top, stated=self._stated(values))
        level = np.frombuffer(clear, ">u2", _CHANNELS[self.kind]) & top
        seen = (values.reshape(*values.shape[:2], -1) != level).any(axis=2)
        alpha = seen.astype(values.dtype) * values.dtype.type(top)
        return Samples(values, top, alpha=alpha, stated=self._stated(values))

    def _stated(self, values: Stored) -> int | None:
        """The greatest level of the significant bits, of samples that were not shifted up as the format asks."""
        bits = max((self._first(b"sBIT") or b"\x10")[: 1 if values.ndim == 2 else 3])
        if self.bits < 16 or not 8 <= bits < 16 or values.max() >= 2**bits:
            return None
        # What was shifted up ends in zeros, or in a one where it was scaled and rounded.
        return 2**bits - 1 if (values % 2 ** (16 - bits) > 1).any() else None

    def _first(self, name: bytes) -> bytes | None:
        """The body of the first chunk of that name."""
        return next((body for kind, body in self.chunks if kind == name), None)

    def _deep(self) -> Stored:
        """[H, W] or [H, W, channels], uint16."""
        if self.kind == _GREY:
            self.image.load()
            return np.asarray(self.image).astype(np.uint16)
        if self.kind == _GREY_ALPHA:  # the four bytes of a pixel, as if they were four channels
            self.image.tile = [self.image.tile[0]._replace(args="RGBA")]
            return _loaded(self.image).view(">u2").astype(np.uint16)
        # Pillow keeps the upper bytes of colours alone. Read in the other byte order, these are the lower ones.
        lower = PngImageFile(io.BytesIO(self.data))
        lower.tile = [lower.tile[0]._replace(args=f"{lower.mode};16L")]
        return _loaded(self.image).astype(np.uint16) << 8 | _loaded(lower)

    def _palette(self, indices: Pixels) -> tuple[Pixels, Pixels | None]:
        """The colours [256, 3], and the opacity of the pixels if any is transparent."""
        colours, opacity = np.zeros((256, 3), np.uint8), np.full(256, 255, np.uint8)
        entries = np.frombuffer(self._first(b"PLTE") or b"", np.uint8).reshape(-1, 3)
        colours[: len(entries)] = entries
        clear = self._first(b"tRNS")
        if clear is None:
            return colours, None
        opacity[: len(clear)] = np.frombuffer(clear, np.uint8)
        return colours, opacity[indices]

    def _require_every_row(self) -> None:
        width, height = self.size
        bits = self.bits * _CHANNELS[self.kind]
        missing = 0
        for column, row, across, down in _PASSES if self.interlaced else ((0, 0, 1, 1),):
            columns, rows = -(-(width - column) // across), -(-(height - row) // down)
            missing += rows * (1 + -(-columns * bits // 8)) if columns > 0 and rows > 0 else 0
        inflate = zlib.decompressobj()
        for name, body in self.chunks:
            rest = body if name == b"IDAT" else b""
            while rest and missing > 0:
                missing -= len(inflate.decompress(rest, _AT_ONCE))
                rest = inflate.unconsumed_tail
        while missing > 0 and (more := inflate.decompress(b"", _AT_ONCE)):
            missing -= len(more)
        if missing > 0:
            raise ImageError("truncated: the PNG's data end before its last row")


def _loaded(image: PngImageFile) -> Pixels:
    image.load()
    return np.asarray(image, np.uint8)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Name and body of the chunks (length, name, body, checksum) up to IEND."""
    position = 8
    while position + 12 <= len(data):
        end = position + 8 + int.from_bytes(data[position : position + 4], "big")
        name, body = data[position + 4 : position + 8], data[position + 8 : end]
        if not name[0] & 32 and zlib.crc32(data[position + 4 : end]) != int.from_bytes(data[end : end + 4], "big"):
            raise ImageError(f"truncated or damaged: the checksum of the PNG's chunk {name!r} is wrong")
        yield name, body
        if name == b"IEND":
            return
        position = end + 4
    raise ImageError("truncated: the PNG ends before its IEND chunk")
