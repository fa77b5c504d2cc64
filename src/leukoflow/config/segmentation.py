"""Section `segmentation`: how white cells are found, and from whose masks that is learnt."""

from typing import Literal

from pydantic import Field, model_validator

from leukoflow.config.base import Name, Section
from leukoflow.config.training import Stain
from leukoflow.config.views import Cells, Chain, Reinhard

Gates = Literal["quarter", "half", "full", "none"]


class SegmenterTraining(Section):
    """Training of the Attention U-Net."""

    epochs: int = Field(60, ge=1)
    """Most epochs."""
    steps: int = Field(100, ge=1)
    """Batches in an epoch; each source gives the same share of every batch."""
    batch_size: int = Field(16, ge=2)
    """Canvases in a batch."""
    crop: int = Field(128, ge=32, multiple_of=16)
    """Side of a training canvas, pixels. A canvas holds one picture or a mosaic of smaller ones, so that cells of many
    sizes are met."""
    learning_rate: float = Field(1e-3, gt=0)
    """Learning rate of Adam at the first epoch; it falls to zero along a cosine."""
    patience: int = Field(15, ge=1)
    """Epochs without a better validation Dice after which training stops."""
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    """Number format, as Lightning names it."""
    stain: Stain = Stain()
    """Wider stain augmentation, in front of the one that is always there: colours of other pictures of the batch, mixed
    densities, turned hue."""
    seed: int = Field(42, ge=0)
    """Seed of weights, canvases and stain augmentation."""


class Adaptation(Section):
    """Further training of the segmenter on a cohort without masks, by masks of its own (pseudo-masks).

    It is transductive: it sees the pictures of the cohort, those of every test role too, but no mask and no label of
    them. Tables, figures and the report say so of the adapted network, which then finds the cells of the study.
    """

    cohort: Name
    """Cohort whose images are looked at; no source."""
    images: int = Field(400, ge=1)
    """Most of its images that are used, evenly spaced along its list."""
    confidence: float = Field(0.9, gt=0.5, lt=1)
    """Least probability of what a pixel is called, cell or nucleus; other pixels count for nothing."""
    certain: float = Field(0.8, ge=0, le=1)
    """Least share of the pixels found to be cells in an image that must be so confident; other images are not used."""
    epochs: int = Field(10, ge=1)
    """Most epochs of further training, on sources and pseudo-masks together."""
    learning_rate: float = Field(3e-4, gt=0)
    """Learning rate at its first epoch."""


class Segmentation(Section):
    """White cells in every image: Attention U-Net or thresholds, then a watershed into single cells."""

    method: Literal["unet", "threshold"] = "threshold"
    """`unet` needs sources; `threshold` (Otsu or k-means) is tuned on the sources if there are any."""
    sources: tuple[Name, ...] = ()
    """Cohorts with expert masks that are trained on."""
    images_per_source: int = Field(2000, ge=10)
    """Most images of a source that are used, evenly spaced along its list."""
    derived_nuclei: bool = False
    """In sources whose masks do not tell the nucleus apart, take the darker part of each cell for it, by Otsu's
    threshold."""
    leave_one_out: bool = False
    """Also train without each source in turn and test on it."""
    width: float = Field(1.0, gt=0, le=2)
    """Factor on the published 64 to 1,024 channels; 1 is 31,219,293 parameters with one output."""
    gates: Gates = "quarter"
    """Inner width of the attention gates, as a share of the channels of their level; `none` is a plain U-Net without
    gates."""
    compared_gates: tuple[Gates, ...] = ()
    """Other gates: a network with each is trained on all sources and scored too, and looks for no cells."""
    training: SegmenterTraining = SegmenterTraining()
    """Training of the Attention U-Net."""
    adapt: Adaptation | None = None
    """Further training on a cohort without masks. Absent: none."""
    validation: float = Field(0.15, gt=0, lt=0.5)
    """Fraction of a source's images (near-duplicates and patients kept together) that stops the training."""
    test: float = Field(0.2, gt=0, lt=0.5)
    """Fraction that is held out for the table."""
    size: int = Field(224, ge=32, le=2048, multiple_of=16)
    """Side of the square rendition in which cells are looked for, pixels."""
    sizes: dict[Name, int] = {}
    """Another side for some cohorts, for instance those of single cells."""
    steps: Chain = ()
    """Operations on the square picture before cells are looked for in it, such as `[reinhard, clahe]`; images of masks,
    on which the segmenter is trained, go through them as well."""
    cell_um: tuple[float, float] = (5.0, 30.0)
    """Least and largest diameter of a white cell, micrometres."""

    @model_validator(mode="after")
    def _sources_fit(self) -> "Segmentation":
        if self.method == "unet" and not self.sources:
            raise ValueError("method 'unet' learns from masks: name cohorts with expert masks in sources")
        if self.compared_gates and self.method != "unet":
            raise ValueError("compared_gates compares networks, and method is threshold: set method to unet")
        if self.gates in self.compared_gates or len(set(self.compared_gates)) < len(self.compared_gates):
            raise ValueError("compared_gates lists other gates than gates, each once")
        if self.adapt and self.method != "unet":
            raise ValueError("adapt trains a network further, and method is threshold: set method to unet")
        if self.adapt and self.adapt.cohort in self.sources:
            raise ValueError(f"adapt.cohort: {self.adapt.cohort} is a source, whose masks are trained on already")
        if self.leave_one_out and len(self.sources) < 2:
            raise ValueError("leave_one_out needs at least two sources")
        if any(isinstance(step, Cells) for step in self.steps):
            raise ValueError("steps cannot hold cells, which are what is looked for")
        if any(isinstance(step, Reinhard) and step.target != "given" for step in self.steps):
            raise ValueError("steps: reinhard has target given here; cells are found once for all folds")
        for name, size in self.sizes.items():
            if size < 32 or size % 16:
                raise ValueError(f"sizes.{name}: {size} is no multiple of 16 of at least 32")
        return self

    def size_of(self, cohort: str) -> int:
        """Side of the rendition in which a cohort's cells are looked for, pixels."""
        return self.sizes.get(cohort, self.size)
