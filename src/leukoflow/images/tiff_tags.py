"""The directories of a TIFF file: the tags that reading its pixels needs, read and written."""

import struct
from collections.abc import Iterator
from enum import IntEnum

from leukoflow.images.samples import ImageError

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
        each = value if isinstance(value, tuple) else (value,)
        body = struct.pack(f"{order}{len(each)}I", *each)
        if len(each) > 1:
            place = start + 2 + 12 * len(tags) + 4 + len(behind)
            body, behind = struct.pack(f"{order}I", place), behind + body
        entries += struct.pack(f"{order}HHI", tag, 4, len(each)) + body
    header = (b"II" if order == "<" else b"MM") + struct.pack(f"{order}HI", 42, start)
    directory = struct.pack(f"{order}H", len(tags)) + entries + bytes(4) + behind
    return header + data[len(header) :] + bytes(start - len(data)) + directory


def directories(data: bytes) -> Iterator[Tags]:
    """The tags of each page, unread types left out. Raises ImageError or struct.error for what is cut off."""
    order, big = "<" if data[:2] == b"II" else ">", b"+" in data[2:4]
    count, entry, word = ("Q", "HHQ8s", "Q") if big else ("H", "HHI4s", "I")
    (place,) = struct.unpack_from(order + word, data, 8 if big else 4)
    seen = set()
    while place:
        if place in seen:
            raise ImageError("damaged (the TIFF's directories form a circle)")
        seen.add(place)
        (entries,) = struct.unpack_from(order + count, data, place)
        place += struct.calcsize(order + count)
        tags: Tags = {}
        for _ in range(entries):
            tag, kind, number, body = struct.unpack_from(order + entry, data, place)
            place += struct.calcsize(order + entry)
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
        (place,) = struct.unpack_from(order + word, data, place)
        yield tags
