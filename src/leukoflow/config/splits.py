"""Section `splits`: how images are divided into training, validation and test roles."""

from typing import Literal

from pydantic import Field, model_validator

from leukoflow.config.base import Section

Protocol = Literal["image", "duplicate", "acquisition", "patient"]


class Splits(Section):
    """Stratified by class; under every protocol but `image` also grouped."""

    folds: int = Field(1, ge=1, le=20)
    """1 for a single hold-out; otherwise the number of folds, each the test set once."""
    test: float = Field(0.1, gt=0, lt=1)
    """Fraction of the images (of each class) in the test role of a hold-out."""
    validation: float = Field(0.1, gt=0, lt=1)
    """Fraction of all images (of each class) in the validation role."""
    seed: int = Field(42, ge=0)
    """Seed of the division."""

    @model_validator(mode="after")
    def _something_left(self) -> "Splits":
        test = self.test if self.folds == 1 else 1 / self.folds
        if test + self.validation >= 1:
            raise ValueError("test and validation together leave nothing to train on")
        return self
