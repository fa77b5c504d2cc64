"""How a paper's runs were made, as far as the paper, its code or arithmetic on its numbers tell.

Every key has a value or is `not said`: what is unknown is recorded as unknown, and a run is never said to be as
published in a thing that nobody published.
"""

from typing import Annotated, Literal

from pydantic import Field

from leukoflow.config.base import Name, Section

NOT_SAID: Literal["not said"] = "not said"
NotSaid = Literal["not said"]
Balance = Literal["none", "weights", "sampling", "weights and sampling", "more copies of rare classes", "not said"]
Share = Annotated[float, Field(ge=0, lt=1)]


class TestImages(Section):
    """The images that a paper reports on, for one task."""

    __test__ = False  # no test case, whatever its name

    images: int | NotSaid = NOT_SAID
    counts: dict[str, int] = {}
    """Images by class, of those classes for which the paper tells."""


class Conditions(Section):
    """What a run must have in common with a paper's to be held against it."""

    view: str = NOT_SAID
    """What the pictures went through, in words."""
    same_views: tuple[Literal["plain", "normalised", "grey", "background", "masked", "cells"], ...] = ()
    """Our kinds of view that are the same; none where we have not the paper's."""
    fit: Literal["squeeze", "letterbox", "not said"] = NOT_SAID
    """How a field became a square: each side by its own factor, or with a frame."""
    scale_bar: Literal["kept", "painted out", "not said"] = NOT_SAID
    side: int | NotSaid = NOT_SAID
    """Side of the pictures that the networks read, pixels."""
    scaling: Literal["imagenet", "unit", "symmetric", "bytes", "caffe", "not said"] = NOT_SAID
    """Scale of the input: ImageNet's mean and deviation, [0, 1], [-1, 1], 0 to 255, or that less ImageNet's mean."""
    weights: dict[Name, Literal["imagenet", "random", "not said"]] = {}
    """What each architecture starts from; for features, the networks that make these. Others are `not said`."""
    library: Literal["keras", "timm", "torchvision", "not said"] = NOT_SAID
    """Whose weights of ImageNet: libraries train the same network to other weights."""
    split: Literal["image", "patient", "not said"] = NOT_SAID
    """What was divided at random."""
    stratified: bool | NotSaid = NOT_SAID
    """Whether the division kept the shares of the classes."""
    test: Share | NotSaid = NOT_SAID
    """Share of the images that is reported on."""
    validation: Share | NotSaid = NOT_SAID
    """Share of the images that chooses the epoch and is not reported on; 0 if there is none."""
    epoch_chosen_on: Literal["the images reported", "other images", "not said"] = NOT_SAID
    """Which images chose the epoch, or the settings."""
    tests: dict[Name, TestImages] = {}
    """The images reported on, by task."""
    balance: Balance = NOT_SAID
    """Against unequal classes, in training."""
    loss: Literal["cross_entropy", "focal", "not said"] = NOT_SAID
    optimiser: Literal["adam", "adamw", "sgd", "not said"] = NOT_SAID
    learning_rate: float | NotSaid = NOT_SAID
    batch_size: int | NotSaid = NOT_SAID
    epochs: int | NotSaid = NOT_SAID
    """Most epochs of training."""
    augmentation: dict[str, bool | float | tuple[float, float]] | NotSaid = NOT_SAID
    """Random changes of training images, by the keys of section `augmentation`."""
    features_fitted_on: Literal["all images", "training images", "not said"] | None = None
    """Which images scaling and choice of features saw; nothing if a paper has no features."""
