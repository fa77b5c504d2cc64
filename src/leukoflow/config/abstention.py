"""Sections `evaluation.abstention` and `evaluation.novelty`: when a model should rather not answer."""

from typing import Annotated

from pydantic import Field

from leukoflow.config.base import Section

Share = Annotated[float, Field(gt=0, lt=1)]


class Abstention(Section):
    """Answers held back for want of confidence, answers of several classes, and images too poor to answer."""

    coverages: tuple[Share, ...] = Field((0.8, 0.9, 0.95), min_length=1)
    """Shares of the images, the most confident, on which accuracy is given."""
    accuracies: tuple[Share, ...] = Field((0.95, 0.99), min_length=1)
    """Accuracies for which the share of images that can be answered is given, and for which a least confidence is
    derived from the validation role."""
    levels: tuple[Share, ...] = Field((0.9, 0.95), min_length=1)
    """Levels of conformal prediction sets: how often the true class is to be in the set."""
    quality: float = Field(0.99, gt=0.5, lt=1)
    """Share of the training images that the gate on image quality accepts; its limits follow from it."""
    damaged: int = Field(40, ge=0, le=10_000)
    """Test images that are blurred, darkened and so on, to see whether the gate notices."""


class Novelty(Section):
    """Images of another kind than the model has learnt from."""

    images: int = Field(1000, ge=20, le=100_000)
    """Most images of a role or cohort that a model is run over; a seeded sample where there are more."""
    neighbours: int = Field(10, ge=1)
    """Training image whose distance is the score: the nearest is 1."""
    accepted: float = Field(0.95, gt=0.5, lt=1)
    """Share of the validation images that every threshold accepts."""
    non_smears: int = Field(12, ge=1, le=1000)
    """Pictures of each kind of non-smear: noise, text, photographs and so on."""
