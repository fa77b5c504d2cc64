"""Section `features`: numbers that describe an image, scaled and ranked for a classifier."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from leukoflow.config.base import Section, Sha256
from leukoflow.config.inputs import OF_WEIGHTS, Asked
from leukoflow.config.weights import Weights

RANKED = 2000
"""Most features of a ranking that tables list and maps are made of, the first by rank."""


Method = Literal["mid", "miq", "fcq", "anova", "chi2", "lasso", "pca", "importance", "random", "none"]


class Selection(Section):
    """Scaling and ranking; both are fitted on the training role alone."""

    scaling: Literal["zscore", "robust"] = "zscore"
    """`zscore`: mean 0, standard deviation 1, clipped at 3; `robust`: median 0, quartiles 1 apart."""
    method: Method = "fcq"
    """mRMR by difference (`mid`) or quotient (`miq`) of mutual information on discretised features, or by F statistic
    over correlation (`fcq`); or, to compare with, ANOVA F, chi-squared, LASSO, principal components, `importance` (mean
    absolute SHAP values of a linear softmax), `random` (drawn by the run's seed), `none` (in the order in which they
    are extracted)."""
    features: int = Field(2000, ge=1)
    """How many features are ranked; fewer if there are fewer."""
    backend: Literal["leukoflow", "pymrmr"] = "leukoflow"
    """`pymrmr` (for `mid` and `miq`; slow; its licence forbids for-profit use) must be installed by hand."""
    stability: int = Field(5, ge=0, le=20)
    """Parts of the training role, each left out once to see whether the same features are chosen; 0 for none."""


class Backbone(Section):
    """A network whose pooled features are taken."""

    name: str
    """timm's name, such as `convnext_large` or `nasnetalarge`; a convolutional network or a vision transformer."""
    weights: Weights | None = None
    """As `weights` of a model: nothing for random weights, `hub:REPOSITORY@REVISION`, `package:NAME==VERSION`, or a
    safetensors file."""
    sha256: Sha256 | None = None
    """Digest that the weights must have; without one the digest found is recorded."""
    input_scaling: Asked = OF_WEIGHTS
    """How pictures are scaled for this network, as in section models."""
    size: int | None = Field(None, ge=16, le=1024)
    """Side in pixels to which pictures are resized for this network; nothing for the view's own. A vision transformer
    has positions for this size, as its weights must; DinoBloom-S is `{name: vit_small_patch14_dinov2, size: 224,
    weights: "hub:1aurent/vit_small_patch14_224.dinobloom@main"}` with the scaling `imagenet`, and DinoBloom-B the same
    with `base`."""


class DeepFeatures(Section):
    """Features of two frozen networks, or of one, and the fusion stack of HybridCN-NAS on top of them."""

    kind: Literal["deep"]
    """Features of networks."""
    backbones: tuple[Backbone, ...] = Field(min_length=1, max_length=2)
    """The two networks, or one alone; the published ones are convnext_large and nasnetalarge."""
    grid: int = Field(2, ge=1, le=16)
    """Positions kept along each side of a feature map, among which the stack attends; 1 for the pooled features, 7 for
    the published maps. A row of features takes grid x grid x channels numbers."""
    stack: Literal["none", "as_coded", "as_described"] = "as_described"
    """`as_coded`: the fixed random stack of the public code; `as_described`: trained on the training role; `none`: the
    pooled features themselves."""
    stack_size: Literal["paper", "small"] = "paper"
    """`paper`: 2,048 features; `small`: 256."""
    attention: bool = True
    """Whether the stack attends among positions; without, their mean is all that it takes."""
    stack_epochs: int = Field(30, ge=1)
    """Epochs in which the stack of `as_described` is trained (Adam, 1e-3, batches of 64)."""
    batch_size: int = Field(16, ge=1)
    """Images at a time through the networks."""
    seed: int = Field(42, ge=0)
    """Seed of random weights."""
    selection: Selection = Selection()
    """Scaling and ranking."""

    @model_validator(mode="after")
    def _attention_needs_positions(self) -> "DeepFeatures":
        if self.stack == "as_described" and self.attention and self.grid < 2:
            raise ValueError(
                "grid: 1 leaves the attention of stack as_described one position, and over one position attention is a "
                "linear map; set grid to 2 or more, or stack to as_coded or none, or attention to false"
            )
        return self


class MorphologyFeatures(Section):
    """Cell morphology of an image: statistics over its white cells."""

    kind: Literal["morphology"]
    """Features of segmented cells."""
    selection: Selection = Selection()
    """Scaling and ranking."""


Features = Annotated[DeepFeatures | MorphologyFeatures, Field(discriminator="kind")]
