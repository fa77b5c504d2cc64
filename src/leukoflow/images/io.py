"""Reading an image file into an array, or saying in one line why it cannot be read. Images and masks have this reader.

Size and format are taken from the header first, so that nothing too large is ever decoded. `read_samples` gives what
the file stores, `read_image` the picture: uint8 [H, W, 3], RGB. Both are upright:

- EXIF and TIFF orientation are applied;
- deeper samples are scaled by their range: value * 255 / top, rounded (16 bit: value / 257);
- palette, grey and one-bit images become RGB; transparent pixels are laid over white;
- CMYK becomes sRGB through the embedded profile, or by (1 - ink)(1 - black) if there is none. Profiles of RGB images
  are not applied: published models saw the stored values;
- a JPEG with further pictures behind it (MPO) gives its first; a TIFF or PNG of several frames is refused, because
  which one is meant cannot be known.

A JPEG is complete when its markers, walked one by one, lead to the end-of-image marker, a PNG when its chunks lead to
IEND. Damage inside a JPEG's scan that leaves the markers whole is not seen.

OpenCV decodes JPEG alone. Its TIFF decoder returns memory that it never wrote (5.0.0, separate planes of 16 bits).
Pillow clears the memory of an image before it decodes, and raises for what it cannot fill.
"""

import io
import re
import struct
from pathlib import Path

import cv2
import numpy as np
from PIL import ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile

from leukoflow.images.samples import ImageError, Pixels, Samples, Stored, cmyk_to_rgb
from leukoflow.images.tiff import Tiff

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
_ORIENTATION = 274
# Any marker but the restarts, which stand inside a scan; 00 after ff is a stuffed byte of the scan.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_BYTES_PER_PIXEL = 16
_HEADER_BYTES = 64 * 2**20


def read_image(path: str | Path, max_pixels: int) -> Pixels:
    """Read an image file as uint8 [H, W, 3], RGB. Raises ImageError, also where the file cannot be opened."""
    return read_bytes_image(read_file(path, max_pixels), max_pixels)


def read_file(path: str | Path, max_pixels: int) -> bytes:
    """The bytes of an image file, for hashing and decoding alike.

    Raises ImageError where it is missing, unreadable or larger than any image of `max_pixels` pixels can be.
    """
    try:
        with open(path, "rb") as stream:
            limit = _BYTES_PER_PIXEL * max_pixels + _HEADER_BYTES
            data = stream.read(limit + 1)
    except (OSError, ValueError) as error:
        if "\\udc" in str(path):
            raise ImageError("the file name is not UTF-8; rename the file") from error
        raise ImageError(f"the file cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    if len(data) > limit:
        raise ImageError(f"the file is larger than any image of {max_pixels:,} pixels")
    return data


def read_bytes_image(data: bytes, max_pixels: int) -> Pixels:
    """Decode an image file's bytes as uint8 [H, W, 3], RGB; more than `max_pixels` pixels are refused undecoded.

    Raises ImageError: empty, not an image, unknown format, too large, truncated or damaged, several frames,
    floating-point or 32-bit samples, a layout that is not read.
    """
    return read_samples(data, max_pixels).picture()


def read_samples(data: bytes, max_pixels: int) -> Samples:
    """What an image file's bytes store: unscaled samples, upright. Raises ImageError as `read_bytes_image`."""
    try:
        image = _opened(data)
        width, height = image.size
        if width * height > max_pixels:
            raise ImageError(f"{width} x {height} pixels are more than the {max_pixels:,} allowed (max_pixels)")
        if isinstance(image, Tiff):
            return _turned(image.read(), image.orientation)
        return _turned(_samples(image, data), _orientation(image))
    except ImageError:
        raise
    except Exception as error:  # decoders of hostile bytes raise anything: struct.error, KeyError, ...
        raise ImageError(f"damaged or truncated ({_one_line(error)})") from error


def _opened(data: bytes) -> ImageFile.ImageFile | Tiff:
    """The file with its header read."""
    # Pillow's classes are called directly: the limit on pixels of Image.open is one for the whole process.
    if data.startswith(b"\xff\xd8\xff"):
        _require_complete_jpeg(data)
        return JpegImageFile(io.BytesIO(data))
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        _require_complete_png(data)
        image = PngImageFile(io.BytesIO(data))
        if image.is_animated:
            raise ImageError("holds several frames; save the one that is meant as a file of its own")
        return image
    if data.startswith(b"BM"):
        return BmpImageFile(io.BytesIO(data))
    if data.startswith(_TIFF):
        return Tiff(data)
    if not data.strip(b"\0"):
        raise ImageError("the file holds nothing but zeros" if data else "the file is empty")
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise ImageError("a web page, not an image; the download went wrong")
    if start.startswith(b"version https://git-lfs"):
        raise ImageError("a Git LFS pointer, not an image; fetch the file itself with git lfs pull")
    raise ImageError("not a JPEG, PNG, BMP or TIFF image")


def _require_complete_jpeg(data: bytes) -> None:
    """Walk the markers (ITU-T T.81, annex B) to the end of the image; thumbnails inside segments are stepped over."""
    position, scanned = 2, False
    while found := _MARKER.search(data, position):
        marker = found[1][0]
        if marker == _END and scanned:
            return
        if marker == _START:
            raise ImageError("damaged: a second image begins inside the JPEG")
        scanned = scanned or marker == _SCAN
        position = found.end() + int.from_bytes(data[found.end() : found.end() + 2], "big")
    raise ImageError("truncated: the JPEG ends before its end-of-image marker")


def _require_complete_png(data: bytes) -> None:
    """Walk the chunks (length, name, body, checksum) to IEND; Pillow stops looking where the pixels are whole."""
    position = 8
    while position + 12 <= len(data):
        if data[position + 4 : position + 8] == b"IEND":
            return
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    raise ImageError("truncated: the PNG ends before its IEND chunk")


def _orientation(image: ImageFile.ImageFile) -> int:
    """EXIF orientation, 1 to 8; 1 if there is none or it cannot be read."""
    if "exif" not in image.info:
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, LookupError, TypeError, OSError, struct.error):
        # A damaged EXIF block says nothing about the pixels.
        return 1
    return value if value in range(1, 9) else 1


def _turned(samples: Samples, orientation: int) -> Samples:
    if orientation == 1:
        return samples
    alpha = None if samples.alpha is None else _turn(samples.alpha, orientation)
    return samples._replace(values=_turn(samples.values, orientation), alpha=alpha)


def _turn(values: Stored, orientation: int) -> Stored:
    if orientation >= 5:
        values = values.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        values = values[:, ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[::-1]
    return np.ascontiguousarray(values)


def _samples(image: ImageFile.ImageFile, data: bytes) -> Samples:
    """Of a JPEG, PNG or BMP, not turned yet."""
    if isinstance(image, JpegImageFile) and image.mode in ("RGB", "L"):
        return Samples(_jpeg(data, image.mode), 255)
    bits = data[24] if isinstance(image, PngImageFile) else 1 if image.mode == "1" else 8
    values = _deep_png(image, data) if bits == 16 else _loaded(image)
    if image.mode == "CMYK":
        return Samples(cmyk_to_rgb(image, image.info.get("icc_profile")), 255)
    if image.mode == "P":
        return Samples.indexed(values, *_palette(image, values))
    top = 2**bits - 1
    if bits in (2, 4):
        values = values // (255 // top)  # Pillow has scaled them
    if values.ndim == 3 and values.shape[2] in (2, 4):
        colours = values[:, :, 0] if values.shape[2] == 2 else values[:, :, :3]
        return Samples(np.ascontiguousarray(colours), top, alpha=values[:, :, -1])
    clear = image.info.get("transparency")
    if clear is None:
        return Samples(values, top)
    seen = (values != np.asarray(clear, values.dtype)).reshape(*values.shape[:2], -1).any(axis=2)
    return Samples(values, top, alpha=seen.astype(values.dtype) * values.dtype.type(top))


def _jpeg(data: bytes, mode: str) -> Pixels:
    kind = cv2.IMREAD_COLOR_RGB if mode == "RGB" else cv2.IMREAD_GRAYSCALE
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION)
    if pixels is None:
        raise ImageError("damaged or truncated (it cannot be decoded)")
    return np.asarray(pixels, np.uint8)


def _loaded(image: ImageFile.ImageFile) -> Stored:
    image.load()  # raises for a truncated file
    return np.asarray(image, np.uint8)


def _deep_png(image: ImageFile.ImageFile, data: bytes) -> Stored:
    """A PNG of 16 bits: [H, W] or [H, W, channels], uint16."""
    kind = data[25]
    if kind == 0:
        image.load()
        return np.asarray(image).astype(np.uint16)
    if kind == 4:  # grey and alpha: the four bytes of a pixel, as if they were four channels
        image.tile = [image.tile[0]._replace(args="RGBA")]
        return _loaded(image).view(">u2").astype(np.uint16)
    # Pillow keeps the upper bytes of colours alone. Read in the other byte order, these are the lower ones.
    lower = PngImageFile(io.BytesIO(data))
    lower.tile = [lower.tile[0]._replace(args=f"{image.mode};16L")]
    return _loaded(image).astype(np.uint16) << 8 | _loaded(lower)


def _palette(image: ImageFile.ImageFile, indices: Pixels) -> tuple[Pixels, Pixels | None]:
    """The colours [256, 3] of a palette image, and the opacity of its pixels if any is transparent."""
    colours = np.zeros((256, 3), np.uint8)
    given = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)[:256]
    colours[: len(given)] = given
    clear = image.info.get("transparency")
    if clear is None:
        return colours, None
    opacity = np.full(256, 255, np.uint8)
    if isinstance(clear, bytes):
        opacity[: len(clear)] = np.frombuffer(clear[:256], np.uint8)
    else:
        opacity[clear] = 0
    return colours, opacity[indices]


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__


def went_through_jpeg(data: bytes) -> bool:
    """Whether a file that `read_samples` reads is a JPEG or holds one (TIFF): its samples were stored with loss."""
    image = _opened(data)
    return isinstance(image, JpegImageFile) or (isinstance(image, Tiff) and image.lossy)
