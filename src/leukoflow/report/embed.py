"""Figures inside the page: as data, with caption and description, none of it fetched from anywhere."""

import base64
import io
import re
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from leukoflow.core.errors import LeukoFlowError
from leukoflow.outputs.figures import CAPTIONS, caption_of

VECTOR_LIMIT = 300_000
PHOTO_WIDTH = 1400
CSS_DPI = 96
LEAST = 0.8
"""The least scale of a figure; its text of 9 points is then as high as that of 7."""


@dataclass(frozen=True)
class Picture:
    """One figure, ready for the page."""

    name: str
    family: str
    parts: tuple[str, ...]
    caption: str
    source: str
    """Data address."""
    photo: bool
    """Whether it shows photographs, whose colours must not be changed for a dark page."""
    width: int
    """Width and height in CSS pixels at which it is shown if there is room: a drawing as it was drawn for (its inches,
    96 pixels each), photographs pixel by pixel."""
    height: int
    least: int
    """The least width in CSS pixels at which its text can be read."""


def picture(path: Path, confidence: float) -> Picture:
    """Take in FAMILY[.COHORT.TASK[.VIEW[.PROTOCOL]]].png, or the SVG next to it if that is a drawing and small."""
    family, *parts = path.stem.split(".")
    if family not in CAPTIONS:
        raise LeukoFlowError(f"{path}: is no figure of a known family; known: {', '.join(CAPTIONS)}")
    caption = caption_of(path.stem, confidence)
    vector = path.with_suffix(".svg")
    drawing = vector.read_bytes() if vector.exists() else b""
    photo = not drawing or b"<image" in drawing
    with Image.open(path) as opened:
        (width, height), resolution = opened.size, opened.info.get("dpi", (CSS_DPI, CSS_DPI))[0]
    inches = width / resolution
    shown = min(width, PHOTO_WIDTH) if photo else round(CSS_DPI * inches)
    if photo:
        kind, data = "webp", _webp(path)
    elif len(drawing := _rounded(drawing)) > VECTOR_LIMIT:
        kind, data = "webp", _webp(path, lossless=True)
    else:
        kind, data = "svg+xml", drawing
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    sizes = shown, round(shown * height / width), round(LEAST * CSS_DPI * inches)
    return Picture(path.stem, family, tuple(parts), caption, source, photo, *sizes)


def _rounded(drawing: bytes) -> bytes:
    """A drawing whose coordinates have two decimals, which are hundredths of a point; factors stay as they are."""
    places = re.compile(rb' (?:d|x|y|points)="[^"]*"')
    return places.sub(lambda match: re.sub(rb"(\.\d\d)\d+", rb"\1", match.group()), drawing)


def _webp(path: Path, lossless: bool = False) -> bytes:
    """The picture as WebP, photographs no wider than `PHOTO_WIDTH`."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if image.width > PHOTO_WIDTH and not lossless:
        image = image.resize((PHOTO_WIDTH, round(image.height * PHOTO_WIDTH / image.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=82, method=4, lossless=lossless)
    return stream.getvalue()
