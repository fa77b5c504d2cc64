"""Section `evaluation.assessment`: calibration and discrimination."""

from typing import Annotated

from pydantic import Field

from leukoflow.config.base import Section

Share = Annotated[float, Field(gt=0, lt=1)]


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
