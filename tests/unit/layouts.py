"""Image files written byte by byte, in layouts that few writers make, and memory that holds the past."""

import struct
import zlib
from typing import Any

import cv2
import numpy as np
from hypothesis import strategies as st

from leukoflow.images.io import ImageError, read_samples
from leukoflow.images.samples import Samples

LIMIT = 1_000_000


def dirty(pattern: int) -> None:
    """Fill the memory that the next decoder will be given: buffers of many sizes, and OpenCV's own."""
    for size in (200, 2_000, 5_000, 20_000, 50_000, 100_000, 400_000):
        held = [np.full(size, pattern, np.uint8) for _ in range(3)]
        del held
    ok, other = cv2.imencode(".jpg", np.full((200, 300, 3), pattern, np.uint8))
    assert ok and cv2.imdecode(other, cv2.IMREAD_COLOR) is not None


def read_thrice(data: bytes) -> Samples:
    """The samples of a file that must come out alike whatever memory held before; ImageError if it is refused."""
    results = []
    for pattern in (0xAB, 0x17, 0xEE):
        dirty(pattern)
        try:
            results.append(read_samples(data, LIMIT))
        except ImageError as error:
            results.append(str(error))
    first = results[0]
    for other in results[1:]:
        if isinstance(first, str) or isinstance(other, str):
            assert first == other
            continue
        assert (other.top, other.values.dtype) == (first.top, first.values.dtype)
        np.testing.assert_array_equal(other.values, first.values)
        np.testing.assert_equal(other.palette, first.palette)
        np.testing.assert_equal(other.alpha, first.alpha)
    if isinstance(first, str):
        raise ImageError(first)
    return first


def damaged(data: bytes, draw: st.DataObject) -> bytes:
    """A file cut off, with bytes changed, taken out or put in."""
    for _ in range(draw.draw(st.integers(1, 3))):
        start = draw.draw(st.integers(2, max(2, len(data) - 1)))
        length = draw.draw(st.integers(1, 40))
        kind = draw.draw(st.sampled_from(["cut", "change", "change", "remove", "insert", "zero", "end early"]))
        bytes_ = draw.draw(st.binary(min_size=1, max_size=8))
        if kind == "cut":
            data = data[:start]
        elif kind == "change":
            data = data[:start] + bytes_ + data[start + len(bytes_) :]
        elif kind == "remove":
            data = data[:start] + data[start + length :]
        elif kind == "insert":
            data = data[:start] + bytes_ + data[start:]
        elif kind == "zero":
            data = data[:start] + bytes(length) + data[start + length :]
        else:
            data = data[:start] + b"\xff\xd9"
    return data


def chunk(name: bytes, body: bytes) -> bytes:
    """A chunk of a PNG."""
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def png(samples: np.ndarray, bits: int, kind: int, *chunks: bytes, interlaced: bool = False, rows: int = 0) -> bytes:
    """A PNG of samples [H, W, channels]; of its rows, the last `rows` are left out. Filter: Sub and Up, in turns."""
    height, width, channels = samples.shape
    step = max(1, bits * channels // 8)
    body = b""
    for x, y, across, down in PASSES if interlaced else ((0, 0, 1, 1),):
        part = samples[y::down, x::across]
        packed = pack(part, bits).astype(np.uint8)
        above = np.zeros(packed.shape[1], np.uint8)
        for number, row in enumerate(packed):
            left = np.concatenate([np.zeros(step, np.uint8), row])[: len(row)]
            if len(row):
                body += bytes([1 + number % 2]) + (row - (above if number % 2 else left)).tobytes()
            above = row
    if rows:
        body = body[: -rows * (1 + -(-width * channels * bits // 8))]
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, interlaced)
    data = zlib.compress(body)
    parts = [data[: len(data) // 2], data[len(data) // 2 :]]
    inner = b"".join(chunks) + b"".join(chunk(b"IDAT", part) for part in parts)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + inner + chunk(b"IEND", b"")


def pack(samples: np.ndarray, bits: int) -> np.ndarray:
    """Samples [H, W, channels] as rows of bytes, most significant bit first, uint8 [H, bytes]."""
    flat = samples.reshape(len(samples), samples.shape[1] * samples.shape[2]).astype(">u2")
    every = np.unpackbits(flat.view(np.uint8).reshape(*flat.shape, 2), axis=2)[:, :, 16 - bits :]
    return np.packbits(every.reshape(len(samples), flat.shape[1] * bits), axis=1)


def lzw(data: bytes) -> bytes:
    """LZW that never uses its dictionary: 9-bit codes, cleared before they would have to grow."""
    codes = []
    for number, byte in enumerate(data):
        codes += [256, byte] if number % 200 == 0 else [byte]
    bits = "".join(f"{code:09b}" for code in (*codes, 257))
    bits += "0" * (-len(bits) % 8)
    return int(bits, 2).to_bytes(len(bits) // 8, "big")


def pack_bits(rows: np.ndarray) -> bytes:
    """PackBits, each row for itself, literals and one run at its end."""
    packed = b""
    for row in rows:
        data = row.tobytes()
        for start in range(0, len(data), 100):
            part = data[start : start + 100]
            packed += bytes([len(part) - 1]) + part
    return packed


COMPRESSIONS = {"none": 1, "lzw": 5, "deflate": 8, "packbits": 32773, "old deflate": 32946}


def tiff(
    samples: np.ndarray,
    bits: int,
    photometric: int,
    *,
    compression: str = "none",
    separate: bool = False,
    tile: tuple[int, int] | None = None,
    rows: int = 7,
    predictor: bool = False,
    order: str = "<",
    big: bool = False,
    tags: dict[int, Any] | None = None,
) -> bytes:
    """A TIFF of samples [H, W, n]; tags: further ones, ints or tuples of ints (as LONG) or bytes (as ASCII)."""
    height, width, channels = samples.shape
    down, across = tile or (rows, width)
    planes = [samples[:, :, n : n + 1] for n in range(channels)] if separate else [samples]
    data = bytearray((b"II" if order == "<" else b"MM") + bytes(14))
    places, sizes = [], []
    for plane in planes:
        for y in range(0, height, down):
            for x in range(0, width, across):
                part = plane[y : y + down, x : x + across]
                if tile:
                    whole = np.zeros((down, across, plane.shape[2]), samples.dtype)
                    whole[: part.shape[0], : part.shape[1]] = part
                    part = whole
                if predictor:
                    part = np.concatenate([part[:, :1], part[:, 1:] - part[:, :-1]], axis=1)
                if bits == 16:
                    lines = part.reshape(len(part), -1).astype(f"{order}u2").view(np.uint8)
                else:
                    lines = pack(part, bits)
                places.append(len(data))
                data += {
                    "none": lambda lines: lines.tobytes(),
                    "lzw": lambda lines: lzw(lines.tobytes()),
                    "deflate": lambda lines: zlib.compress(lines.tobytes()),
                    "old deflate": lambda lines: zlib.compress(lines.tobytes()),
                    "packbits": pack_bits,
                }[compression](lines)
                sizes.append(len(data) - places[-1])
                data += bytes(len(data) % 2)
    every: dict[int, Any] = {256: width, 257: height, 258: (bits,) * channels, 259: COMPRESSIONS[compression]}
    every |= {262: photometric, 277: channels, 284: 2 if separate else 1}
    every |= {317: 2} if predictor else {}
    every |= {322: across, 323: down, 324: tuple(places), 325: tuple(sizes)} if tile else {}
    every |= {} if tile else {273: tuple(places), 278: rows, 279: tuple(sizes)}
    return with_directory(bytes(data), every | (tags or {}), order, big)


def with_directory(data: bytes, tags: dict[int, Any], order: str, big: bool) -> bytes:
    """The directory at the end, and the header that points there."""
    word, room = ("Q", 8) if big else ("I", 4)
    start = len(data)
    entries = behind = b""
    first = start + (8 if big else 2) + len(tags) * (20 if big else 12) + room
    for tag, value in sorted(tags.items()):
        value = value if isinstance(value, (tuple, bytes)) else (value,)
        body = value + b"\0" if isinstance(value, bytes) else struct.pack(f"{order}{len(value)}I", *value)
        count = len(body) if isinstance(value, bytes) else len(value)
        entries += struct.pack(f"{order}HH{word}", tag, 2 if isinstance(value, bytes) else 4, count)
        if len(body) <= room:
            entries += body.ljust(room, b"\0")
        else:
            entries += struct.pack(f"{order}{word}", first + len(behind))
            behind += body + bytes(len(body) % 2)
    count = struct.pack(f"{order}{'Q' if big else 'H'}", len(tags))
    header = struct.pack(f"{order}HHHQ", 43, 8, 0, start) if big else struct.pack(f"{order}HI", 42, start)
    return data[:2] + header + data[2 + len(header) :] + count + entries + bytes(room) + behind


def bmp(
    pixels: np.ndarray,
    bits: int,
    palette: np.ndarray | None = None,
    *,
    colours: int | None = None,
    top_down: bool = False,
    masks: tuple[int, ...] = (),
    core: bool = False,
) -> bytes:
    """A BMP of values [H, W] (up to 32 bits each) and a palette [n, 3], RGB."""
    height, width = pixels.shape
    if bits <= 8:
        lines = [row.tobytes() for row in pack(pixels[:, :, None], bits)]
    else:
        lines = [b"".join(int(pixel).to_bytes(bits // 8, "little") for pixel in row) for row in pixels]
    lines = [line + bytes(-len(line) % 4) for line in lines]
    body = b"".join(lines if top_down else lines[::-1])
    entries = [] if palette is None else [bytes(colour[::-1]) + (b"" if core else b"\0") for colour in palette.tolist()]
    table = struct.pack(f"<{len(masks)}I", *masks) + b"".join(entries)
    if core:
        header = struct.pack("<IHHHH", 12, width, height, 1, bits)
    else:
        count = len(entries) if colours is None else colours
        signed = -height if top_down else height
        size = 40 if len(masks) < 4 else 56
        header = struct.pack("<IiiHHIIiiII", size, width, signed, 1, bits, 3 if masks else 0, len(body), 0, 0, count, 0)
    start = 14 + len(header) + len(table)
    return b"BM" + struct.pack("<IHHI", start + len(body), 0, 0, start) + header + table + body
