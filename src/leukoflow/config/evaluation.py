"""Section `evaluation`: intervals."""

from pydantic import Field

from leukoflow.config.base import Section
from leukoflow.config.explain import Explain


class Evaluation(Section):
    """How results are measured."""

    resamples: int = Field(2000, ge=100, le=100_000)
    """Bootstrap resamples, over images and over groups."""
    confidence: float = Field(0.95, gt=0.5, lt=1)
    """Level of every interval."""
    seed: int = Field(42, ge=0)
    """Seed of the bootstrap."""
    explain: Explain = Explain()
    """Heat maps and their scores."""
