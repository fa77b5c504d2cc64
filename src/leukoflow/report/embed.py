"""Figures inside the page: as data, with caption and description, none of it fetched from anywhere."""

import base64
import io
import re
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
    "roc": "ROC curves on {0}, {2} view, {3} split: each class against the rest, with bands that hold 95 % of "
    "resamples over groups of images. Insets enlarge the corner.",
    "pr": "Precision-recall curves on {0}, {2} view, {3} split: each class against the rest, with such bands.",
    "reliability": "Accuracy against confidence on {0}, {2} view, {3} split, as trained and with a temperature fitted "
    "on validation images; below the diagonal confidence is too high. Pale: bins of few images. Upright lines: 95 % "
    "intervals, images taken for independent. Grey: shares of images.",
    "reliability_classes": "Share of each class against its mean probability on {0}, {2} view, {3} split, and Brier "
    "scores of each class against the rest. Pale: bins of few images.",
    "confidence": "Confidence of right answers (upwards) and of wrong ones (downwards) on {0}, {2} view, {3} split.",
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
    "pareto": "Accuracy with 95 % intervals on {0}, {2} view, strictest split, against latency, file size and energy. "
    "Filled: no model is at least as good at less cost; the colour baseline in orange. Hollow diamonds: as published.",
    "throughput": "Latency of one image, and images a second by batch size, on {0}, {2} view. Diamond: as published.",
    "shortcuts": "Shortcut audit on {0}, {2} view, {3} split: models as they are and in other stains, on other views, "
    "and probes that see no cell's shape, with 95 % intervals. The broken line is chance.",
    "planted": "The audit on synthetic cohorts whose stain was made to go with the class: what it finds against how "
    "much was planted, with 95 % intervals.",
    "comparison": "Models of experiment {0} against its reference: difference in accuracy on the same test images with "
    "95 % intervals, and p-values adjusted for the number of models. Hollow: the difference as published.",
    "sample_size": "Accuracy on {0}, {2} view, against the number of training images, with 95 % intervals; bars are "
    "the standard deviation over runs, macro F1 is dotted.",
    "robustness": "Accuracy on changed test images of {0}, {2} view, {3} split, with 95 % intervals where models "
    "are few; the colour baseline broken. Harm grows to the right, or away from the upright line.",
    "mutual_information": "Information that feature maps of changed test images share with those of the unchanged "
    "ones, by module of attention, on {0}, {2} view, {3} split, with 95 % intervals.",
    "frobenius": "How far attention shifts on changed test images (Frobenius norm of the difference over that of the "
    "unchanged), by module, on {0}, {2} view, {3} split, with 95 % intervals.",
    "risk_coverage": "Accuracy on the images that each model is surest of, trained on {0}, {2} view, {3} split.",
    "conformal": "Prediction sets of models trained on {0}, {2} view, {3} split: share that holds the true class, with "
    "95 % intervals, against what was promised (broken line).",
    "novelty": "Images of another kind against test images of {0}, {2} view, {3} split, by four scores, with 95 % "
    "intervals. Shaded: such images look more familiar than test images.",
    "gate": "The gate on image quality of {0}: share refused, with 95 % intervals, and of each measure the median and "
    "the middle 90 % of the images, what is accepted shaded.",
    "critical_difference": "Mean ranks of the models of experiment {0} by accuracy over folds and seeds. Upright bars "
    "join models that Nemenyi's test cannot tell apart.",
    "leakage": "What leaks are worth on {0}, {2} view: accuracy by split, the difference to images divided at random, "
    "and test images with a copy among the learnt ones apart from the others. Whiskers are 95 % intervals.",
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
    elif len(drawing := _rounded(drawing)) > VECTOR_LIMIT:
        kind, data = "webp", _webp(path, lossless=True)
    else:
        kind, data = "svg+xml", drawing
    source = f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
    return Picture(path.stem, family, tuple(parts), caption, source, photo)


def _rounded(drawing: bytes) -> bytes:
    """A drawing whose coordinates have two decimals, which are hundredths of a point; factors stay as they are."""
    places = re.compile(rb' (?:d|x|y|points)="[^"]*"')
    return places.sub(lambda found: re.sub(rb"(\.\d\d)\d+", rb"\1", found.group()), drawing)


def _webp(path: Path, lossless: bool = False) -> bytes:
    """The picture as WebP, photographs no wider than `PHOTO_WIDTH`."""
    with Image.open(path) as opened:
        image = opened.convert("RGB")
    if image.width > PHOTO_WIDTH and not lossless:
        image = image.resize((PHOTO_WIDTH, round(image.height * PHOTO_WIDTH / image.width)), Image.Resampling.LANCZOS)
    stream = io.BytesIO()
    image.save(stream, "WEBP", quality=82, method=4, lossless=lossless)
    return stream.getvalue()
