"""Reading TIFF: the layouts that are taken, and their samples.

Read are one to four samples of 1, 2, 4, 8, 12 or 16 bits without a sign, side by side or in separate planes, in strips
or tiles, of either byte order, of classic or big TIFF; grey (either way round), RGB, palette and CMYK, with or without
alpha; uncompressed or LZW, deflate, PackBits (with or without differences between neighbours), CCITT, or JPEG in one
plane of 8 bits. Everything else is refused.

libtiff decompresses, through Pillow. It gets a directory of our own that describes each plane as a grey image, as wide
as its samples are many; what the samples mean is decided here. So no unusual combination meets code that was written
for another.
"""

import io
import struct
from collections.abc import Iterator, Mapping

import numpy as np
from PIL import Image, TiffImagePlugin
from PIL.TiffImagePlugin import ImageFileDirectory_v2, TiffImageFile

from leukoflow.images.samples import ImageError, Pixels, Samples, Stored, cmyk_to_rgb, eight_bits

TiffImagePlugin.READ_LIBTIFF = True  # Pillow's own reader of uncompressed files takes planes of 16 bits for 8

_SUBFILE, _WIDTH, _HEIGHT, _BITS, _COMPRESSION, _PHOTOMETRIC, _FILL_ORDER = 254, 256, 257, 258, 259, 262, 266
_STRIPS, _ORIENTATION, _SAMPLES, _ROWS, _STRIP_BYTES, _PLANES, _PREDICTOR = 273, 274, 277, 278, 279, 284, 317
_COLOURS, _TILE_WIDTH, _TILE_HEIGHT, _TILES, _TILE_BYTES, _EXTRA, _FORMAT = 320, 322, 323, 324, 325, 338, 339
_PROFILE = 34675
_FAX_OPTIONS = (292, 293)
_JPEG_TABLES, _SUBSAMPLING, _REFERENCE = 347, 530, 532
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _CMYK, _YCBCR = 0, 1, 2, 3, 5, 6
_COLOURANTS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1, _CMYK: 4, _YCBCR: 3}
_LOSSLESS, _CCITT, _JPEG = (1, 5, 8, 32773, 32946), (2, 3, 4), 7
_DIFFERENCES = 2
_ASSOCIATED, _UNASSOCIATED = 1, 2
_ALPHA = {_ASSOCIATED, _UNASSOCIATED, 999}  # the last is CorelDRAW's
_SUBORDINATE = 1 | 4
"""Subfile types of pages that repeat another: smaller (thumbnails, pyramids), or its transparency."""
Value = int | bytes | tuple[int, ...]
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
        pages = _directories(data)
        tags = self.tags = next(pages)
        if any(not _number(page, _SUBFILE, 0) & _SUBORDINATE for page in pages):
            raise ImageError("holds several frames; save the one that is meant as a file of its own")
        self.size = _number(tags, _WIDTH), _number(tags, _HEIGHT)
        self.compression = _number(tags, _COMPRESSION, 1)
        self.photometric = _number(tags, _PHOTOMETRIC)
        self.planes = _number(tags, _PLANES, 1)
        self.samples = _number(tags, _SAMPLES, 1)
        self.bits = _same(tags, _BITS, 1, "bits")
        self.tiled = _TILES in tags
        self._require_read()

    @property
    def orientation(self) -> int:
        """1 to 8, as in EXIF; 1 if the file states none that exists."""
        value = _number(self.tags, _ORIENTATION, 1)
        return value if value in range(1, 9) else 1

    @property
    def lossy(self) -> bool:
        """Whether its samples went through JPEG."""
        return self.compression == _JPEG

    def _require_read(self) -> None:
        if _same(self.tags, _FORMAT, 1, "sample formats") not in (1, 4) or self.bits > 16:
            raise ImageError("signed, floating-point or 32-bit samples; save it with 8 or 16 bits")
        if self.bits not in (1, 2, 4, 8, 12, 16):
            raise ImageError(f"a TIFF with samples of {self.bits} bits{_HOW}")
        if self.photometric not in _COLOURANTS:
            raise ImageError(f"a TIFF of photometric interpretation {self.photometric}{_HOW}")
        jpeg, ccitt = self.compression == _JPEG, self.compression in _CCITT
        if not jpeg and not ccitt and self.compression not in _LOSSLESS:
            raise ImageError(f"a TIFF of compression {self.compression}{_HOW}")
        if (self.photometric == _YCBCR and not jpeg) or (jpeg and (self.bits != 8 or self.planes != 1)):
            raise ImageError(f"a TIFF with JPEG and other compression, colours, bits and planes combined{_HOW}")
        if (ccitt and (self.bits, self.samples) != (1, 1)) or self.planes not in (1, 2):
            raise ImageError(f"a TIFF that combines compression {self.compression} and {self.samples} samples{_HOW}")
        further = self.samples - _COLOURANTS[self.photometric]
        unknown = self.photometric in (_WHITE_IS_ZERO, _BLACK_IS_ZERO) and not set(self._extra) & _ALPHA
        if not 0 <= further <= 8 or (further and (jpeg or unknown)):
            raise ImageError(f"a TIFF with {self.samples} samples a pixel{_HOW}")
        if _number(self.tags, _PREDICTOR, 1) not in (1, _DIFFERENCES):
            raise ImageError(f"a TIFF with predictor {_number(self.tags, _PREDICTOR)}{_HOW}")
        if self._differs and self.bits not in (8, 16):
            raise ImageError(f"a TIFF with a predictor on {self.bits} bits{_HOW}")

    @property
    def _differs(self) -> bool:
        return self.compression in (5, 8, 32946) and _number(self.tags, _PREDICTOR, 1) == _DIFFERENCES

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
            return Samples(cmyk_to_rgb(inks, self.tags.get(_PROFILE)), 255)
        if self.photometric == _WHITE_IS_ZERO:
            values = (top - values).astype(values.dtype)
        if alpha is not None and _ASSOCIATED in self._extra:
            wide = values.astype(np.uint64) * top // np.maximum(alpha, 1)[:, :, None]
            values = wide.clip(0, top).astype(values.dtype)
        if values.shape[2] == 1:
            values = values[:, :, 0]
        if self.photometric == _PALETTE:
            return Samples.indexed(values, self._colours(), alpha)
        return Samples(values, top, alpha=alpha)

    @property
    def _extra(self) -> tuple[int, ...]:
        given = self.tags.get(_EXTRA)
        if given is None:  # the fourth sample of RGB is alpha if there is no word on it
            return (_UNASSOCIATED,) if self.photometric == _RGB else ()
        return tuple(given) if isinstance(given, tuple) else (int(given),)

    def _alpha(self, extra: Stored) -> Stored | None:
        for number, kind in enumerate(self._extra[: extra.shape[2]]):
            if kind in _ALPHA:
                return extra[:, :, number]
        return None

    def _colours(self) -> Pixels:
        table = np.array(self.tags[_COLOURS], np.uint32).reshape(3, -1).T
        # Some writers give eight bits here, which the format does not allow.
        table = table if table.max(initial=0) < 256 else (table + 128) // 257
        palette = np.zeros((256, 3), np.uint8)
        palette[: len(table)] = table[:256]
        return palette

    def _plane(self, number: int, samples: int) -> Stored:
        """One plane, [H, W, samples], uint8 or uint16."""
        width, height = self.size
        changed = {_BITS: self.bits, _SAMPLES: 1, _PHOTOMETRIC: _BLACK_IS_ZERO, _WIDTH: width * samples}
        if self.tiled:
            changed[_TILE_WIDTH] = _number(self.tags, _TILE_WIDTH) * samples
        places, sizes = (_TILES, _TILE_BYTES) if self.tiled else (_STRIPS, _STRIP_BYTES)
        here = {tag: self._part(tag, number) for tag in (places, sizes)}
        found = self._decoded(changed | here).reshape(height, width, samples)
        if self.bits in (2, 4):
            found = found // (255 // (2**self.bits - 1))  # Pillow has scaled them
        found = found.astype(np.uint8 if self.bits <= 8 else np.uint16)
        if self._differs:
            step = _number(self.tags, _TILE_WIDTH) if self.tiled else width
            for start in range(0, width, step):
                tile = found[:, start : start + step]
                np.cumsum(tile, axis=1, dtype=found.dtype, out=tile)
        return found

    def _jpeg(self) -> Stored:
        """[H, W, samples], uint8; YCbCr comes as RGB."""
        kinds = {_WHITE_IS_ZERO: _BLACK_IS_ZERO}
        given = {_BITS: (8,) * self.samples, _SAMPLES: self.samples}
        given[_PHOTOMETRIC] = kinds.get(self.photometric, self.photometric)
        kept = (_TILE_WIDTH, _STRIPS, _STRIP_BYTES, _TILES, _TILE_BYTES, _JPEG_TABLES, _SUBSAMPLING, _WIDTH)
        found = self._decoded({tag: self.tags[tag] for tag in kept if tag in self.tags} | given)
        return found.reshape(*found.shape[:2], -1)

    def _part(self, tag: int, plane: int) -> tuple[int, ...]:
        """Of the places or sizes of all strips or tiles, those of one plane."""
        given = self.tags[tag]
        every = given if isinstance(given, tuple) else (given,)
        each, rest = divmod(len(every), self.samples if self.planes == 2 else 1)
        if rest or not each:
            raise ImageError("damaged (the TIFF's planes differ in their number of strips)")
        return every[plane * each : (plane + 1) * each]

    def _decoded(self, given: Mapping[int, Value]) -> np.ndarray:
        """What Pillow makes of the file with these tags, and those on compression and on rows."""
        kept = (_HEIGHT, _COMPRESSION, _FILL_ORDER, _ROWS, _TILE_HEIGHT, *_FAX_OPTIONS)
        tags = {**{tag: self.tags[tag] for tag in kept if tag in self.tags}, **given}
        image = _Band(io.BytesIO(_with_directory(self.data, tags)))
        image.load()
        return np.asarray(image)


def _with_directory(data: bytes, tags: Mapping[int, Value]) -> bytes:
    """A TIFF file as a classic one with these tags alone; the directory lies at its end."""
    order = "<" if data[:2] == b"II" else ">"
    start = len(data) + len(data) % 2
    entries, behind = b"", b""
    for tag, value in sorted(tags.items()):
        each = value if isinstance(value, (tuple, bytes)) else (value,)
        body = each if isinstance(each, bytes) else struct.pack(f"{order}{len(each)}I", *each)
        place = body.ljust(4, b"\0")
        if len(body) > 4:
            place = struct.pack(f"{order}I", start + 2 + 12 * len(tags) + 4 + len(behind))
            behind += body + bytes(len(body) % 2)
        entries += struct.pack(f"{order}HHI", tag, 7 if isinstance(each, bytes) else 4, len(each)) + place
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind
    header = data[:2] + struct.pack(f"{order}HI", 42, start)
    return header + data[len(header) :] + bytes(start - len(data)) + directory


def _directories(data: bytes) -> Iterator[ImageFileDirectory_v2]:
    stream = io.BytesIO(data)
    tags = ImageFileDirectory_v2(stream.read(16 if b"+" in data[2:4] else 8))
    seen = {0}
    while tags.next not in seen:
        seen.add(tags.next)
        stream.seek(tags.next)
        tags.load(stream)
        yield tags
    if tags.next:
        raise ImageError("damaged (the TIFF's directories form a circle, or one is cut off)")


def _number(tags: ImageFileDirectory_v2, tag: int, default: int | None = None) -> int:
    value = tags.get(tag, default)
    if isinstance(value, tuple) and len(value) == 1:
        value = value[0]
    if not isinstance(value, int):
        raise ImageError(f"damaged (TIFF tag {tag} is {'missing' if value is None else 'no number'})")
    return value


def _same(tags: ImageFileDirectory_v2, tag: int, default: int, what: str) -> int:
    value = tags.get(tag, default)
    each = set(value) if isinstance(value, tuple) else {value}
    if len(each) != 1:
        raise ImageError(f"a TIFF whose samples have different {what} ({', '.join(map(str, sorted(each)))}){_HOW}")
    return int(each.pop())
