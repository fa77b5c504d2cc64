"""What an image file stores, sample by sample, and the picture that it shows."""

import io
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms

Pixels = NDArray[np.uint8]
Stored = np.ndarray
"""uint8 or uint16."""


FULL = 65535
"""The greatest level of 16 bits."""


class ImageError(Exception):
    """An image that cannot be used; the text is the reason, in one line."""


class Samples(NamedTuple):
    """The samples of an image file, unscaled and upright. More is brighter, also if the file stores it inverted."""

    values: Stored
    """uint8 or uint16, [H, W] (grey levels or palette indices) or [H, W, 3] (RGB); 0 or 1 of a one-bit file."""
    top: int
    """The level that stands for white: 1, 3, 15, 255, 4095 or 65535."""
    palette: Pixels | None = None
    """Colours [256, 3] of the indices, if the file has a palette; None if its colours are grey: `values` has levels."""
    alpha: Stored | None = None
    """Opacity [H, W], 0 (transparent) to `top` (255 with a palette), if the file has any."""
    stated: int | None = None
    """The level that stands for white by the file's own word, if it is another than its bits allow."""

    @classmethod
    def indexed(cls, indices: Pixels, palette: Pixels, alpha: Stored | None = None) -> "Samples":
        """Of indices [H, W] and a palette [256, 3]; one of greys alone is applied, so that `values` has its levels."""
        if (palette == palette[:, :1]).all():
            return cls(palette[:, 0][indices], 255, alpha=alpha)
        return cls(indices, 255, palette, alpha)

    @property
    def colours(self) -> Stored:
        """`values` with the palette applied: grey levels [H, W] or RGB [H, W, 3]."""
        return self.values if self.palette is None else self.palette[self.values]

    def within(self, bits: int | None) -> "Samples":
        """Samples of 16 bits with `top` as their range is: of `bits` bits if given, otherwise as the file states.

        Raises ImageError for samples beyond that range, which is then not theirs.
        """
        top = 2**bits - 1 if bits else self.stated
        if self.top != FULL or top is None or top == FULL:
            return self
        greatest = int(self.values.max())
        if greatest > top:
            said = f"that {bits} bits hold (bits)" if bits else "that the file states (MaxSampleValue or sBIT)"
            raise ImageError(f"samples reach {greatest:,}, above the {top:,} {said}; set the cohort's bits as they are")
        alpha = self.alpha
        if alpha is not None and alpha.max() > top:  # opacity has all bits, whatever the camera had
            alpha = (alpha.astype(np.uint32) * top // FULL).astype(alpha.dtype)
        return self._replace(top=top, alpha=alpha)

    def picture(self) -> Pixels:
        """What the file shows: uint8 [H, W, 3], RGB, scaled by `top` and rounded, transparent pixels over white."""
        values, top = self.colours, 255 if self.palette is not None else self.top
        if self.alpha is not None:
            values = _over_white(values if values.ndim == 3 else values[:, :, None], self.alpha[:, :, None], top)
        values = eight_bits(values, top)
        if values.ndim == 2:
            values = values[:, :, None]
        if values.shape[2] == 1:
            values = np.repeat(values, 3, axis=2)
        return np.ascontiguousarray(values, np.uint8)


def _over_white(values: Stored, alpha: Stored, top: int) -> Stored:
    wide = values.astype(np.uint64) * alpha + top * (top - alpha.astype(np.uint64))
    return ((wide + top // 2) // top).astype(values.dtype)


def eight_bits(values: Stored, top: int) -> Pixels:
    """Samples from 0 to `top` as 0 to 255, rounded."""
    if top == 255:
        return values.astype(np.uint8)
    levels = (np.arange(65536, dtype=np.uint32) * 255 + top // 2) // top
    return levels.clip(0, 255).astype(np.uint8)[values]


def cmyk_to_rgb(image: Image.Image, profile: bytes | None) -> Pixels:
    """Inks as sRGB [H, W, 3] through a colour profile; by (1 - ink)(1 - black) if there is none or it is damaged."""
    if profile:
        try:
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            converted = ImageCms.profileToProfile(image, source, ImageCms.createProfile("sRGB"), outputMode="RGB")
            if converted is not None:
                return np.asarray(converted)
        except (ImageCms.PyCMSError, OSError):
            pass  # a damaged profile: as if there were none
    return np.asarray(image.convert("RGB"))
