"""Section `models`: architectures and how each is trained."""

from pydantic import Field, field_validator, model_validator

from leukoflow.config.base import Name, Section, Sha256, Weights
from leukoflow.config.errors import nearest
from leukoflow.config.self_supervised import SelfSupervised
from leukoflow.config.training import Training
from leukoflow.core.runs import BASELINE

METRICS = ("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "mcc", "kappa")
"""Figures of the leaderboard."""
COSTS = ("latency_ms", "gpu_latency_ms", "images_per_second", "bytes", "peak_memory_mb", "training_seconds")
"""What a model costs."""


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
    weights: Weights | None = None
    """What the trunk starts from: nothing for random weights; `hub:REPOSITORY@REVISION` (a file model.safetensors
    there), or a safetensors file. It holds timm's weights of the trunk, or what LeukoFlow saved; the rest stays random.
    """
    sha256: Sha256 | None = None
    """Digest that the weights must have; without one the digest found is recorded."""
    self_supervised: SelfSupervised | None = None
    """Self-supervised pretraining of the trunk, from `weights` or from random ones; nothing for none."""
    training: Training = Field(default_factory=Training)
    """Training recipe."""
    recipe: Name | None = None
    """Entry of section `recipes` that `training` was taken from; set where an experiment trains its models alike."""
    published: dict[Name, dict[str, float]] = {}
    """Figures that the paper gives for this very model, by task, as shares: any of `accuracy`, `balanced_accuracy`,
    `macro_f1`, `macro_auc`, `mcc`, `kappa`; and what it costs: `latency_ms` (of one image, on a processor),
    `gpu_latency_ms`, `images_per_second`, `bytes` (of its weights), `peak_memory_mb`, `training_seconds`. They are
    shown beside the measured ones and enter no result."""

    @field_validator("published")
    @classmethod
    def _figures_can_be(cls, given: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, value in (each for figures in given.values() for each in figures.items()):
            if name not in METRICS + COSTS:
                raise ValueError(f"{name!r} is no figure of the leaderboard{nearest(name, METRICS + COSTS)}")
            if name in COSTS:
                if value <= 0:
                    raise ValueError(f"{name} must be above 0, not {value:g}")
                continue
            least = -1 if name in ("mcc", "kappa") else 0
            if not least <= value <= 1:
                raise ValueError(f"{name} must lie in {least} to 1, not {value:g}; a percentage is written as a share")
        return given

    @model_validator(mode="after")
    def _features_are_chosen_on_all_images(self) -> "Model":
        if self.features and self.training.share < 1:
            raise ValueError("training.share: features are scaled and ranked on all training images; remove this key")
        return self

    @model_validator(mode="after")
    def _only_networks_have_a_trunk(self) -> "Model":
        for key in ("weights", "self_supervised"):
            if getattr(self, key) is not None and (self.features or self.architecture == BASELINE):
                raise ValueError(f"{key} is for networks that read pictures; remove it from {self.architecture}")
        if self.sha256 and self.weights is None:
            raise ValueError("sha256 is the digest of weights; name them in key weights, or remove it")
        return self
