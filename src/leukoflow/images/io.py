"""Reading an image file into an array, or saying in one line why it cannot be read. Images and masks have this reader.

Size and format are taken from the header first, so that nothing too large is ever decoded. `read_samples` gives what
the file stores, `read_image` the picture: uint8 [H, W, 3], RGB. Both are upright:

- EXIF and TIFF orientation are applied;
- deeper samples are scaled by their range: value * 255 / top, rounded (16 bit: value / 257). Cameras of 10 to 14 bits
  write files of 16 bits; `top` is then that of the bits that the caller or the file gives (TIFF: MaxSampleValue,
  SMaxSampleValue or SignificantBits of OME, rounded up to whole bits; PNG: sBIT, unless the samples were shifted up);
- palette, grey and one-bit images become RGB; transparent pixels are laid over white;
- CMYK becomes sRGB through the embedded profile, or by (1 - ink)(1 - black) if there is none. Profiles of RGB images
  are not applied: published models saw the stored values;
- a JPEG with further pictures behind it (MPO) gives its first; a TIFF or PNG of several frames is refused, because
  which one is meant cannot be known.

No pixel is shown that the file does not hold. Each format has a module, which says which layouts are read and how it is
known that a file is whole. OpenCV decodes JPEG alone: its TIFF decoder (5.0.0) returns memory that it never wrote.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Protocol

from leukoflow.images.bmp import Bmp
from leukoflow.images.exif import upright
from leukoflow.images.jpeg import Jpeg
from leukoflow.images.png import Png
from leukoflow.images.samples import ImageError, Pixels, Samples
from leukoflow.images.tiff import Tiff


class _Opened(Protocol):
    """A file whose header is read."""

    size: tuple[int, int]

    @property
    def orientation(self) -> int: ...

    def read(self) -> Samples: ...


_FORMATS: tuple[tuple[bytes, Callable[[bytes], _Opened]], ...] = (
    (b"\xff\xd8\xff", Jpeg),
    (b"\x89PNG\r\n\x1a\n", Png),
    (b"BM", Bmp),
    (b"II*\0", Tiff),
    (b"MM\0*", Tiff),
    (b"II+\0", Tiff),
    (b"MM\0+", Tiff),
)
_BYTES_PER_PIXEL = 16
_HEADER_BYTES = 64 * 2**20


def read_image(path: str | Path, max_pixels: int, bits: int | None = None) -> Pixels:
    """Read an image file as `read_bytes_image`. Raises ImageError, also if the file cannot be opened."""
    return read_bytes_image(read_file(path, max_pixels), max_pixels, bits)


def read_file(path: str | Path, max_pixels: int) -> bytes:
    """The bytes of an image file, for hashing and decoding alike.

    Raises ImageError if it is missing, unreadable or larger than any image of `max_pixels` pixels can be.
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


def read_bytes_image(data: bytes, max_pixels: int, bits: int | None = None) -> Pixels:
    """Decode an image file's bytes as uint8 [H, W, 3], RGB; more than `max_pixels` pixels are refused undecoded.

    bits: how many of the 16 bits of deep files the camera filled, if it is known; otherwise what the file states, or
    all. Raises ImageError: empty, not an image, unknown format, too large, truncated or damaged, several frames,
    floating-point or 32-bit samples, a layout that is not read, samples that `bits` or the file's statement deny.
    """
    return read_samples(data, max_pixels).within(bits).picture()


def read_samples(data: bytes, max_pixels: int) -> Samples:
    """What an image file's bytes store: unscaled samples, upright. Raises ImageError as `read_bytes_image`."""
    open_it = _format(data)
    try:
        opened = open_it(data)
        width, height = opened.size
        if width * height > max_pixels:
            raise ImageError(f"{width} x {height} pixels are more than the {max_pixels:,} allowed (max_pixels)")
        return upright(opened.read(), opened.orientation)
    except ImageError:
        raise
    except Exception as error:  # decoders of hostile bytes raise anything: struct.error, KeyError, ...
        raise ImageError(f"damaged or truncated ({_one_line(error)})") from error


def went_through_jpeg(data: bytes) -> bool:
    """Whether a file that `read_samples` reads is a JPEG or holds one (TIFF): its samples were stored with loss."""
    opens = _format(data)
    return opens is Jpeg or (opens is Tiff and Tiff(data).lossy)


def _format(data: bytes) -> Callable[[bytes], _Opened]:
    for magic, opens in _FORMATS:
        if data.startswith(magic):
            return opens
    if not data.strip(b"\0"):
        raise ImageError("the file holds nothing but zeros" if data else "the file is empty")
    start = data[:1024].lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if start.startswith((b"<!doctype html", b"<html")):
        raise ImageError("a web page, not an image; the download went wrong")
    if start.startswith(b"version https://git-lfs"):
        raise ImageError("a Git LFS pointer, not an image; fetch the file itself with git lfs pull")
    raise ImageError("not a JPEG, PNG, BMP or TIFF image")


def _one_line(error: Exception) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
