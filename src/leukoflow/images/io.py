"""Reading an image file into an array, or saying in one line why it cannot be read.

Size and format are taken from the header first, so that nothing too large is ever decoded. What comes out is always
uint8 [H, W, 3], RGB, upright:

- EXIF and TIFF orientation are applied;
- deeper samples are scaled by their bit depth: value * 255 / (2**bits - 1), rounded (16 bit: value / 257);
- palette, grey and one-bit images become RGB; transparent pixels are laid over white;
- CMYK becomes sRGB through the embedded profile, or by (1 - ink)(1 - black) where there is none. Profiles of RGB images
  are not applied: published models saw the stored values;
- a JPEG with further pictures behind it (MPO) gives its first; a TIFF or PNG of several frames is refused, because
  which one is meant cannot be known.

A JPEG is complete when its markers, walked one by one, lead to the end-of-image marker, a PNG when its chunks lead to
IEND. Damage inside a JPEG's scan that leaves the markers whole is not seen.
"""

import io
import re
import struct
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, ImageFile
from PIL.BmpImagePlugin import BmpImageFile
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.TiffImagePlugin import TiffImageFile

# The classes are called directly, not through Image.open, whose own limit on pixels is one for the whole process.
_READERS: tuple[tuple[bytes, type[ImageFile.ImageFile]], ...] = (
    (b"\xff\xd8\xff", JpegImageFile),
    (b"\x89PNG\r\n\x1a\n", PngImageFile),
    (b"BM", BmpImageFile),
    (b"II*\0", TiffImageFile),
    (b"MM\0*", TiffImageFile),
    (b"II+\0", TiffImageFile),
    (b"MM\0+", TiffImageFile),
)
_ORIENTATION, _BITS, _PHOTOMETRIC, _SAMPLE_FORMAT = 274, 258, 262, 339
_WHITE_IS_ZERO = 0
# Any marker but the restarts, which stand inside a scan; 00 after ff is a stuffed byte of the scan.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_BYTES_PER_PIXEL = 16
_HEADER_BYTES = 64 * 2**20

Pixels = NDArray[np.uint8]


class ImageError(Exception):
    """An image that cannot be used; the text is the reason, in one line."""


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
    floating-point or 32-bit samples.
    """
    reader = _reader(data)
    if reader is JpegImageFile:
        _require_complete_jpeg(data)
    if reader is PngImageFile:
        _require_complete_png(data)
    try:
        image = reader(io.BytesIO(data))
        width, height = image.size
        if width * height > max_pixels:
            raise ImageError(f"{width} x {height} pixels are more than the {max_pixels:,} allowed (max_pixels)")
        if reader is not JpegImageFile and getattr(image, "is_animated", False):
            raise ImageError("holds several frames; save the one that is meant as a file of its own")
        if reader is JpegImageFile and image.mode in ("RGB", "L"):
            pixels = _decode(data, cv2.IMREAD_COLOR_RGB | cv2.IMREAD_IGNORE_ORIENTATION)
        else:
            image.load()  # raises for a truncated file
            pixels = _rgb(image, data)
        return _turned(pixels, _orientation(image))
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        raise ImageError(
            f"{width} x {height} pixels are more than Pillow takes of a TIFF; cut it into parts"
        ) from error
    except Exception as error:  # decoders of hostile bytes raise anything: struct.error, KeyError, ...
        raise ImageError(f"damaged or truncated ({_one_line(error)})") from error


def _reader(data: bytes) -> type[ImageFile.ImageFile]:
    for magic, reader in _READERS:
        if data.startswith(magic):
            return reader
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
    """EXIF orientation, 1 to 8; 1 where there is none, it cannot be read, or it is applied already (TIFF)."""
    if "exif" not in image.info or isinstance(image, TiffImageFile):
        return 1
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except (SyntaxError, ValueError, LookupError, TypeError, OSError, struct.error):
        # A damaged EXIF block says nothing about the pixels.
        return 1
    return value if value in range(1, 9) else 1


def _turned(pixels: Pixels, orientation: int) -> Pixels:
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _decode(data: bytes, flags: int) -> NDArray:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), flags)
    if pixels is None:
        raise ImageError("damaged or truncated (it cannot be decoded)")
    return pixels


def _bits(image: ImageFile.ImageFile, data: bytes) -> int:
    """Bits of a sample, from the header."""
    if isinstance(image, TiffImageFile):
        formats = image.tag_v2.get(_SAMPLE_FORMAT, (1,))
        if any(each not in (1, 4) for each in (formats if isinstance(formats, tuple) else (formats,))):
            raise ImageError("signed or floating-point samples; save it with 8 or 16 bits")
        bits = image.tag_v2.get(_BITS, (1,))
        return max(bits) if isinstance(bits, tuple) else int(bits)
    return data[24] if isinstance(image, PngImageFile) else 8


def _rgb(image: ImageFile.ImageFile, data: bytes) -> Pixels:
    bits = _bits(image, data)
    if image.mode.startswith("I;16"):
        grey = np.asarray(image)
        if isinstance(image, TiffImageFile) and image.tag_v2.get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
            grey = (2**bits - 1) - grey
        return _eight_bits(grey, bits)
    if image.mode in ("F", "I"):
        raise ImageError("floating-point or 32-bit samples; save it with 8 or 16 bits")
    if bits == 16 and image.mode in ("RGB", "RGBA", "RGBX", "LA"):
        # Pillow would drop the lower byte.
        deep = _decode(data, cv2.IMREAD_UNCHANGED)
        if deep.dtype == np.uint16 and deep.shape[:2] == (image.height, image.width):
            return _eight_bits(_deep_rgb(deep, has_alpha=image.mode in ("RGBA", "LA")), bits)
    if image.mode == "CMYK":
        return _cmyk_to_rgb(image)
    if image.has_transparency_data or image.mode in ("La", "RGBa"):
        return _over_white(image)
    return np.asarray(image.convert("RGB"))


def _eight_bits(samples: NDArray[np.uint16], bits: int) -> Pixels:
    """Scale [H, W] or [H, W, 3] by the bit depth, rounding."""
    top = 2**bits - 1
    table = ((np.arange(65536, dtype=np.uint32) * 255 + top // 2) // top).clip(0, 255).astype(np.uint8)
    scaled = table[samples]
    return np.repeat(scaled[:, :, None], 3, axis=2) if scaled.ndim == 2 else scaled


def _deep_rgb(deep: NDArray[np.uint16], has_alpha: bool) -> NDArray[np.uint16]:
    """OpenCV's uint16 [H, W], BGR or BGRA as RGB [H, W, 3], alpha laid over white."""
    if deep.ndim == 2:
        return np.repeat(deep[:, :, None], 3, axis=2)
    colours = deep[:, :, 2::-1]
    if not (has_alpha and deep.shape[2] == 4):
        return colours
    alpha = deep[:, :, 3:].astype(np.uint64)
    return ((colours * alpha + 65535 * (65535 - alpha) + 32767) // 65535).astype(np.uint16)


def _over_white(image: Image.Image) -> Pixels:
    rgba = np.asarray(image.convert("RGBA"))
    alpha = rgba[:, :, 3:].astype(np.uint16)
    return ((rgba[:, :, :3] * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def _cmyk_to_rgb(image: Image.Image) -> Pixels:
    profile = image.info.get("icc_profile")
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return np.asarray(converted)
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile: as if there were none
    return np.asarray(image.convert("RGB"))


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
