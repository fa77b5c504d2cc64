"""What an exported model says of one image."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np

Point = tuple[float, float]


@dataclass(frozen=True)
class Reason:
    """Why the model does not answer."""

    kind: Literal["quality", "novelty", "confidence"]
    """What is not as it should be: the picture, its likeness to what was trained on, or the certainty."""
    text: str
    """In plain words, with the number and its limit."""


@dataclass(frozen=True)
class CellType:
    """What a model of single cells says of one cell."""

    label: str
    """The likeliest class."""
    probabilities: tuple[float, ...]
    """Calibrated, of each class; they sum to 1."""
    conformal: tuple[str, ...]
    """Classes that cannot be ruled out."""
    novelty: float
    """How strange the cell is; larger is stranger."""
    strange: bool
    """Whether it is too strange."""
    counted: bool
    """Whether the likeliest class is a white cell."""

    @property
    def told(self) -> bool:
        """Whether the type is certain: one class cannot be ruled out, and the cell is like those known."""
        return len(self.conformal) == 1 and not self.strange


@dataclass(frozen=True)
class Cell:
    """A white cell that was found."""

    outline: tuple[Point, ...]
    """x, y in pixels of the image as read."""
    nucleus: tuple[Point, ...]
    """The same of its largest piece of nucleus; empty if none is seen."""
    facts: Mapping[str, float]
    """`area_um2`, `diameter_um` (of a circle of the same area), `nucleus_area_um2`, `nucleus_share` (of the cell's
    area, 0 to 1), `circularity` (4 pi area / perimeter squared, 1 for a disc), `x`, `y` of the middle in pixels."""
    type: CellType | None = None
    """What a model of single cells says of it; None of other models."""


@dataclass(frozen=True)
class Neighbour:
    """A training image that looks much the same to the model."""

    label: str
    """Its true class."""
    distance: float
    """Between the features, each of length 1: 0 (alike) to 2."""
    thumbnail: bytes
    """JPEG."""


@dataclass(frozen=True)
class HeatMap:
    """A map over the image."""

    name: str
    """Of its method, as `export.json` has it."""
    title: str
    """What it is."""
    text: str
    """What it shows and how it is made."""
    values: np.ndarray
    """float32 [h, w] in [0, 1] over the image as read (any h and w)."""


@dataclass(frozen=True)
class RankedFeature:
    """A feature that the classifier reads."""

    name: str
    """As in the ranking."""
    rank: int
    """Its place there, from 1."""
    value: float
    """Scaled."""
    attention: float | None
    """Its weight among all features, 0 to 1; None if the classifier attends to none."""
    effect: float
    """What it does to the logit of the likeliest class, to first order: gradient times value."""


@dataclass(frozen=True)
class Answer:
    """What is known of one image."""

    classes: tuple[str, ...]
    """All classes."""
    probabilities: tuple[float, ...]
    """Calibrated, of each class; they sum to 1."""
    label: str
    """The class of the largest."""
    conformal: tuple[str, ...]
    """Classes that cannot be ruled out, in the order of `classes`; may be none."""
    coverage: float
    """Share of such sets that hold the truth, for images like those of the validation role; 0 to 1."""
    reasons: tuple[Reason, ...]
    """Why the answer is held back; empty if it is not."""
    quality: Mapping[str, tuple[float, float, float]]
    """Value, lowest and highest accepted value of each measure of quality."""
    novelty: float
    """How strange the image is; larger is stranger."""
    novelty_limit: float
    """Above this it is too strange; infinite if no limit could be derived."""
    cells: tuple[Cell, ...]
    """White cells, from top to bottom; empty if they were not asked for."""
    maps: tuple[HeatMap, ...]
    """Where the model looked, Grad-CAM first; empty if not asked for."""
    ranked: tuple[RankedFeature, ...]
    """The features that it attends to most, or, where it attends to none, that do most to the answer; the first ten.
    Empty if not asked for, or the model reads no ranked features."""
    inside: Mapping[str, float]
    """Numbers of what goes on in the network, by the names of `export.json`; empty if it has none, or not asked."""
    neighbours: tuple[Neighbour, ...]
    """Nearest first; empty if not asked for or the artefact holds none."""
    milliseconds: Mapping[str, float]
    """Time spent on each part."""

    @property
    def heat(self) -> np.ndarray | None:
        """The first map: Grad-CAM, float32 [h, w] in [0, 1]; None if not asked for."""
        return self.maps[0].values if self.maps else None

    @property
    def abstains(self) -> bool:
        """Whether the answer is held back."""
        return bool(self.reasons)

    @property
    def confidence(self) -> float:
        """The largest probability."""
        return max(self.probabilities)
