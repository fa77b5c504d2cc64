"""Reading an uploaded or listed image for an exported model."""

import numpy as np

from leukoflow.core.errors import LeukoFlowError
from leukoflow.images.io import ImageError, read_bytes_image


def read_image(data: bytes, max_pixels: int, bits: int | None = None) -> np.ndarray:
    """Decode an image file's bytes as the pipeline does: uint8 [H, W, 3], RGB, upright, without its metadata.

    The type is told by the content; more than `max_pixels` pixels are refused undecoded. Raises LeukoFlowError with
    the reason, as `read_bytes_image`, which also says what `bits` are.
    """
    try:
        return read_bytes_image(data, max_pixels, bits)
    except ImageError as error:
        raise LeukoFlowError(str(error)) from error
