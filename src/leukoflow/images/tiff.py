"""Reading TIFF: the layouts that are taken, and their samples.

Read are one to four samples of 1, 2, 4, 8, 12 or 16 bits without a sign, side by side or in separate planes, in strips
or tiles, of either byte order, of classic or big TIFF; grey (either way round), RGB, palette and CMYK, with or without
alpha; uncompressed or LZW, deflate, PackBits (with or without differences between neighbours), or JPEG in one plane of
8 bits. Everything else is refused, fax compressions too: libtiff leaves what a damaged one lacks unwritten.

libtiff decompresses, through Pillow. It gets a directory of our own that describes each plane as a grey image, as wide
as its samples are many; what the samples mean is decided here. So no unusual combination meets code that was written
for another. JPEG strips and tiles are read as the JPEG files that they are.
"""

import io
import re
import struct
from collections.abc import Iterator
from enum import IntEnum

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.TiffImagePlugin import TiffImageFile

from leukoflow.images.jpeg import Jpeg
from leukoflow.images.samples import ImageError, Pixels, Samples, Stored, cmyk_to_rgb, eight_bits

Value = int | bytes | tuple[int, ...]
Tags = dict[int, Value]


class Tag(IntEnum):
    """Tags by number (TIFF 6.0)."""

    SUBFILE = 254
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    DESCRIPTION = 270
    STRIPS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS = 278
    STRIP_BYTES = 279
    MAXIMUM = 281
    PLANES = 284
    PREDICTOR = 317
    COLOURS = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILES = 324
    TILE_BYTES = 325
    EXTRA = 338
    FORMAT = 339
    S_MAXIMUM = 341
    JPEG_TABLES = 347
    PROFILE = 34675


_USED = frozenset(Tag)
_TYPES = {1: "B", 2: "s", 3: "H", 4: "I", 7: "s", 13: "I", 16: "Q", 18: "Q"}
"""Of values, by the number of their type: whole numbers, text and bytes. Others are not needed."""


def with_directory(data: bytes, order: str, tags: Tags) -> bytes:
    """A TIFF file as a classic one with these tags alone; the directory lies at its end."""
    start = len(data) + len(data) % 2
    entries, behind = b"", b""
    for tag, value in sorted(tags.items()):
        values = value if isinstance(value, tuple) else (value,)
        body = struct.pack(f"{order}{len(values)}I", *values)
        if len(values) > 1:
            offset = start + 2 + 12 * len(tags) + 4 + len(behind)
            body, behind = struct.pack(f"{order}I", offset), behind + body
        entries += struct.pack(f"{order}HHI", tag, 4, len(values)) + body
    header = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind
    return header + data[len(header) :] + bytes(start - len(data)) + directory


def directories(data: bytes) -> Iterator[Tags]:
    """The tags of each page, unread types left out. Raises ImageError or struct.error for what is cut off."""
    order, big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    count, entry, word = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    (offset,) = struct.unpack_from(order + word, data, 8 if big else 4)
    seen = set()
    while offset:
        if offset in seen:
            raise ImageError("damaged (the TIFF's directories form a circle)")
        seen.add(offset)
        (entries,) = struct.unpack_from(order + count, data, offset)
        offset += struct.calcsize(order + count)
        tags: Tags = {}
        for _ in range(entries):
            tag, kind, number, body = struct.unpack_from(order + entry, data, offset)
            offset += struct.calcsize(order + entry)
            if tag in _USED and kind in _TYPES:
                size = number * struct.calcsize(order + _TYPES[kind])
                if size > len(body):
                    (start,) = struct.unpack(order + word, body)
                    body = data[start : start + size]
                if len(body) < size:
                    raise ImageError(f"damaged or truncated (TIFF tag {tag} is cut off)")
                code = f"{number}s" if _TYPES[kind] == "s" else f"{number}{_TYPES[kind]}"
                value = struct.unpack(order + code, body[:size])
                tags.setdefault(tag, value[0] if len(value) == 1 else value)
        (offset,) = struct.unpack_from(order + word, data, offset)
        yield tags


TiffImagePlugin.READ_LIBTIFF = True  # Pillow's own reader of uncompressed files takes planes of 16 bits for 8

_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURANTS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_NONE, _LZW, _JPEG, _DEFLATE, _PACKBITS = 1, 5, 7, (8, 32946), 32773
_NAMES = {
    **dict.fromkeys((2, 3, 4), "fax compression"),
    6: "old-style JPEG compression",
    34712: "JPEG 2000 compression",
    34925: "LZMA compression",
    50000: "Zstandard compression",
    50001: "WebP compression",
}
_DIFFERENCES = 2
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ALPHA = {_ASSOCIATED, _UNASSOCIATED, 999}  # the last is CorelDRAW's
_SUBORDINATE = 1 | 4
"""Subfile types of pages that repeat another: smaller (thumbnails, pyramids), or its transparency."""
_OME_BITS = re.compile(rb'<(?:\w+:)?Pixels[^>]*\bSignificantBits="(\d{1,2})"')
_LARGEST_TILE = 2**24
_HOW = "; save it as PNG, or as uncompressed RGB TIFF of 8 or 16 bits"


class _Band(TiffImageFile):
    def load_prepare(self) -> None:
        # The size was checked before. Pillow's own limit is one for the whole process.
        self.im = Image.new(self.mode, self.size).im
        super().load_prepare()


class Tiff:
    """The picture of a TIFF file, its header read. Raises ImageError for several pictures and for unread layouts."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        pages = directories(data)
        tags = self.tags = next(pages)
        if any(not _number(page, Tag.SUBFILE, 0) & _SUBORDINATE for page in pages):
            raise ImageError("holds several frames; save the one that is meant as a file of its own")
        self.size = _number(tags, Tag.WIDTH), _number(tags, Tag.HEIGHT)
        self.compression = _number(tags, Tag.COMPRESSION, 1)
        self.photometric = _number(tags, Tag.PHOTOMETRIC)
        self.planes = _number(tags, Tag.PLANES, 1)
        self.samples = _number(tags, Tag.SAMPLES, 1)
        self.bits = _same(tags, Tag.BITS, 1, "bits")
        self.tiled = Tag.TILES in tags
        self._require_read()

    @property
    def orientation(self) -> int:
        """1 to 8, as in EXIF; 1 if the file states none that exists."""
        value = _number(self.tags, Tag.ORIENTATION, 1)
        return value if value in range(1, 9) else 1

    @property
    def lossy(self) -> bool:
        """Whether its samples went through JPEG."""
        return self.compression == _JPEG

    def _require_read(self) -> None:
        if _same(self.tags, Tag.FORMAT, 1, "sample formats") not in (1, 4) or self.bits > 16:
            raise ImageError("signed, floating-point or 32-bit samples; save it with 8 or 16 bits")
        if self.bits not in (1, 2, 4, 8, 12, 16):
            raise ImageError(f"a TIFF with samples of {self.bits} bits{_HOW}")
        if self.bits > 8 and _number(self.tags, Tag.FILL_ORDER, 1) != 1:
            raise ImageError(f"a TIFF of {self.bits} bits in reverse order{_HOW}")
        if self.bits > 8 and self.photometric == _PALETTE:
            raise ImageError(f"a TIFF with a palette of {2**self.bits:,} colours{_HOW}")
        if self.photometric not in _COLOURANTS:
            raise ImageError(f"a TIFF of photometric interpretation {self.photometric}{_HOW}")
        jpeg = self.compression == _JPEG
        if not jpeg and self.compression not in (_NONE, _LZW, *_DEFLATE, _PACKBITS):
            raise ImageError(f"a TIFF of {_NAMES.get(self.compression, f'compression {self.compression}')}{_HOW}")
        if self.photometric == _YCBCR and not jpeg:
            raise ImageError(f"a TIFF of YCbCr colours without JPEG compression{_HOW}")
        if jpeg and (self.bits, self.planes) != (8, 1):
            raise ImageError(f"a JPEG-compressed TIFF of {self.bits} bits or in separate planes{_HOW}")
        if jpeg and self.photometric in (_PALETTE, _CMYK):
            raise ImageError(f"a JPEG-compressed TIFF of palette or CMYK colours{_HOW}")
        if self.planes not in (1, 2):
            raise ImageError(f"damaged (planar configuration {self.planes})")
        further = self.samples - _COLOURANTS[self.photometric]
        unknown = self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and not set(self._extra) & _ALPHA
        if not 0 <= further <= 8 or (further and (jpeg or unknown)):
            raise ImageError(f"a TIFF with {self.samples} samples a pixel{_HOW}")
        if _number(self.tags, Tag.PREDICTOR, 1) not in (1, _DIFFERENCES):
            raise ImageError(f"a TIFF with predictor {_number(self.tags, Tag.PREDICTOR)}{_HOW}")
        if self._differs and self.bits not in (8, 16):
            raise ImageError(f"a TIFF with a predictor on {self.bits} bits{_HOW}")
        across, down = self._step
        if across <= 0 or down <= 0 or across * down > max(_LARGEST_TILE, self.size[0] * self.size[1]):
            raise ImageError(f"damaged (a TIFF in tiles or strips of {across} x {down})")

    @property
    def _differs(self) -> bool:
        return self.compression in (_LZW, *_DEFLATE) and _number(self.tags, Tag.PREDICTOR, 1) == _DIFFERENCES

    def read(self) -> Samples:
        """The samples, not turned yet. Raises ImageError or what Pillow raises for damaged files."""
        top = 2**self.bits - 1
        if self.compression == _JPEG:
            stored = self._jpeg()
        elif self.planes == 1:
            stored = self._plane(0, self.samples)
        else:
            stored = np.concatenate([self._plane(number, 1) for number in range(self.samples)], axis=2)
        colourants = _COLOURANTS[self.photometric]
        values, extra = stored[:, :, :colourants], stored[:, :, colourants:]
        alpha = self._alpha(extra)
        if self.photometric == _CMYK:
            inks = Image.fromarray(np.ascontiguousarray(eight_bits(values, top)), "CMYK")
            profile = self.tags.get(Tag.PROFILE)
            return Samples(cmyk_to_rgb(inks, profile if isinstance(profile, bytes) else None), 255)
        if self.photometric == _WHITE_IS_ZERO:
            values = (top - values).astype(values.dtype)
        if alpha is not None and _ASSOCIATED in self._extra:
            wide = values.astype(np.uint64) * top // np.maximum(alpha, 1)[:, :, None]
            values = wide.clip(0, top).astype(values.dtype)
        if values.shape[2] == 1:
            values = values[:, :, 0]
        if self.photometric == _PALETTE:
            return Samples.indexed(values, self._colours(), alpha)
        return Samples(values, top, alpha=alpha, stated=self._stated())

    def _stated(self) -> int | None:
        """The level that stands for white by the file's own word: the greatest of the bits that its samples fill."""
        description = self.tags.get(Tag.DESCRIPTION)
        bits = [int(digits) for digits in _OME_BITS.findall(description)] if isinstance(description, bytes) else []
        for tag in (Tag.MAXIMUM, Tag.S_MAXIMUM):
            bits += [value.bit_length() for value in _numbers(self.tags, tag)] if tag in self.tags else []
        return 2 ** max(8, *bits) - 1 if bits and max(bits) < self.bits else None

    @property
    def _extra(self) -> tuple[int, ...]:
        if Tag.EXTRA not in self.tags:  # the fourth sample of RGB is alpha if there is no word on it
            return (_UNASSOCIATED,) if self.photometric == _RGB else ()
        return _numbers(self.tags, Tag.EXTRA)

    def _alpha(self, extra: Stored) -> Stored | None:
        for number, kind in enumerate(self._extra[: extra.shape[2]]):
            if kind in _ALPHA:
                return extra[:, :, number]
        return None

    def _colours(self) -> Pixels:
        table = np.array(_numbers(self.tags, Tag.COLOURS), np.uint32).reshape(3, -1).T
        # Some writers give eight bits here, which the format does not allow.
        table = table if table.max(initial=0) < 256 else (table + 128) // 257
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(table)] = table[:256]
        return palette

    def _plane(self, number: int, samples: int) -> Stored:
        """One plane, [H, W, samples], uint8 or uint16."""
        width, height = self.size
        tags: Tags = {Tag.BITS: self.bits, Tag.SAMPLES: 1, Tag.PHOTOMETRIC: _BLACK_IS_ZERO, Tag.WIDTH: width * samples}
        if self.tiled:
            tags[Tag.TILE_WIDTH] = self._step[0] * samples
        tags.update({tag: self._part(tag, number) for tag in self._where})
        plane = self._decoded(tags).reshape(height, width, samples)
        if self.bits in (2, 4):
            plane = plane // (255 // (2**self.bits - 1))  # Pillow has scaled them
        plane = plane.astype(np.uint8 if self.bits <= 8 else np.uint16)
        if self._differs:
            step = self._step[0]
            for start in range(0, width, step):
                tile = plane[:, start : start + step]
                np.cumsum(tile, axis=1, dtype=plane.dtype, out=tile)
        return plane

    def _jpeg(self) -> Stored:
        """[H, W, samples], uint8; YCbCr comes as RGB. Each strip or tile is a JPEG of its own."""
        width, height = self.size
        across, down = self._step
        columns, rows = -(-width // across), -(-height // down)
        places, sizes = (self._part(tag, 0) for tag in self._where)
        if not len(places) == len(sizes) == columns * rows:
            raise ImageError("damaged (the TIFF has not as many strips as it needs)")
        image = np.zeros((height, width, self.samples), np.uint8)
        for number, (start, length) in enumerate(zip(places, sizes, strict=True)):
            y, x = number // columns * down, number % columns * across
            jpeg = Jpeg(self._stream(self.data[start : start + length]))
            wide, high = across, min(down, height - y)
            if jpeg.size[0] != wide or not high <= jpeg.size[1] <= down:
                raise ImageError("damaged (a strip of the TIFF has another size than its JPEG)")
            part = jpeg.read().values.reshape(jpeg.size[1], wide, self.samples)
            image[y : y + high, x : x + wide] = part[:high, : width - x]
        return image

    def _stream(self, part: bytes) -> bytes:
        """A strip or tile as a whole JPEG file, which says what its three samples are."""
        tables = bytes(self.tags.get(Tag.JPEG_TABLES, b""))[2:-2]
        coding = int(self.photometric == _YCBCR)
        says = b"\xff\xee\0\x0eAdobe\0\x64\0\0\0\0" + bytes([coding]) if self.samples == 3 else b""
        return part[:2] + says + tables + part[2:]

    @property
    def _step(self) -> tuple[int, int]:
        """Width and height of a tile or strip."""
        width, height = self.size
        if self.tiled:
            return _number(self.tags, Tag.TILE_WIDTH), _number(self.tags, Tag.TILE_HEIGHT)
        return width, min(_number(self.tags, Tag.ROWS, height), height)

    @property
    def _where(self) -> tuple[int, int]:
        return (Tag.TILES, Tag.TILE_BYTES) if self.tiled else (Tag.STRIPS, Tag.STRIP_BYTES)

    def _part(self, tag: int, plane: int) -> tuple[int, ...]:
        """Of the places or sizes of all strips or tiles, those of one plane."""
        every = _numbers(self.tags, tag)
        count, rest = divmod(len(every), self.samples if self.planes == 2 else 1)
        if rest or not count:
            raise ImageError("damaged (the TIFF's planes differ in their number of strips)")
        return every[plane * count : (plane + 1) * count]

    def _decoded(self, added: Tags) -> np.ndarray:
        """What Pillow makes of the file with these tags, and those on compression and on rows."""
        kept = (Tag.HEIGHT, Tag.COMPRESSION, Tag.FILL_ORDER, Tag.ROWS, Tag.TILE_HEIGHT)
        # Only samples of 16 bits have an order of bytes, and Pillow takes twelve bits in one order alone.
        order = ">" if self.bits == 16 and self.data.startswith(b"MM") else "<"
        tags = {tag: self.tags[tag] for tag in kept if tag in self.tags}
        image = _Band(io.BytesIO(with_directory(self.data, order, tags | added)))
        image.load()
        return np.asarray(image)


def _numbers(tags: Tags, tag: int) -> tuple[int, ...]:
    """The values of a tag. Raises ImageError if it is missing or holds none."""
    value = tags.get(tag)
    if value is None or isinstance(value, bytes):
        raise ImageError(f"damaged (TIFF tag {tag} is {'missing' if value is None else 'no number'})")
    return value if isinstance(value, tuple) else (value,)


def _number(tags: Tags, tag: int, default: int | None = None) -> int:
    return default if default is not None and tag not in tags else _numbers(tags, tag)[0]


def _same(tags: Tags, tag: int, default: int, what: str) -> int:
    """The value that a tag has for every sample."""
    values = set(_numbers(tags, tag)) if tag in tags else {default}
    if len(values) != 1:
        raise ImageError(f"a TIFF whose samples have different {what} ({', '.join(map(str, sorted(values)))}){_HOW}")
    return values.pop()
