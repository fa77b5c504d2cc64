"""Section `evaluation`: intervals, and what is measured of probabilities and of answers held back."""

from typing import Annotated, Literal

from pydantic import Field

from leukoflow.config.base import Section
from leukoflow.config.explain import Explain
from leukoflow.config.profile import Profile
from leukoflow.config.robustness import Robustness
from leukoflow.config.shortcuts import Shortcuts

Share = Annotated[float, Field(gt=0, lt=1)]
FALSE_RATES = (0.01, 0.05)
"""False positive rates at which true positive rates are read from ROC curves."""


class Assessment(Section):
    """How far probabilities can be believed, and how well they tell the classes apart."""

    bins: int = Field(15, ge=2, le=100)
    """Bins of calibration errors and reliability diagrams, of equal width or (adaptive) of equal numbers of images."""
    fewest: int = Field(10, ge=1)
    """Images that a bin needs to count for the second maximum calibration error, and that a predicted class needs among
    the validation images to get a temperature of its own."""
    partial: float = Field(0.1, gt=0, le=1)
    """False positive rate up to which the partial area under the ROC curve is taken."""
    specificities: tuple[Share, ...] = (0.9, 0.95, 0.99)
    """Specificities of the operating points; their thresholds are chosen on validation images."""
    prevalences: tuple[Share, ...] = (0.01, 0.05, 0.2, 0.5)
    """Shares that each class in turn is given, the others keeping their proportions, to see accuracy and predictive
    values in such a mix."""


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
    """Images of another kind than the model was trained on."""

    images: int = Field(1000, ge=20, le=100_000)
    """Most images of a role or cohort that a model is run over; a seeded sample if there are more."""
    neighbours: int = Field(10, ge=1)
    """Training image whose distance is the score: the nearest is 1."""
    accepted: float = Field(0.95, gt=0.5, lt=1)
    """Share of the validation images that every threshold accepts."""
    non_smears: int = Field(12, ge=1, le=1000)
    """Pictures of each kind of non-smear: noise, text, photographs and so on."""


class Evaluation(Section):
    """How results are measured."""

    resamples: int = Field(2000, ge=100, le=100_000)
    """Bootstrap resamples, over images and over groups."""
    stratified: bool = False
    """Whether metrics also get intervals from images drawn within their classes, so that each resample has as many
    images of each class as the test set."""
    interval: Literal["percentile", "bca"] = "percentile"
    """How the limits of every bootstrap interval are read off the resamples: at their percentiles, or bias-corrected
    and accelerated (BCa)."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Level of every interval."""
    seed: int = Field(42, ge=0)
    """Seed of the bootstrap."""
    profile: Profile = Profile()
    """Speed and memory."""
    shortcuts: Shortcuts = Shortcuts()
    """The shortcut audit."""
    robustness: Robustness = Robustness()
    """Changed images."""
    abstention: Abstention = Abstention()
    """Answers held back."""
    novelty: Novelty = Novelty()
    """Images of another kind."""
    assessment: Assessment = Assessment()
    """Calibration and discrimination."""
    embedding: Literal["tsne", "umap"] = "tsne"
    """What maps of features are made by: t-SNE, or UMAP, which needs `pip install -e '.[umap]'`."""
    explain: Explain = Explain()
    """Heat maps and their scores."""
