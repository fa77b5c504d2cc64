"""Reading JPEG: grey, YCbCr, RGB and CMYK of 8 bits, whatever libjpeg takes of them.

A JPEG is complete when its markers, walked one by one, lead to the end-of-image marker. Damage inside a scan that
leaves the markers whole is not seen: libjpeg fills what it misses with grey.
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


class Jpeg:
    """A JPEG file, its header read. Raises ImageError if it is cut off."""

    def __init__(self, data: bytes) -> None:
        _require_complete(data)
        self.data = data
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
        return Samples(self._decoded(), 255)

    def _decoded(self) -> Pixels:
        """By OpenCV, which is twice as fast as Pillow."""
        kind = cv2.IMREAD_GRAYSCALE if self.image.mode == "L" else cv2.IMREAD_COLOR_RGB
        pixels = cv2.imdecode(np.frombuffer(self.data, np.uint8), kind | cv2.IMREAD_IGNORE_ORIENTATION)
        if pixels is None:
            raise ImageError("damaged or truncated (it cannot be decoded)")
        return np.asarray(pixels, np.uint8)


def _require_complete(data: bytes) -> None:
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
