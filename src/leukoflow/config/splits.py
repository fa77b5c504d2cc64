"""Sections `splits` and `protocols`: how images are divided into training, validation and test roles."""

from typing import Literal

from pydantic import Field, model_validator

from leukoflow.config.base import Section

Groups = Literal["image", "duplicate", "blocks", "acquisition", "patient", "laboratory"]
"""What a division keeps together, from loose to strict."""
LABORATORY: Literal["laboratory"] = "laboratory"
"""Of these, what takes its folds from the cohort."""
Leak = Literal["fitted_on_all", "augmented_before_split", "augmented_before_validation", "validation_as_test"]


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


class Division(Splits):
    """A protocol of its own. Its name begins with what it keeps together or with the ready protocol that it is a form
    of (`patient_thirds`, `hmscam_seed7`), and with `leaky_` before that if it has leaks."""

    groups: Groups = "image"
    """What stays together: nothing (`image`), near-duplicates, and besides these blocks of file numbers, acquisition
    clusters or patients. `laboratory`, for pooled cohorts: each laboratory is tested once by a model that is trained
    and chosen on the others; `folds` and `test` say nothing there."""
    block: int = Field(25, ge=2)
    """File numbers in a block, for `groups: blocks`; images whose paths differ in the number alone are one series."""
    validation: float = Field(0.1, ge=0, lt=1)
    """Fraction of all images (with `test_images`, of those that are left) in the validation role; 0 only if the test
    images are it (`validation_as_test`)."""
    test_images: int | None = Field(None, ge=1)
    """Test images of each class, in place of a fraction."""
    stratified: bool = True
    """Whether each role holds its fraction of every class; otherwise of the images alone."""
    drop_duplicates: bool = False
    """Whether copies of held-out images, and of one another, are removed from the training role."""
    leaks: tuple[Leak, ...] = ()
    """Faults of published protocols, made on purpose so that they can be measured. `fitted_on_all`: features are
    scaled, ranked and selected on the images of all roles. `augmented_before_split`: a changed copy of every validation
    and test image is trained on; `augmented_before_validation`: of every validation image. `validation_as_test`: the
    test images are the validation images too, so that epochs are chosen on what is reported. Near-duplicates on both
    sides are no key: under `image` they are there unless `drop_duplicates` removes them."""

    @property
    def drops_copies(self) -> bool:
        """Whether copies of held-out images are removed from training."""
        return self.drop_duplicates or self.groups == LABORATORY

    @model_validator(mode="after")
    def _goes_together(self) -> "Division":
        if not self.validation and "validation_as_test" not in self.leaks:
            raise ValueError("validation: 0 leaves no images to choose an epoch on; give a fraction above 0")
        if self.test_images is not None and self.folds > 1:
            raise ValueError("test_images is for a single hold-out; remove it, or set folds to 1")
        if self.test_images is not None and not self.stratified:
            raise ValueError("test_images counts each class, so stratified: false does not go with it; remove one")
        if len(set(self.leaks)) < len(self.leaks):
            raise ValueError("leaks: one is named twice")
        return self
