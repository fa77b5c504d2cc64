"""Reading JPEG: grey, YCbCr, RGB and CMYK of 8 bits, whatever libjpeg takes of them.

A JPEG is complete when its markers, walked one by one, lead to the end-of-image marker, and its scan to the last block.
libjpeg fills what a scan lacks with middle grey, so a grey last block is looked at again: with more data behind the
scan, only an incomplete one changes. Other damage inside a scan that leaves the markers whole is not seen.
"""

import io
import re

import cv2
import numpy as np
from PIL.JpegImagePlugin import JpegImageFile

from leukoflow.images.exif import stated_orientation
from leukoflow.images.samples import ImageError, Pixels, Samples, cmyk_to_rgb

# Any marker but the restarts, which stand inside a scan; 00 after ff is a stuffed byte of the scan.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_START, _END, _SCAN = 0xD8, 0xD9, 0xDA
_MISSING = 128
_MORE = bytes(37 * number % 251 for number in range(64))
_MORE += b"".join(b"\xff" + bytes([restart]) + _MORE for restart in range(0xD0, 0xD8))
"""Data of a scan, and of the intervals that begin with each restart marker."""


class Jpeg:
    """A JPEG file, its header read. Raises ImageError if it is cut off."""

    def __init__(self, data: bytes) -> None:
        self.data, self.end = data, _end(data)
        self.image = JpegImageFile(io.BytesIO(data))
        self.size = self.image.size

    @property
    def orientation(self) -> int:
        """1 to 8, as in EXIF."""
        return stated_orientation(self.image)

    def read(self) -> Samples:
        """The samples, not turned yet: grey or RGB."""
        if self.image.mode not in ("L", "RGB"):
            self.image.load()
            return Samples(cmyk_to_rgb(self.image, self.image.info.get("icc_profile")), 255)
        pixels = self._decoded(self.data)
        if (pixels[-1, -8:] == _MISSING).all():
            longer = self._decoded(self.data[: self.end] + _MORE + self.data[self.end :])
            if not np.array_equal(longer, pixels):
                raise ImageError("truncated: the JPEG's data end before its last block")
        return Samples(pixels, 255)

    def _decoded(self, data: bytes) -> Pixels:
        """By OpenCV, which is twice as fast as Pillow."""
        kind = cv2.IMREAD_GRAYSCALE if self.image.mode == "L" else cv2.IMREAD_COLOR_RGB
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None:
            raise ImageError("damaged or truncated (it cannot be decoded)")
        return np.asarray(pixels, np.uint8)


def _end(data: bytes) -> int:
    """Where the end-of-image marker stands, by walking the markers (ITU-T T.81, annex B) past those of thumbnails."""
    position, scanned = 2, False
    while match := _MARKER.search(data, position):
        marker = match[1][0]
        if marker == _END and scanned:
            return match.start()
        if marker == _START:
            raise ImageError("damaged: a second image begins inside the JPEG")
        scanned = scanned or marker == _SCAN
        position = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    raise ImageError("truncated: the JPEG ends before its end-of-image marker")
