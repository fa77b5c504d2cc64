"""Section `models`: architectures and how each is trained."""

from pydantic import Field, field_validator

from leukoflow.config.base import Name, Section
from leukoflow.config.errors import nearest
from leukoflow.config.training import Training

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "mcc", "kappa")
"""Figures of the leaderboard."""


class Model(Section):
    """An architecture with its size, options and training recipe."""

    architecture: Name
    """Registered name; a file of that name in `leukoflow/models` defines it."""
    size: str = "paper"
    """`paper` for the published size, or a smaller one that the architecture names."""
    options: dict[str, bool | int | float | str | list[str] | list[int]] = {}
    """Options of the architecture, such as its ablations."""
    features: Name | None = None
    """Entry of section `features` that the model reads in place of pictures."""
    training: Training = Field(default_factory=Training)
    """Training recipe."""
    recipe: Name | None = None
    """Entry of section `recipes` that `training` was taken from; set where an experiment trains its models alike."""
    published: dict[Name, dict[str, float]] = {}
    """Figures that the paper gives for this very model, by task, as shares: any of `accuracy`, `balanced_accuracy`,
    `macro_f1`, `macro_auc`, `mcc`, `kappa`. They are shown beside the measured ones and enter no result."""

    @field_validator("published")
    @classmethod
    def _figures_can_be(cls, given: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, value in (each for figures in given.values() for each in figures.items()):
            if name not in METRICS:
                raise ValueError(f"{name!r} is no figure of the leaderboard{nearest(name, METRICS)}")
            least = -1 if name in ("mcc", "kappa") else 0
            if not least <= value <= 1:
                raise ValueError(f"{name} must lie in {least} to 1, not {value:g}; a percentage is written as a share")
        return given
