"""Section `evaluation`: intervals."""

from typing import Literal

from pydantic import Field

from leukoflow.config.abstention import Abstention, Novelty
from leukoflow.config.assessment import Assessment
from leukoflow.config.base import Section
from leukoflow.config.explain import Explain
from leukoflow.config.profile import Profile
from leukoflow.config.robustness import Robustness
from leukoflow.config.shortcuts import Shortcuts


class Evaluation(Section):
    """How results are measured."""

    resamples: int = Field(2000, ge=100, le=100_000)
    """Bootstrap resamples, over images and over groups."""
    interval: Literal["percentile", "bca"] = "percentile"
    """How limits are read off the resamples: at their percentiles, or bias-corrected and accelerated (BCa)."""
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
    explain: Explain = Explain()
    """Heat maps and their scores."""
