"""Section `evaluation.explain`: where networks look."""

from pydantic import Field

from leukoflow.config.base import Section


class Explain(Section):
    """Heat maps of test images, and what they are worth; of the first fold and seed of every run that is checked."""

    images: int = Field(64, ge=4, le=10_000)
    """Test images explained in each run, balanced over classes, up to half of each class's wrong ones."""
    steps: int = Field(6, ge=2, le=100)
    """Steps in which a picture is taken away and put back by its heat."""
