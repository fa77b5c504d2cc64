"""Figures inside the page: as data, with caption and description, none of it fetched from anywhere."""

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from leukoflow.core.errors import LeukoFlowError

VECTOR_LIMIT = 300_000
PHOTO_WIDTH = 1400

CAPTIONS = {
    "samples": "Sample images of each class in {0}, evenly spaced along its list, as the plain view shows them.",
    "views": "One image of each class in {0}, in every view that a network may be given.",
    "learning": "Learning curves on {0}, {2} view: training broken, validation solid; mean and range of runs.",
    "confusion": "Confusion matrices on {0}, {2} view, {3} split: shares of each true class, and counts.",
    "roc": "ROC curves on {0}, {2} view, {3} split: each class against the rest. Insets enlarge the corner.",
    "pr": "Precision-recall curves on {0}, {2} view, {3} split: each class against the rest.",
    "duplicates": "Pairs found to be duplicates: bits by which their hashes differ, and correlation of their pixels.",
    "stages": "From picture to white cells in {0}: an image of each class with a typical number of cells. "
    "A broken line goes around cells that the edge cuts.",
    "contact": "White cells found in {0}: evenly spaced fields of each class. A broken line goes around cells that "
    "the edge cuts.",
    "archive": "White cells found in {0} beside the masks that the archive came with: what these leave out is dark.",
    "segmentation": "Overlap with experts' masks by source, on held-out images, with 95 % intervals; hollow where "
    "nothing of the source was learnt from.",
    "cells": "Morphology of the white cells of {0} by class: distributions, quartiles and medians.",
    "gallery": "Typical white cells of each class in {0}, nearest to their class' medians, at one scale.",
    "selection": "Leading features on {0}, {2} view, {3} split, with the score at which each was chosen, and how far "
    "the choice agrees between parts of the training images (range over pairs shaded).",
    "embedding": "t-SNE maps of the features of {0}, {2} view, {3} split: the same points by class and by "
    "acquisition cluster.",
    "feature_count": "Accuracy on {0}, {2} view, against the number of features, with 95 % intervals; broken lines are "
    "the colour baseline.",
    "comparison": "Models of experiment {0} against its reference: difference in accuracy on the same test images with "
    "95 % intervals, and p-values adjusted for the number of models. Hollow: the difference as published.",
    "explain": "Where networks look on {0}, {2} view, {3} split: an image of each class that most of them get right, "
    "then each one's own mistakes, in grey under the heat for the predicted class. White cells are outlined.",
    "explain_scores": "What the heat maps on {0}, {2} view, {3} split, are worth, with 95 % intervals. The vertical "
    "line says nothing; triangles are maps that know no network.",
    "leaderboard": "Accuracy on test images with 95 % intervals, the colour baseline on top and as a broken line.",
}


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


def picture(path: Path, confidence: float) -> Picture:
    """Take in FAMILY[.COHORT.TASK[.VIEW[.PROTOCOL]]].png, or the SVG beside it where that is a drawing and small."""
    family, *parts = path.stem.split(".")
    if family not in CAPTIONS:
        raise LeukoFlowError(f"{path}: is no figure of a known family; known: {', '.join(CAPTIONS)}")
    caption = CAPTIONS[family].format(*(parts + [""] * 4)).replace("95 %", f"{100 * confidence:g}\N{NO-BREAK SPACE}%")
    vector = path.with_suffix(".svg")
    drawing = vector.read_bytes() if vector.exists() else b""
    photo = not drawing or b"<image" in drawing
    if photo:
        kind, data = "webp", _webp(path)
    elif len(drawing) > VECTOR_LIMIT:
        kind, data = "png", path.read_bytes()
    else:
        kind, data = "svg+xml", drawing
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(path.stem, family, tuple(parts), caption, source, photo)


def _webp(path: Path) -> bytes:
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if image.width > PHOTO_WIDTH:
        image = image.resize((PHOTO_WIDTH, round(image.height * PHOTO_WIDTH / image.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=82, method=4)
    return stream.getvalue()
