"""Section `models`: architectures and how each is trained."""

from typing import Any

from pydantic import Field, field_validator, model_validator

from leukoflow.config.base import Name, Section, Sha256
from leukoflow.config.errors import nearest
from leukoflow.config.inputs import OF_WEIGHTS, Asked
from leukoflow.config.self_supervised import SelfSupervised
from leukoflow.config.training import Training
from leukoflow.config.weights import Weights
from leukoflow.core.runs import BASELINE

METRICS = (
    *("accuracy", "balanced_accuracy", "macro_f1", "macro_auc", "mcc", "kappa"),
    *("macro_precision", "macro_specificity", "ovr_accuracy", "weighted_precision", "weighted_f1"),
)
"""Figures of the leaderboard."""
COSTS = ("latency_ms", "gpu_latency_ms", "images_per_second", "bytes", "peak_memory_mb", "training_seconds")
"""What a model costs."""


class Partner(Section):
    """What a second trunk starts from, in an architecture that can have one."""

    weights: Weights | None = None
    """As `weights` of the model, for the second trunk."""
    sha256: Sha256 | None = None
    """Digest that these weights must have; without one the digest found is recorded."""
    input_scaling: Asked = OF_WEIGHTS
    """As `input_scaling` of the model, for the second trunk."""

    @model_validator(mode="after")
    def _a_digest_is_of_weights(self) -> "Partner":
        _check_digest(self.sha256, self.weights)
        return self


class Variant(Section):
    """What a sweep or an ablation made a model of."""

    of: Name
    """The model that was changed."""
    values: dict[str, Any]
    """Values by key."""


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
    there); `package:NAME==VERSION` (a package of the Python index that brings a file of weights); or a safetensors
    file. It holds timm's weights of the trunk, or what LeukoFlow saved; the rest stays random."""
    sha256: Sha256 | None = None
    """Digest that the weights must have; without one the digest found is recorded."""
    input_scaling: Asked = OF_WEIGHTS
    """How pictures are scaled for the trunk. `weights`: as its weights were trained (what the file says, or timm's
    config of these weights; for random ones as `imagenet`). Or one of these: `imagenet` (mean and standard deviation of
    ImageNet), `unit` ([0, 1]), `symmetric` ([-1, 1]), `bytes` (0 to 255), `caffe` (0 to 255, blue first, minus the mean
    of ImageNet), `keras` (as Keras prepares pictures for this network: `caffe` for ResNet and VGG, `symmetric` for
    Inception and NASNet, `imagenet` inside EfficientNet and ConvNeXt, which take 0 to 255), `keras_unit` ([0, 1] given
    to Keras's network, which EfficientNet and ConvNeXt divide by 255 once more); or a mean and standard deviation."""
    partner: Partner | None = None
    """What the second trunk starts from that option `partner` names; nothing for random weights."""
    self_supervised: SelfSupervised | None = None
    """Self-supervised pretraining of the trunk, from `weights` or from random ones; nothing for none."""
    training: Training = Field(default_factory=Training)
    """Training recipe."""
    recipe: Name | None = None
    """Entry of section `recipes` that `training` was taken from; set where an experiment trains its models alike."""
    variant: Variant | None = None
    """Set where the sweep or ablation of an experiment made this model of another."""
    published: dict[Name, dict[str, float]] = {}
    """Figures that the paper gives for this very model, by task, as shares: any of `accuracy`, `balanced_accuracy`,
    `macro_f1`, `macro_auc`, `mcc`, `kappa`, `macro_precision`, `macro_specificity`, `ovr_accuracy`,
    `weighted_precision`, `weighted_f1`; and what it costs: `latency_ms` (of one image, on a processor),
    `gpu_latency_ms`, `images_per_second`, `bytes` (of its weights), `peak_memory_mb`, `training_seconds`. They are
    shown next to the measured ones and enter no result."""

    @field_validator("published")
    @classmethod
    def _figures_can_be(cls, published: dict[str, dict[str, float]]) -> dict[str, dict[str, float]]:
        for name, value in (figure for figures in published.values() for figure in figures.items()):
            if name not in METRICS + COSTS:
                raise ValueError(f"{name!r} is no figure of the leaderboard{nearest(name, METRICS + COSTS)}")
            if name in COSTS:
                if value <= 0:
                    raise ValueError(f"{name} must be above 0, not {value:g}")
                continue
            least = -1 if name in ("mcc", "kappa") else 0
            if not least <= value <= 1:
                raise ValueError(f"{name} must lie in {least} to 1, not {value:g}; a percentage is written as a share")
        return published

    @model_validator(mode="after")
    def _features_are_chosen_on_all_images(self) -> "Model":
        if self.features and self.training.share < 1:
            raise ValueError("training.share: features are scaled and ranked on all training images; remove this key")
        return self

    @model_validator(mode="after")
    def _only_networks_have_a_trunk(self) -> "Model":
        for key in ("weights", "self_supervised", "partner", "input_scaling"):
            is_set = getattr(self, key) not in (None, OF_WEIGHTS)
            if is_set and (self.features or self.architecture == BASELINE):
                raise ValueError(f"{key} is for networks that read pictures; remove it from {self.architecture}")
        _check_digest(self.sha256, self.weights)
        return self

    @model_validator(mode="after")
    def _a_partner_is_an_option(self) -> "Model":
        if self.partner is not None and not self.options.get("partner"):
            raise ValueError("partner is for a second trunk; name its network in options.partner, or remove this key")
        return self


def _check_digest(sha256: str | None, weights: str | None) -> None:
    if sha256 and weights is None:
        raise ValueError("sha256 is the digest of weights; name them in key weights, or remove it")
